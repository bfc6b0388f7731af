"""Tables and manifests that are damaged, edited or of a maker’s own shape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets.trees import CASES
from datasets.trees.plant import put

from edge_emo.datasets.adapter import make_adapter
from edge_emo.datasets.check import check_manifests, read_about
from edge_emo.datasets.clips import read_clips, write_clips
from edge_emo.datasets.findings import Findings
from edge_emo.datasets.prepare import about_path, prepare
from edge_emo.datasets.tables import read_lines, read_rows
from edge_emo.errors import ConfigError, DatasetError
from tests.datasets.prepared import a_text


def test_nexdata_without_mapping_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="column-mapping file"):
        make_adapter("nexdata")
    (tmp_path / "m.toml").write_text('[labels]\n"0009" = "happy"\n')
    root = CASES["nexdata"].plant(tmp_path / "in")
    with pytest.raises(ConfigError, match="T0001"):
        prepare(make_adapter("nexdata", tmp_path / "m.toml"), root, tmp_path / "n.jsonl")


def test_a_bought_table_is_read_by_its_mapping(tmp_path: Path) -> None:
    root = put(tmp_path / "in", {"d.csv": "f;e;w\na.wav;glad;p1\n", "a.wav": None})
    (root / "files" / "x--y").mkdir(parents=True)
    mapping = tmp_path / "m.toml"
    mapping.write_text(
        'table = "d.csv"\n[columns]\npath = "f"\nlabel = "e"\nspeaker = "w"\n'
        '[labels]\nglad = "joyfully"\n'
    )
    summary = prepare(make_adapter("unidata", mapping), root, tmp_path / "u.jsonl")
    clip = read_clips(summary.manifest)[0]
    assert (clip.label, clip.speaker) == ("happiness", "unidata/p1")


def test_a_bought_table_may_name_files_by_their_whole_paths(tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere", {"b.wav": None})
    root = put(tmp_path / "in", {"a.wav": None})
    rows = [f"{folder / name};happy" for folder, name in ((root, "a.wav"), (elsewhere, "b.wav"))]
    (root / "d.csv").write_text("\n".join(["f;e", *rows, f"{elsewhere / 'c.wav'};happy", ""]))
    (root / "files" / "x--y").mkdir(parents=True)
    mapping = tmp_path / "m.toml"
    mapping.write_text('table = "d.csv"\n[columns]\npath = "f"\nlabel = "e"\n')
    summary = prepare(make_adapter("unidata", mapping), root, tmp_path / "u.jsonl")
    paths = [tmp_path / (clip.path or "") for clip in read_clips(summary.manifest)]
    assert [path.resolve() for path in paths] == [root / "a.wav", elsewhere / "b.wav"]
    assert summary.findings.counts["missing"] == 1


def test_rows_survive_bom_crlf_and_cp1252_and_name_what_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfa, b\r\n1,"x, y"\r\nonly\r\n2,na\xefve\r\n3,4,5\r\n')
    findings = Findings()
    rows = list(read_rows(path, findings, needs=("a", "b")))
    assert [dict(row.cells) for row in rows] == [{"a": "1", "b": "x, y"}, {"a": "2", "b": "naïve"}]
    assert rows[1].where == f"{path}:4"
    assert findings.first["broken"] == [f"{path}:3: 1 cells for 2", f"{path}:5: 3 cells for 2"]
    assert findings.first["encoding"] == [f"{path}:4"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_files_that_are_not_what_they_seem(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        list(read_lines(path, Findings()))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match=r"x\.csv:1: has no column 'c'"):
        list(read_rows(path, Findings(), needs=("a", "c")))


def test_a_manifest_edited_by_hand_names_its_line(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    write_clips(manifest, [a_text("a", "train", "x"), a_text("b", "test", "y")])
    manifest.write_text(manifest.read_text().replace('"b"', '"b", "note": 1'))
    with pytest.raises(DatasetError, match=r"m\.jsonl:2: unknown key 'note'"):
        check_manifests([manifest])


@pytest.mark.parametrize("line", [b"[]", b"\xff", b"3", b"[" * 100_000, b'{"clip": ' + b"9" * 5000])
def test_what_is_beside_a_manifest_names_its_line(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "m.about.jsonl").write_bytes(b'{"clip": "a"}\n' + line)
    with pytest.raises(DatasetError, match=r"m\.about\.jsonl:2: no JSON object with a clip"):
        list(read_about(tmp_path / "m.jsonl"))


def test_what_is_beside_another_manifest_is_refused(tmp_path: Path) -> None:
    """A manifest filtered by hand would lose its dialogues without a word."""
    manifest = tmp_path / "m.jsonl"
    write_clips(manifest, [a_text("b", "train", "x"), a_text("c", "test", "y")])
    rows = ({"clip": name, "dialogue": 1} for name in "abc")
    about_path(manifest).write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DatasetError, match=r"m\.about\.jsonl tells of 'a'"):
        check_manifests([manifest])
