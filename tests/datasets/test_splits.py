"""Parts by group: groups stay whole, every part gets one, shares come near."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.datasets.clips import Clip
from edge_emo.datasets.splits import PARTS, assign_parts, leave_one_out


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abcd", min_size=1), st.integers(1, 50), min_size=3), st.integers())
def test_groups_stay_whole_and_every_part_gets_one(sizes: dict[str, int], seed: int) -> None:
    assigned = assign_parts(sizes, seed)
    assert set(assigned) == set(sizes)
    assert set(assigned.values()) == set(PARTS)
    assert assign_parts(dict(sorted(sizes.items(), reverse=True)), seed) == assigned


def test_one_or_two_groups_are_enough_to_train() -> None:
    assert assign_parts({"a": 5}) == {"a": "train"}
    assert sorted(assign_parts({"a": 5, "b": 5}).values()) == ["test", "train"]


def test_shares_come_near(tmp_path: Path) -> None:
    sizes = {f"s{n}": random.Random(n).randint(20, 40) for n in range(60)}
    counts = Counter[str]()
    for group, part in assign_parts(sizes, 3).items():
        counts[part] += sizes[group]
    for part, share in PARTS.items():
        assert abs(counts[part] / sum(sizes.values()) - share) < 0.03


def test_leave_one_out_holds_each_out_once() -> None:
    clips = [Clip(f"c{n}", "text", speaker=s, text="x") for n, s in enumerate("aab")]
    folds = list(leave_one_out(clips, lambda clip: clip.speaker))
    assert [(f.held, len(f.train), len(f.test)) for f in folds] == [("a", 1, 2), ("b", 2, 1)]
