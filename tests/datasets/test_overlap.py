"""Speakers, texts, windows, films and sounds that stand in two parts are found."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets.trees.plant import tone

from edge_emo.cli.app import main
from edge_emo.datasets.check import check_manifests
from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.datasets.prepare import about_path
from tests.datasets.prepared import a_text


def test_overlap_of_speakers_and_texts_is_found(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    write_clips(
        manifest,
        [
            a_text("a", "train", "The small boat went out at dawn.", speaker="own/1"),
            a_text("b", "test", "the small boat went OUT at dusk", speaker="own/1"),
            a_text("c", "test", "Yes.", speaker="own/2"),
            a_text("d", "train", "Yes.", speaker="own/3"),
        ],
    )
    found = {overlap.what: overlap for overlap in check_manifests([manifest]).overlaps}
    assert found["speakers"].first == ["own/1"]
    assert found["near-identical texts"].first == ["a = b"]
    assert set(found) == {"speakers", "near-identical texts"}


def test_what_stands_in_three_parts_is_told_of_each_two(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    text = "The small boat went out at dawn."
    parts = ("dev", "test", "train")
    write_clips(manifest, [a_text(part[:2], part, text, speaker="own/1") for part in parts])
    found = check_manifests([manifest]).overlaps
    told = {(one.what, one.parts): one.first for one in found}
    pairs = [("dev", "test"), ("dev", "train"), ("test", "train")]
    texts = [["de = te"], ["de = tr"], ["te = tr"]]
    assert told == {
        **{("speakers", pair): ["own/1"] for pair in pairs},
        **{("near-identical texts", pair): text for pair, text in zip(pairs, texts, strict=True)},
    }


@pytest.mark.parametrize(
    ("other", "near"),
    [
        ("The small boat went out at dusk", True),
        ("The very small boat went out at dawn", True),
        ("The boat went out at dawn", True),
        ("Then the small boat went out at dawn!", True),
        ("The old boat went out at dusk", False),
        ("The boat went out", False),
    ],
)
def test_a_word_changed_added_or_left_out_hides_no_copy(
    tmp_path: Path, other: str, near: bool
) -> None:
    manifest = tmp_path / "m.jsonl"
    text = "The small boat went out at dawn"
    write_clips(manifest, [a_text("a", "train", text), a_text("b", "test", other)])
    found = [overlap.what for overlap in check_manifests([manifest]).overlaps]
    assert found == ["near-identical texts"] * near


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("今天早上小船出海去了，没有回来。", "今天早上小船出海去了,没有回来", True),
        ("今天早上小船出海去了，没有回来。", "今天早上那小船出海去了，没有回来", True),
        ("今天早上小船出海去了，没有回来。", "昨天晚上大船出海去了，没有回来", False),
        ("小船出海去了", "小船出海去了", False),
        ("Das Boot fuhr fru\u0308h u\u0308ber das Meer", "Das Boot fuhr früh über das Meer", True),
    ],
)
def test_texts_without_blanks_and_of_other_code_points_are_compared(
    tmp_path: Path, one: str, other: str, near: bool
) -> None:
    manifest = tmp_path / "m.jsonl"
    write_clips(manifest, [a_text("a", "train", one), a_text("b", "test", other)])
    found = [overlap.what for overlap in check_manifests([manifest]).overlaps]
    assert found == ["near-identical texts"] * near


def test_overlapping_windows_and_dialogues_are_found(tmp_path: Path) -> None:
    def window(name: str, start_s: float, part: str) -> Clip:
        return Clip(name, "eeg", path="x.npz", start_s=start_s, end_s=start_s + 5, split=part)

    manifest = tmp_path / "m.jsonl"
    write_clips(
        manifest, [window("a", 0, "train"), window("b", 4, "test"), window("c", 9, "train")]
    )
    about_path(manifest).write_text('{"clip": "a", "dialogue": 1}\n{"clip": "b", "dialogue": 1}\n')
    found = {overlap.what: overlap for overlap in check_manifests([manifest]).overlaps}
    assert found["overlapping windows"].first == ["a and b"]
    assert found["dialogues"].count == 1


def test_a_film_seen_in_one_part_and_heard_in_another_is_found(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    seen = Clip("a", "face", path="x.mp4", split="train")
    write_clips(manifest, [seen, Clip("b", "voice", path="x.mp4", split="test")])
    (found,) = check_manifests([manifest]).overlaps
    assert (found.what, found.first) == ("overlapping windows", ["b and a"])


def test_the_same_sound_at_another_level_is_found(tmp_path: Path) -> None:
    for name, gain, base in (("a", 0.3, 300.0), ("b", 0.05, 300.0), ("c", 0.3, 900.0)):
        tone(tmp_path / f"{name}.wav", base, 0.8, gain)
    clips = [
        Clip("a", "voice", path="a.wav", split="train"),
        Clip("b", "voice", path="b.wav", split="test"),
        Clip("c", "voice", path="c.wav", split="test"),
    ]
    write_clips(tmp_path / "m.jsonl", clips)
    found = check_manifests([tmp_path / "m.jsonl"], media=True).overlaps
    assert [(o.what, o.first) for o in found] == [("near-identical media", ["b = a"])]


def test_the_command_line_refuses_overlap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "test"):
        clip = Clip(f"{part}1", "text", text="x", speaker="own/1")
        write_clips(tmp_path / f"{part}.jsonl", [clip])
    both = [str(tmp_path / "train.jsonl"), str(tmp_path / "test.jsonl")]
    assert main(["datasets", "check", *both]) == 1
    assert "share 1 speakers: own/1" in capsys.readouterr().err
    assert main(["datasets", "check", "--allow", "speakers", *both]) == 0
