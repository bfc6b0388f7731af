"""Stress-Predict: Empatica E4 streams cut at the button presses, arrays or the E4's own files."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import open_npz
from edge_emo.datasets.tree import Item, Signal, Tree

_ARCHIVE = "stress_predict_e4.npz"
_STREAMS = ("BVP", "EDA", "TEMP", "HR")
_RATE_HZ = 64.0
_UNCLEAR = ("S01", "S06", "S17", "S18")
"""Whose presses are one too many or too few, or of a watch that was set wrong."""

Floats = npt.NDArray[np.float64]


class Stream(NamedTuple):
    """One stream of the wristband: unix start in seconds, rate, samples."""

    start_s: float
    rate_hz: float
    data: Floats


class StressPredict(Adapter):
    """Stress tasks, cut into the phases between button presses."""

    name = "stress-predict"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a phase, its streams held at 64 Hz on their common span."""
        archive = tree.find(_ARCHIVE)
        if archive is not None:
            for subject in sorted({name.split("_")[0] for name in open_npz(archive).files}):
                yield from _phases(tree, subject, *_from_archive(open_npz(archive), subject))
            return
        folder = "Raw_data" if (tree.root / "Raw_data").is_dir() else ""
        for subject in tree.folders(folder):
            if re.fullmatch(r"S\d\d", subject):
                place = f"{folder}/{subject}".strip("/")
                yield from _phases(tree, subject, *_from_files(tree, place))


def _phases(
    tree: Tree, subject: str, streams: Mapping[str, Stream], presses: Floats
) -> Iterator[Item]:
    if not streams:
        tree.findings.add("missing", subject, "no stream")
        return
    first = max(stream.start_s for stream in streams.values())
    last = min(s.start_s + len(s.data) / s.rate_hz for s in streams.values())
    inside = np.unique(presses[(presses > first) & (presses < last)])
    ends = [first, *map(float, inside), last]
    known = len(inside) > 1 and _are_clear(tree, subject, presses, (first, last))
    for number, (begin, end) in enumerate(itertools.pairwise(ends)):
        if end - begin < 1.0:
            tree.findings.add("defect", subject, f"phase {number} lasts under 1 s")
            continue
        name = f"{subject}_{number:02d}"
        yield tree.item(
            "physio",
            name,
            f"{name}.npz",
            label="baseline" if number == 0 and known else None,
            speaker=subject,
            about={"phase": number, "phases": len(ends) - 1},
            make=partial(_held, dict(streams), begin, end),
        )


def _are_clear(tree: Tree, subject: str, presses: Floats, span_s: tuple[float, float]) -> bool:
    """Tell whether the presses bound the phases, so that what precedes the first is baseline."""
    outside = int(np.sum((presses <= span_s[0]) | (presses >= span_s[1])))
    if subject in _UNCLEAR:
        tree.findings.add("defect", subject, "presses do not bound the phases; kept without label")
    elif outside:
        tree.findings.add("value", subject, f"{outside} presses outside the recording; no label")
    return not outside and subject not in _UNCLEAR


def _held(streams: Mapping[str, Stream], begin_s: float, end_s: float) -> Signal:
    times = begin_s + np.arange(int((end_s - begin_s) * _RATE_HZ)) / _RATE_HZ
    columns = []
    for stream in streams.values():
        index = ((times - stream.start_s) * stream.rate_hz).astype(np.int64)
        columns.append(stream.data[np.clip(index, 0, len(stream.data) - 1)])
    data = np.stack(columns, axis=1).astype(np.float32)
    return Signal(data, _RATE_HZ, tuple(streams))


def _from_archive(archive: Mapping[str, Floats], subject: str) -> tuple[dict[str, Stream], Floats]:
    streams = {}
    for name in _STREAMS:
        key = f"{subject}_{name}"
        if key in archive and archive[key].size:
            start, rate = float(archive[f"{key}_start"]), float(archive[f"{key}_rate_hz"])
            streams[name] = Stream(start, rate, np.asarray(archive[key], dtype=np.float64))
    tags = archive[f"{subject}_tags"] if f"{subject}_tags" in archive else np.zeros(0)
    return streams, np.asarray(tags, dtype=np.float64).ravel()


def _from_files(tree: Tree, place: str) -> tuple[dict[str, Stream], Floats]:
    streams = {}
    for name in _STREAMS:
        values = _column(tree, f"{place}/{name}.csv")
        if len(values) > 2 and values[1] <= 0:
            tree.findings.add("broken", f"{place}/{name}.csv", f"a rate of {values[1]:g} Hz")
        elif len(values) > 2:
            streams[name] = Stream(float(values[0]), float(values[1]), values[2:])
    return streams, _column(tree, f"{place}/tags.csv")


def _column(tree: Tree, name: str) -> Floats:
    path = tree.find(name)
    if path is None:
        tree.findings.add("missing", name)
        return np.zeros(0)
    numbers = (tree.number(line.text.split(",")[0], line.where) for line in tree.lines(path))
    return np.array([number for number in numbers if number is not None])
