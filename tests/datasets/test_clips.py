from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_emo.datasets.clips import Clip, read_clips, write_clips
from edge_emo.errors import DatasetError
from tests.test_files import full_disk

ROW: dict[str, Any] = {
    "clip": "c/1", "corpus": "c", "modality": "voice", "path": "c/1.wav",
    "start_s": None, "end_s": None, "speaker": "c/s1", "split": "train", "language": "en",
    "text": None, "label": "anger", "votes": {"anger": 3, "fear": 1.5}, "valence": None,
    "arousal": 0.5, "dominance": None, "intensity": 0.5, "perspective": "expressed",
    "licence": "CC0-1.0",
}  # fmt: skip


def manifest(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "clips.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_key_arrives(tmp_path: Path) -> None:
    (clip,) = read_clips(manifest(tmp_path, ROW))
    assert {key: getattr(clip, key) for key in ROW} == ROW


def test_a_full_disk_leaves_the_former_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("former")
    with full_disk(), pytest.raises(OSError, match="too large"):
        write_clips(path, [Clip("a", "text", text="x" * 1000)])
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    clips = [
        Clip("a", "text", text="two lines\nand a separator\u2028within", label="joy"),
        Clip("c", "text", text="yes", context=[{"speaker": None, "text": "are you sure?"}]),
        Clip("b", "eeg", path="b.npz", start_s=0, end_s=2.5, label="rest", valence=-1),
    ]
    write_clips(tmp_path / "m.jsonl", clips)
    assert read_clips(tmp_path / "m.jsonl") == clips
    first = (tmp_path / "m.jsonl").read_text(encoding="utf-8").split("\n")[0]
    assert list(json.loads(first)) == list(ROW)


def test_absent_keys_are_null_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    clips = read_clips(manifest(tmp_path, "", '{"clip": "a", "modality": "text", "text": ""}', ""))
    assert clips == [Clip("a", "text", text="")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"emotion": "anger"}, "unknown key 'emotion'"),
        ({"clip": None}, "clip is missing"),
        ({"modality": "smell"}, "modality = 'smell'"),
        ({"path": None}, "a voice clip needs a path"),
        ({"path": 3}, "path = 3 is no name"),
        ({"modality": "text"}, "a text clip needs a text"),
        ({"valence": 1.01}, "valence = 1.01"),
        ({"valence": True}, "valence = True"),
        ({"arousal": "high"}, "arousal = 'high'"),
        ({"intensity": -0.1}, "intensity = -0.1"),
        ({"start_s": -1}, "start_s = -1"),
        ({"start_s": 2, "end_s": 2}, "end_s = 2 is not after its start"),
        ({"votes": {}}, "votes = {}"),
        ({"votes": {"anger": -1, "fear": 2}}, "votes = "),
        ({"votes": ["anger"]}, "votes = "),
        ({"perspective": "mine"}, "perspective = 'mine'"),
        ({"label": ""}, "label = ''"),
        ({"valence": 10**400}, "valence = 1"),
        ({"start_s": 10**400}, "start_s = 1"),
        ({"votes": {"anger": 1e308, "fear": 1e308}}, "votes = "),
        ({"path": "c/\0.wav"}, "path = "),
        ({"text": "half \ud83d"}, "text = "),
        ({"context": [{"text": "half \ud83d"}]}, "context = "),
    ],
)
def test_a_wrong_value_is_named_with_its_line(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = manifest(tmp_path, ROW, ROW | {"clip": "c/2"} | change)
    with pytest.raises(DatasetError) as caught:
        read_clips(path)
    assert words in caught.value.message
    assert f"{path}:2: " in caught.value.message


@pytest.mark.parametrize(
    ("line", "words"),
    [('{"clip": ', "not JSON"), ("[]", "not a JSON object"), (json.dumps(ROW), "was there before")],
)
def test_a_line_that_is_no_clip_is_refused(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read_clips(manifest(tmp_path, ROW, line))


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    line = '{"clip": "a", "modality": "text", "text": "x", "valence": NaN}'
    with pytest.raises(DatasetError, match="valence"):
        read_clips(manifest(tmp_path, line))


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.jsonl"):
        read_clips(tmp_path / "none.jsonl")


def test_a_wrong_clip_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="valence = 2"):
        write_clips(tmp_path / "m.jsonl", [Clip("a", "text", text="x", valence=2.0)])
    assert not (tmp_path / "m.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"clip": "a", "clip": "b", "modality": "text", "text": "x"}', "a key is there twice"),
        ('{"clip": "a", "votes": {"joy": 1, "joy": 2}}', "a key is there twice"),
        ('{"clip": ' + "[" * 100_000, "not JSON"),
        (f'{{"clip": 1{"0" * 5000}}}', "not JSON"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = manifest(tmp_path, ROW, line)
    with pytest.raises(DatasetError) as caught:
        read_clips(path)
    assert words in caught.value.message
    assert f"{path}:2: " in caught.value.message
