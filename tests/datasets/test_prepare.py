"""Preparing: roots, strictness, broken input, parts, nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from datasets.trees import CASES

from edge_emo.cli.app import main
from edge_emo.datasets import writer
from edge_emo.datasets.adapter import Adapter, make_adapter
from edge_emo.datasets.catalogue import Corpus, corpora, corpus_of
from edge_emo.datasets.clips import read_clips
from edge_emo.datasets.prepare import Options, about_path, prepare
from edge_emo.datasets.root import find_root
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import DatasetError


def test_another_corpus_is_named(tmp_path: Path) -> None:
    root = CASES["emodb"].plant(tmp_path / "deep" / "er")
    with pytest.raises(DatasetError, match=r"looks like EmoDB \(Berlin\) \(emodb\)") as raised:
        find_root(corpus_of("ravdess"), root)
    assert "Actor_" in raised.value.hint


@pytest.mark.parametrize("name", sorted(set(CASES) - {"emotionx", "emotionlines"}))
def test_no_corpus_is_taken_for_another(name: str, tmp_path: Path) -> None:
    root = CASES[name].plant(tmp_path / "x" / "y")
    taken = [other.name for other in corpora().values() if _is_near(other, root)]
    assert name in taken
    assert set(taken) - {name} <= {"caer-s", "caer", "eev"} or taken == [name]


def _is_near(corpus: Corpus, root: Path) -> bool:
    try:
        return find_root(corpus, root) == root
    except DatasetError:
        return False


def test_strict_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    root = CASES["ravdess"].plant(tmp_path / "in")
    out = tmp_path / "out" / "r.jsonl"
    with pytest.raises(DatasetError, match="findings") as raised:
        prepare(make_adapter("ravdess"), root, out, Options(strict=True))
    assert "notes.wav" in raised.value.hint
    assert list(out.parent.iterdir()) == []


class Full:
    """A part that the disk has no room for."""

    def __format__(self, spec: str) -> str:
        raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_as_parts_are_settled_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = CASES["ravdess"].plant(tmp_path / "in")
    out = tmp_path / "out" / "r.jsonl"
    full = Full()
    monkeypatch.setattr(writer, "assign_parts", lambda sizes, seed: dict.fromkeys(sizes, full))
    with pytest.raises(OSError, match="No space left"):
        prepare(make_adapter("ravdess"), root, out)
    assert list(out.parent.iterdir()) == []


def test_labels_can_be_changed_and_modalities_chosen(tmp_path: Path) -> None:
    root = CASES["iemocap"].plant(tmp_path / "in")
    out = tmp_path / "i.jsonl"
    options = Options(modalities=("voice",), labels={"exc": ""})
    summary = prepare(make_adapter("iemocap"), root, out, options)
    assert summary.counts["modality"] == {"voice": 1}
    assert read_clips(out)[0].label is None
    assert json.loads(about_path(out).read_text())["native"] == "exc"


def test_unreadable_media_is_left_out_when_verified(tmp_path: Path) -> None:
    root = CASES["tess"].plant(tmp_path / "in")
    (root / "OAF_Fear" / "OAF_back_fear.wav").write_bytes(b"RIFF but no more")
    summary = prepare(make_adapter("tess"), root, tmp_path / "t.jsonl", Options(verify=True))
    assert summary.clips == 2
    assert "OAF_back_fear" in summary.findings.first["unreadable"][0]


def test_paths_hold_where_the_manifests_folder_is_a_link(tmp_path: Path) -> None:
    root = CASES["ased"].plant(tmp_path / "in")
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "far" / "away")
    prepare(make_adapter("ased"), root, tmp_path / "out" / "a.jsonl", Options(verify=True))
    clips = read_clips(tmp_path / "out" / "a.jsonl")
    assert len(clips) == 2
    assert all((tmp_path / "out" / str(clip.path)).is_file() for clip in clips)


def test_a_damaged_recording_is_left_out_and_the_others_are_made(tmp_path: Path) -> None:
    root = CASES["eegmat"].plant(tmp_path / "in")
    whole = (root / "Subject00_2.edf").read_bytes()
    (root / "Subject00_2.edf").write_bytes(whole[:-900])
    summary = prepare(make_adapter("eegmat"), root, tmp_path / "e.jsonl")
    assert [clip.label for clip in read_clips(tmp_path / "e.jsonl")] == ["rest"]
    assert "Subject00_2.edf is no readable EDF file" in summary.findings.first["unreadable"][0]


def test_one_id_for_two_people_is_told(tmp_path: Path) -> None:
    root = CASES["baved"].plant(tmp_path / "in")
    summary = prepare(make_adapter("baved"), root, tmp_path / "b.jsonl")
    assert summary.findings.first["speaker"] == ["baved/7: ('female', 30) and ('male', 30)"]


class _Twice(Adapter):
    name = "tess"

    def items(self, tree: Tree) -> Iterator[Item]:
        for _ in range(2):
            yield tree.item("text", "same", text="Twice the same name.")


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    root = CASES["tess"].plant(tmp_path / "in")
    with pytest.raises(DatasetError, match="'tess/same' is there twice"):
        prepare(_Twice(), root, tmp_path / "t.jsonl")
    assert not (tmp_path / "t.jsonl").exists()


class _Halved(Adapter):
    name = "tess"

    def items(self, tree: Tree) -> Iterator[Item]:
        for key, text in (("whole", "a \U0001f600 face"), ("half", "a \ud83d face")):
            yield tree.item("text", key, text=text)


def test_half_a_letter_is_left_out_and_counted(tmp_path: Path) -> None:
    root = CASES["tess"].plant(tmp_path / "in")
    summary = prepare(_Halved(), root, tmp_path / "t.jsonl")
    assert [clip.clip for clip in read_clips(tmp_path / "t.jsonl")] == ["tess/whole"]
    assert "tess/half" in summary.findings.first["broken"][0]


class _Outside(Adapter):
    name = "tess"

    def items(self, tree: Tree) -> Iterator[Item]:
        for key, path in (("in", "a.png"), ("out", "../../a.png")):
            yield tree.item("face", key, path, make=lambda: np.zeros((4, 4), np.uint8))


def test_made_files_stay_in_their_folder(tmp_path: Path) -> None:
    root = CASES["tess"].plant(tmp_path / "in")
    summary = prepare(_Outside(), root, tmp_path / "out" / "t.jsonl")
    assert [clip.clip for clip in read_clips(tmp_path / "out" / "t.jsonl")] == ["tess/in"]
    assert "leads out of" in summary.findings.first["unreadable"][0]
    assert not (tmp_path / "a.png").exists()


def test_clips_outside_the_only_list_are_of_the_other_part(tmp_path: Path) -> None:
    root = CASES["ferv39k"].plant(tmp_path / "in")
    (root / "4_setups" / "All_scenes" / "train_All.csv").unlink()
    prepare(make_adapter("ferv39k"), root, tmp_path / "f.jsonl")
    parts = [(clip.clip, clip.split) for clip in read_clips(tmp_path / "f.jsonl")]
    assert parts == [
        ("ferv39k/Action/Angry/0001", "train"),
        ("ferv39k/War/Happy/0001", "test"),
        ("ferv39k/War/Happy/0002", "train"),
    ]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("meld", "train_splits/dia0_utt0.mp4"),
        ("iemocap", "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"),
        ("ch-sims-v2", "Raw/v_0001/0001.mp4"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_an_empty_file_that_a_table_names_is_counted(
    tmp_path: Path, name: str, path: str, content: bytes
) -> None:
    root = CASES[name].plant(tmp_path / "in")
    assert (root / path).is_file()
    (root / path).write_bytes(content)
    summary = prepare(make_adapter(name), root, tmp_path / "x.jsonl")
    assert path in summary.findings.first["unreadable"][0]
    clips = read_clips(tmp_path / "x.jsonl")
    assert not [clip for clip in clips if str(clip.path).endswith(path)]


def test_made_files_are_not_made_again(tmp_path: Path) -> None:
    root = CASES["eegmat"].plant(tmp_path / "in")
    out = tmp_path / "e.jsonl"
    prepare(make_adapter("eegmat"), root, out)
    made = tmp_path / "e.files" / "Subject00_1.npz"
    before = made.stat().st_mtime_ns
    prepare(make_adapter("eegmat"), root, out)
    assert made.stat().st_mtime_ns == before


def test_the_command_line_prepares_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = CASES["ased"].plant(tmp_path / "in")
    out = tmp_path / "ased.jsonl"
    assert main(["datasets", "prepare", "ASED", str(root.parent), "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "2 clips" in captured.out
    assert f"the corpus begins at {root}" in captured.err
    assert main(["datasets", "check", str(out)]) == 0
    assert main(["datasets", "show", "emo-db"]) == 0
    assert "w → anger" in capsys.readouterr().out
