"""MDMER: processed trials in MATLAB files found at any depth, films after cutting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import read_mat
from edge_emo.datasets.tree import Item, Signal, Tree
from edge_emo.errors import DatasetError
from edge_emo.types import Modality

_REST = 40
_ARRAYS: tuple[tuple[Modality, str, str, float], ...] = (
    ("eeg", "eeg", "eeg_datas", 300.0),
    ("physio", "gsr", "gsr_datas", 4.0),
    ("physio", "ppg", "ppg_datas", 100.0),
)


class Mdmer(Adapter):
    """Mixed emotions from 32 clips."""

    name = "mdmer"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield films and signals of every subject, one clip a trial."""
        for subject in tree.folders():
            if subject.isdecimal():
                for path in tree.files(subject, (".mat", ".mp4")):
                    yield from _of_file(tree, subject, path)


def _of_file(tree: Tree, subject: str, path: str) -> Iterator[Item]:
    name = path.rpartition("/")[2]
    film = re.fullmatch(r"(\d{1,2})\.(?i:mp4)", name)
    if film and "/splitraw/" in path and int(film[1]) < 32:
        yield _item(tree, "face", "face", subject, int(film[1]), path)
    elif name.lower() in ("datas.mat", "aligned_data.mat"):
        try:
            content = read_mat(tree.root / path)
        except DatasetError as error:
            tree.findings.add("unreadable", path, error.message)
            return
        for modality, kind, array, rate_hz in _ARRAYS:
            if array not in content:
                tree.findings.add("missing", path, f"no array {array}")
                continue
            for trial in np.unique(np.asarray(content[array])[-1]).astype(int):
                if trial != _REST:
                    made = f"{subject}_{kind}_{trial:02d}.npz"
                    item = _item(tree, modality, kind, subject, int(trial), made)
                    make = partial(_trial, tree.root / path, array, int(trial), rate_hz, kind)
                    yield item._replace(make=make)


def _item(tree: Tree, modality: Modality, kind: str, subject: str, trial: int, path: str) -> Item:
    native = "positive" if trial < 8 else "negative" if trial < 16 else "mixed"
    about = {"stimulus": trial, "trial": f"{subject}/{trial}", "derived": ["valence"]}
    return tree.item(
        modality,
        f"{subject}/{trial:02d}/{kind}",
        path,
        native=native,
        speaker=subject,
        valence={"positive": 1.0, "negative": -1.0}.get(native),
        perspective="expressed" if modality == "face" else "felt",
        about=about,
    )


def _trial(path: Path, array: str, trial: int, rate_hz: float, kind: str) -> Signal:
    """Cut one trial; the last row of the array says which trial each sample is of."""
    content = np.asarray(read_mat(path)[array])
    if content.ndim != 2:
        raise DatasetError(f"{path}: {array} is not channels x samples")
    data = content[:-1, content[-1] == trial].T.astype(np.float32)
    count = data.shape[1]
    numbered = tuple(f"{kind}{number}" for number in range(1, count + 1))
    channels = numbered if count > 1 else (kind.upper(),)
    return Signal(np.ascontiguousarray(data), rate_hz, channels)
