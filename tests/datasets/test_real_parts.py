"""The real parts of corpora beside the checkout, each counted by its adapter as its readme says.

Adapters read names and tables, not samples: of the sounds only the names are laid out here,
which is what takes a second and not a minute.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edge_emo.datasets.adapter import make_adapter
from edge_emo.datasets.catalogue import corpora
from edge_emo.datasets.clips import iter_clips
from edge_emo.datasets.prepare import Options, Summary, prepare
from edge_emo.datasets.tree import Tree

SPEECH = {
    "ravdess": (1200, 20),
    "emodb": (408, 8),
    "nemo": (3403, 7),
    "ased": (1974, 55),
    "tess": (1400, 1),
    "baved": (1040, 51),
    "emogator": (2400, 80),
}
TEXTS = {
    "goemotions": {"train": 43410, "dev": 5426},
    "emobank": {"train": 8062, "dev": 1000},
    "meld": {"train": 9989, "dev": 1109},
    "emotionlines": {"train": 10561, "dev": 1178},
}


@pytest.fixture(scope="session")
def laid_out(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay the corpora out as they were published: names of sounds, everything of the rest."""
    place = tmp_path_factory.mktemp("real")
    for archive in sorted((shared_data / "speech").glob("*.tar")):
        with tarfile.open(archive) as opened:
            for member in opened.getmembers():
                if member.isfile():
                    target = (place / member.name).with_suffix(".wav")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(b"RIFF")
    (place / "nemo" / "data.tsv").write_bytes(
        (shared_data / "speech" / "nemo_data.tsv").read_bytes()
    )
    texts = sorted((shared_data / "text").glob("*.tar.xz"))
    for archive in [*texts, shared_data / "cremad" / "cremad_votes.tar.xz"]:
        with tarfile.open(archive) as opened:
            opened.extractall(place, filter="data")
    return place


def _prepared(name: str, root: Path, out: Path) -> Summary:
    return prepare(make_adapter(name), root, out / f"{name}.jsonl", Options())


@pytest.mark.parametrize("name", sorted(SPEECH))
def test_every_sound_is_read(name: str, laid_out: Path, tmp_path: Path) -> None:
    clips, speakers = SPEECH[name]
    summary = _prepared(name, laid_out / name, tmp_path)
    read = list(iter_clips(summary.manifest))
    assert summary.clips == len(read) == clips
    assert len({clip.speaker for clip in read}) == speakers
    assert set(summary.findings.counts) <= {"missing", "speaker"}
    parts: dict[str, set[str | None]] = {}
    for clip in read:
        parts.setdefault(str(clip.speaker), set()).add(clip.split)
    assert all(len(splits) == 1 for splits in parts.values())


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_text_is_read(name: str, laid_out: Path, tmp_path: Path) -> None:
    summary = _prepared(name, laid_out / name, tmp_path)
    assert dict(summary.counts["split"]) == TEXTS[name]


def test_dailydialog_leaves_out_copies_and_the_broken_line(laid_out: Path, tmp_path: Path) -> None:
    summary = _prepared("dailydialog", laid_out / "dailydialog", tmp_path)
    assert summary.findings.counts["duplicate"] > 69
    assert summary.findings.counts["defect"] == 1
    assert "dialogues_train.txt:7852" in summary.findings.first["defect"][0]


def test_xed_and_isear_are_read_but_for_what_is_empty(laid_out: Path, tmp_path: Path) -> None:
    xed = _prepared("xed", laid_out / "xed", tmp_path)
    assert (xed.clips, xed.findings.counts["broken"]) == (27202, 1)
    isear = _prepared("isear", laid_out / "isear", tmp_path)
    assert isear.clips + isear.findings.counts["defect"] == 7666
    assert dict(isear.findings.counts) == {"defect": 94}
    people = {clip.speaker for clip in iter_clips(isear.manifest)}
    assert len(people) == corpora()["isear"].speakers == 1096


def test_cremad_gives_the_votes_of_each_kind_without_media(laid_out: Path, tmp_path: Path) -> None:
    summary = _prepared("cremad", laid_out / "cremad", tmp_path)
    assert summary.counts["modality"] == {"voice": 5967, "face": 5967}
    assert len({clip.speaker for clip in iter_clips(summary.manifest)}) == 73


def test_diffusionfer_is_read(shared_data: Path, tmp_path: Path) -> None:
    with tarfile.open(shared_data / "face" / "diffusionfer.tar") as opened:
        opened.extractall(tmp_path, filter="data")
    summary = _prepared("diffusionfer", tmp_path / "diffusionfer", tmp_path / "out")
    assert (summary.clips, dict(summary.findings.counts)) == (1285, {})


def test_every_face_of_fer2013_is_read_or_counted(shared_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "fer2013plus"
    root.mkdir()
    table = shared_data / "face" / "fer2013plus_labels.npz"
    (root / "labels.npz").write_bytes(table.read_bytes())
    shape = (31707, 48, 48)
    np.lib.format.open_memmap(root / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    adapter = make_adapter("fer2013plus")
    tree = Tree(root, adapter.corpus)
    splits = Counter(item.clip.split for item in adapter.items(tree))
    assert sum(splits.values()) + tree.findings.counts["defect"] == 31707
    assert tree.findings.counts["duplicate"] == 3


def test_signals_are_made_as_the_archives_hold_them(shared_data: Path, tmp_path: Path) -> None:
    dasps = _prepared("dasps", shared_data / "eeg", tmp_path)
    eegmat = _prepared("eegmat", shared_data / "eeg", tmp_path)
    assert (dasps.clips, eegmat.clips) == (18 * 12, 28 * 2)
    assert eegmat.counts["label"] == {"rest": 28, "load": 28}
    with np.load(tmp_path / "eegmat.files" / "Subject00_2.npz") as made:
        assert made["data"].shape == (7936, 19)
        assert float(made["rate_hz"]) == 128.0
        assert "ECG" not in " ".join(made["channels"])
    with np.load(tmp_path / "dasps.files" / "S01_00.npz") as made:
        assert made["data"].shape == (1920, 14)
        np.testing.assert_allclose(made["data"][0, :3], [-1.55, -2.5, 0.55], rtol=1e-5)


def test_every_wristband_is_read(shared_data: Path) -> None:
    adapter = make_adapter("stress-predict")
    items = list(adapter.items(Tree(shared_data / "physio", adapter.corpus)))
    assert len({item.clip.speaker for item in items}) == 27
    assert Counter(item.clip.label for item in items)["baseline"] == 23
