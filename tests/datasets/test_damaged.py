"""Every adapter over its small tree with one file damaged: a word about it, and no crash."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from datasets.trees import CASES
from datasets.trees.plant import put

from edge_emo.datasets.adapter import Adapter, make_adapter
from edge_emo.datasets.arrays import open_npz
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import ConfigError, EdgeEmoError

SHAPES = ([], {}, 3, None, "x", [1], [[1]], [[{"emotion": 1, "utterance": 2, "speaker": 3}]])
MOST = 12  # cells of a row that are changed
TABLES = (".csv", ".tsv", ".txt", ".xml", ".gold")


def adapter_of(name: str, place: Path) -> Adapter:
    columns = CASES[name].columns
    if columns is not None:
        (place / "columns.toml").write_text(columns, encoding="utf-8")
    return make_adapter(name, place / "columns.toml" if columns is not None else None)


def damages(path: Path, whole: bytes) -> Iterator[bytes]:
    """Yield what a copy that broke, an editor or a wrong export may have made of a file."""
    yield from (whole[: len(whole) // 2], bytes(len(whole)), b'\x00\xff,;\t"{\n' * 30)
    if path.suffix == ".json":
        yield from (json.dumps(shape).encode() for shape in SHAPES)
    if path.suffix in TABLES:
        head, _, rest = whole.partition(b"\n")
        first, end, others = rest.partition(b"\n")
        yield from (rest, head + b"\n")
        for mark in (b",", b"\t", b";", b" "):
            cells = first.split(mark)
            for number in range(min(len(cells), MOST) if len(cells) > 1 else 0):
                for cell in (b"", b"x", b"1e999", b"9" * 25):
                    changed = mark.join([*cells[:number], cell, *cells[number + 1 :]])
                    yield head + b"\n" + changed + end + others


def error_of(read: Callable[[], object]) -> EdgeEmoError | None:
    try:
        read()
    except EdgeEmoError as error:
        return error
    return None


def read_all(adapter: Adapter, root: Path) -> None:
    for item in adapter.items(Tree(root, adapter.corpus)):
        error = None if item.make is None else error_of(item.make)
        assert error is None or str(root) in error.message


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_damaged_file_is_never_a_crash(name: str, tmp_path: Path) -> None:
    root, adapter = CASES[name].plant(tmp_path / "planted"), adapter_of(name, tmp_path)
    for path in [path for path in root.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        for content in damages(path, whole):
            path.write_bytes(content)
            error = error_of(lambda: read_all(adapter, root))
            assert error is None or error.message
        path.write_bytes(whole)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_part_that_is_lacking_is_never_a_crash(name: str, tmp_path: Path) -> None:
    root, adapter = CASES[name].plant(tmp_path / "planted"), adapter_of(name, tmp_path)
    for number, path in enumerate(sorted(root.rglob("*"))):
        aside = tmp_path / f"aside{number}"
        path.rename(aside)
        error = error_of(lambda: read_all(adapter, root))
        assert error is None or error.hint
        aside.rename(path)


def test_votes_stay_with_their_picture_when_a_row_is_broken(tmp_path: Path) -> None:
    pixels = " ".join(["7"] * 48 * 48)
    rows = "".join(f"{code},{pixels},Training\n" for code in (0, 3, 4))
    voted = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    votes = (
        f"Usage,Image name,{voted}\n"
        "Training,a.png,broken\n"
        "Training,b.png,0,10,0,0,0,0,0,0,0,0\n"
        "Training,c.png,0,0,0,10,0,0,0,0,0,x\n"
    )
    files = {"fer2013.csv": f"emotion,pixels,Usage\n{rows}", "fer2013new.csv": votes}
    adapter = make_adapter("fer2013plus")
    tree = Tree(put(tmp_path / "fer2013", files), adapter.corpus)
    found = [(item.clip.clip, item.clip.label) for item in adapter.items(tree)]
    assert found == [("fer2013plus/fer0000001", "happiness")]
    assert tree.findings.counts["broken"] == 3


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("caer-s", "test"),
        ("caer", "validation"),
        ("emotiontalk", "Audio"),
        ("emotiontalk", "Video"),
        ("emotiontalk", "mm-process/transcription.csv"),
        ("emotiontalk", "mm-process/audio.csv"),
        ("iemocap", "Session1/dialog/avi"),
        ("meld", "dev_sent_emo.csv"),
        ("goemotions", "data/test.tsv"),
        ("eev", "val.csv"),
    ],
)
def test_a_part_that_is_lacking_is_told(name: str, part: str, tmp_path: Path) -> None:
    root, adapter = CASES[name].plant(tmp_path / "planted"), adapter_of(name, tmp_path)
    before = Tree(root, adapter.corpus)
    list(adapter.items(before))
    assert (root / part).exists()
    (root / part).rename(tmp_path / "aside")
    after = Tree(root, adapter.corpus)
    list(adapter.items(after))
    known = before.findings.first.get("missing", [])
    assert set(after.findings.first["missing"]) - set(known)


def test_votes_alone_give_no_sound_that_is_silent_and_no_clip_of_another_name(
    tmp_path: Path,
) -> None:
    names = ("1001_DFA_ANG_XX", "1076_MTI_SAD_XX", "practice")
    rows = "".join(f"1{k:05},9,0,0,0,1,0,{name}\n" for k, name in enumerate(names))
    table = f'"",A,D,F,H,N,S,fileName\n{rows}'
    root = put(tmp_path / "cremad", {"processedResults/tabulatedVotes.csv": table})
    adapter = make_adapter("cremad")
    tree = Tree(root, adapter.corpus)
    assert [item.clip.clip for item in adapter.items(tree)] == [
        "cremad/1001_DFA_ANG_XX/voice",
        "cremad/1001_DFA_ANG_XX/face",
        "cremad/1076_MTI_SAD_XX/face",
    ]
    assert dict(tree.findings.counts) == {"broken": 1, "missing": 3, "defect": 1}


ARCHIVES = {
    ("dasps", "dasps_raw.npz"): {
        "S01_data": np.ones((2, 16, 2), np.int16),
        "S01_labels": np.array([[1.0, 9.0], [5.0, 3.0]]),
        "S01_hamilton": np.array([[25], [37]]),
        "channels": np.array(["AF3", "F7"]),
        "rate_hz": np.float32(128),
        "unit_uv": np.float32(0.5),
    },
    ("eegmat", "eegmat_128hz.npz"): {
        "Subject00_1": np.ones((2, 500), np.int16),
        "channels": np.array(["Fp1", "F3"]),
        "rate_hz": np.float32(128),
        "unit_uv": np.float32(0.5),
    },
    ("stress-predict", "stress_predict_e4.npz"): {
        "S02_BVP": np.ones(640),
        "S02_BVP_start": np.float64(1000),
        "S02_BVP_rate_hz": np.float64(64),
        "S02_tags": np.array([1002.0, 1004.0]),
    },
}


@pytest.mark.parametrize(("name", "file"), ARCHIVES)
def test_an_archive_that_lacks_an_array_is_never_a_crash(
    name: str, file: str, tmp_path: Path
) -> None:
    adapter, arrays = make_adapter(name), ARCHIVES[name, file]
    np.savez(tmp_path / file, **arrays)
    assert error_of(lambda: read_all(adapter, tmp_path)) is None
    for lacking in arrays:
        np.savez(tmp_path / file, **{key: a for key, a in arrays.items() if key != lacking})
        for item in _readable(adapter, tmp_path):
            assert item.make is not None
            error = error_of(item.make)
            assert error is None or file in error.message


def _readable(adapter: Adapter, root: Path) -> list[Item]:
    try:
        return list(adapter.items(Tree(root, adapter.corpus)))
    except EdgeEmoError:
        return []


def test_trials_of_dasps_that_have_ratings_alone_are_never_a_crash(tmp_path: Path) -> None:
    arrays = {**ARCHIVES["dasps", "dasps_raw.npz"], "S01_labels": np.full((2, 3), 5.0)}
    np.savez(tmp_path / "dasps_raw.npz", **arrays)
    items = _readable(make_adapter("dasps"), tmp_path)
    made = [item.make for item in items if item.make is not None]
    assert [error_of(make) is None for make in made] == [True, True, False]


def test_an_archive_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    for number in (1, 22):
        np.savez(tmp_path / "a.npz", x=np.full(number, number))
        assert open_npz(tmp_path / "a.npz")["x"].tolist() == [number] * number


@pytest.mark.parametrize("name", ["emobank", "meld"])
def test_a_mapping_file_that_would_not_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="published layout") as caught:
        make_adapter(name, tmp_path / "columns.toml")
    assert "--columns" in caught.value.hint
