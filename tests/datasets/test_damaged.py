"""Every adapter over its small tree with one file damaged: a word about it, and no crash."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from datasets.trees import CASES
from datasets.trees.plant import put

from edge_emo.datasets.adapter import Adapter, make_adapter
from edge_emo.datasets.tree import Tree
from edge_emo.errors import EdgeEmoError

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
