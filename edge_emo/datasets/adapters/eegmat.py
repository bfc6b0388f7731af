"""EEGMAT: rest (``_1``) and mental arithmetic (``_2``) of each subject, EDF or arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import open_npz, read_edf
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Signal, Tree

_NAME = r"(Subject\d\d)_([12])"
_NO_ELECTRODES = ("ECG", "ECG ECG", "A2-A1")
_LABELS = {"1": "rest", "2": "load"}
_ARCHIVE = "eegmat_128hz.npz"
_PEOPLE = ("subject-info.csv", "eegmat_subject_info.csv")


class Eegmat(Adapter):
    """Rest against mental load, 19 channels."""

    name = "eegmat"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a recording; its samples are made in µV, of the electrodes alone."""
        people = _people(tree)
        archive = tree.find(_ARCHIVE)
        if archive is not None:
            names = sorted(n for n in open_npz(archive).files if re.fullmatch(_NAME, n))
            for name in names:
                yield _item(tree, name, people, partial(_from_archive, archive, name))
            return
        for path, match in tree.matches(_NAME + r"\.edf", suffixes=(".edf",)):
            make = partial(_from_edf, tree.root / path)
            yield _item(tree, match.string[:-4], people, make)


def _item(tree: Tree, name: str, people: Mapping[str, Row], make: partial[Signal]) -> Item:
    subject, part = name.split("_")
    person = people.get(subject)
    about: dict[str, object] = {"native": _LABELS[part]}
    if person:
        cells, age = person.cells, tree.whole(person.cells["Age"], person.where)
        about["gender"] = "female" if cells["Gender"].strip() == "F" else "male"
        about["good_at_arithmetic"] = cells["Count quality"].strip() == "1"
        if age is not None:
            about["age"] = age
    return tree.item(
        "eeg",
        name,
        f"{name}.npz",
        label=_LABELS[part],
        speaker=subject,
        about=about,
        make=make,
    )


def _from_archive(path: Path, name: str) -> Signal:
    archive = open_npz(path)
    data = archive[name].T.astype(np.float32) * np.float32(archive["unit_uv"])
    channels = tuple(str(channel) for channel in archive["channels"])
    return _electrodes(Signal(data, float(archive["rate_hz"]), channels))


def _from_edf(path: Path) -> Signal:
    signal = read_edf(path)
    names = tuple(name.removeprefix("EEG ") for name in signal.channels)
    return _electrodes(signal._replace(channels=names))


def _electrodes(signal: Signal) -> Signal:
    kept = [i for i, name in enumerate(signal.channels) if name.upper() not in _NO_ELECTRODES]
    channels = tuple(signal.channels[i] for i in kept)
    return Signal(np.ascontiguousarray(signal.data[:, kept]), signal.rate_hz, channels)


def _people(tree: Tree) -> dict[str, Row]:
    path = tree.find(*_PEOPLE)
    if path is None:
        return {}
    needs = ("Subject", "Age", "Gender", "Count quality")
    return {row.cells["Subject"]: row for row in tree.rows(path, needs=needs)}
