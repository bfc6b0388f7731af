"""Contract suite for adapters: subclass it in your tests and give it a small tree.

::

    class TestMyCorpus(AdapterContract):
        def make(self) -> Adapter:
            return MyCorpus()

        def plant(self, folder: Path) -> Path:
            ...  # write a small corpus in its official layout below ``folder``
            return folder / "MyCorpus"

Each method named ``test_…`` is one clause. The suite needs no test framework; pytest and
unittest both collect it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.clips import clip_line, read_clips
from edge_emo.datasets.prepare import Options, prepare
from edge_emo.datasets.root import find_root
from edge_emo.datasets.tree import Item, Signal, Tree
from edge_emo.errors import DatasetError
from edge_emo.types import CATEGORIES


class AdapterContract(ABC):
    """What every adapter does. Subclass it and give ``make`` and ``plant``.

    Attributes:
        media: Whether clips have files, so that paths are checked.
        absent: Whether the planted tree names files that are not there.
    """

    media = True
    absent = False

    @abstractmethod
    def make(self) -> Adapter:
        """Return the adapter."""

    @abstractmethod
    def plant(self, folder: Path) -> Path:
        """Write a small corpus in its official layout below ``folder``; return its own folder."""

    def test_yields_lazily_and_the_same_every_time(self) -> None:
        """Items come from an iterator; a second walk gives equal clips in equal order."""
        with self._planted() as tree:
            items = self.make().items(tree)
            assert iter(items) is items
            first = [item.clip for item in items]
            assert first, "no clip"
            assert first == [item.clip for item in self.make().items(tree)]

    def test_clips_are_what_a_manifest_holds(self) -> None:
        """Every value can be written, names are unique and begin with the corpus."""
        with self._planted() as tree:
            names = set()
            for item in self.make().items(tree):
                clip_line(item.clip, item.clip.clip)
                json.dumps(dict(item.about))
                assert item.clip.clip.startswith(f"{tree.corpus.name}/"), item.clip.clip
                assert item.clip.clip not in names, item.clip.clip
                names.add(item.clip.clip)

    def test_labels_are_categories_or_its_own(self) -> None:
        """A label is a category, one that the catalogue names as the corpus's own, or absent."""
        with self._planted() as tree:
            for item in self.make().items(tree):
                known = (*CATEGORIES, *tree.corpus.own, None)
                assert item.clip.label in known, item.clip.label
                for category in item.clip.votes or ():
                    assert category in CATEGORIES, category

    def test_says_licence_and_perspective(self) -> None:
        """Every clip carries the licence of its corpus and whose view it is."""
        with self._planted() as tree:
            allowed = tree.corpus.perspective.split("+")
            for item in self.make().items(tree):
                assert item.clip.licence == tree.corpus.licence
                assert item.clip.perspective in (*allowed, "felt", "expressed")
                assert item.clip.modality in tree.corpus.modalities

    def test_speakers_carry_the_corpus(self) -> None:
        """A speaker's name begins with the corpus, so that two corpora never share one."""
        with self._planted() as tree:
            for item in self.make().items(tree):
                speaker = item.clip.speaker
                assert speaker is None or speaker.startswith(f"{tree.corpus.name}/"), speaker

    def test_files_are_there_or_are_made(self) -> None:
        """A path is a file below the root, or the item makes it."""
        with self._planted() as tree:
            for item in self.make().items(tree):
                if item.make is not None:
                    _check_made(item)
                elif item.clip.path is not None and self.media and not self.absent:
                    assert (tree.root / item.clip.path).is_file(), item.clip.path

    def test_litter_changes_nothing(self) -> None:
        """Files that operating systems leave behind are passed over without a word."""
        with self._planted() as tree:
            clean = [item.clip for item in self.make().items(tree)]
            before = dict(tree.findings.counts)
            for folder in [tree.root, *(p for p in tree.root.rglob("*") if p.is_dir())]:
                for name in (*_LITTER, *(f"._{path.name}" for path in folder.iterdir())):
                    (folder / name).write_bytes(b"\x00\x05")
                for name in _LITTER_FOLDERS:
                    put = folder / name / "x.wav"
                    put.parent.mkdir()
                    put.write_bytes(b"\x00\x05")
            again = Tree(tree.root, tree.corpus)
            assert [item.clip for item in self.make().items(again)] == clean
            assert dict(again.findings.counts) == before

    def test_root_one_level_off_is_found(self) -> None:
        """The folder above, and a folder below, lead to the corpus's own."""
        with self._planted() as tree:
            assert find_root(tree.corpus, tree.root) == tree.root
            assert find_root(tree.corpus, tree.root.parent) == tree.root
            below = sorted(path for path in tree.root.iterdir() if path.is_dir())
            for folder in below[:1]:
                found = find_root(tree.corpus, folder).resolve()
                assert found in (tree.root.resolve(), folder.resolve())

    def test_empty_folder_is_refused(self) -> None:
        """A folder without the corpus is an error that says so."""
        with tempfile.TemporaryDirectory() as place:
            empty = Path(place) / "a" / "b" / "c"
            empty.mkdir(parents=True)
            assert _refusal(self.make(), empty).hint

    def test_prepares_a_manifest_with_parts(self) -> None:
        """The manifest reads back, every clip has a part, and nothing half-written is left."""
        with self._planted() as tree:
            manifest = tree.root.parent / "out" / "corpus.jsonl"
            summary = prepare(self.make(), tree.root, manifest, Options())
            clips = read_clips(manifest)
            assert len(clips) == summary.clips
            assert all(clip.split for clip in clips)
            assert not list(manifest.parent.rglob("*.part*"))

    @contextmanager
    def _planted(self) -> Iterator[Tree]:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "planted"
            folder.mkdir()
            root = self.plant(folder)
            assert root != folder, "plant the corpus in a folder of its own"
            yield Tree(root, self.make().corpus)
            shutil.rmtree(folder, ignore_errors=True)


_LITTER = (
    *(".DS_Store", "Thumbs.db", "ehthumbs.db", "thumbs.db", "desktop.ini", "Icon\r"),
    *(".directory", "old.bak", ".x.wav.swp"),
)
_LITTER_FOLDERS = ("@eaDir", "__MACOSX", ".ipynb_checkpoints")


def _check_made(item: Item) -> None:
    assert item.make is not None
    made = item.make()
    if isinstance(made, Signal):
        assert made.data.dtype == np.float32
        assert made.data.shape[1] == len(made.channels)
        assert made.rate_hz > 0
        assert len(made.data) > 0
    else:
        assert made.dtype == np.uint8


def _refusal(adapter: Adapter, folder: Path) -> DatasetError:
    try:
        find_root(adapter.corpus, folder)
    except DatasetError as error:
        return error
    raise AssertionError("an empty folder was taken for the corpus")
