"""The tools that study fusion, without the corpora that they study."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edge_emo.types import CATEGORIES, Posterior, Prediction
from tests.train_tools import need_torch, training

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from fusion_study import broken, pages


def test_a_fault_that_half_of_the_runs_never_notice_has_no_median() -> None:
    found = broken._summary([{"face": 4.0}, {"face": 6.0, "voice": 9.0}, {}, {}], "face")
    assert found == {"noticed": 0.5, "median_s": None, "others": 0.25}
    json.dumps(found, allow_nan=False)
    rows = {"none": {"others": 0.0}, "face stuck": found}
    page = pages.broken({"broken": {"voice + face": rows}})
    assert page.splitlines()[-2:] == [
        "| voice + face | none | – | – | 0 |",
        "| voice + face | face stuck | 50 | – | 25 |",
    ]


@pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")
def test_a_part_that_cannot_be_measured_is_refused() -> None:
    need_torch()
    pytest.importorskip("scipy")
    import bench_fusion

    assert bench_fusion.chosen_parts(None, ["methods"]) == ["heads", "methods"]
    assert bench_fusion.chosen_parts(["methods"], ["methods"]) == ["methods"]
    for name, words in (("method", "no part method: name"), ("body", "body needs --have")):
        with pytest.raises(SystemExit, match=words):
            bench_fusion.chosen_parts([name], ["methods"])


@pytest.mark.parametrize("rests", [1, 4])
def test_a_persons_clips_are_scored_once_and_never_by_themselves(rests: int) -> None:
    with training("pad"):
        from fusion_study import baselines
    labels = ["neutral"] * rests + ["anger", "fear", "sadness"] * 3
    said = [
        baselines.Answer("ann", label, 40.0, [_said(0.2 + 0.01 * n)])
        for n, label in enumerate(labels)
    ]
    judged = baselines.of_people(said, 0.5)
    scored = [one for one in said if rests > 1 or one.label != "neutral"]
    assert [len(judged[when]) for when in ("before", "after")] == [len(scored)] * 2
    own = sorted(round(one.windows[0].posterior.confidence, 6) for one in scored)
    assert sorted(round(one.confidence, 6) for one in judged["before"]) == own


def _said(share: float) -> Prediction:
    rest = (1 - share) / (len(CATEGORIES) - 1)
    posterior = Posterior(CATEGORIES, (share, *(rest for _ in CATEGORIES[1:])))
    return Prediction("voice", 0, 1, posterior, None, None, None, 1.0, "v", 0)
