"""AFFEC: trials rated as felt and as perceived; EEG as EDF, GSR as tables without header."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import read_edf, reading
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Signal, Tree
from edge_emo.errors import DatasetError
from edge_emo.types import Modality

_EVENTS = r"(sub-[a-z0-9]+)_task-fer_run-(\d)_events\.(?i:tsv)"
_GSR = "GSR_Conductance_cal"
_GSR_RATE_HZ = 51.2
_GSR_GAP_S = 0.5
_SIDES = (("felt", "f_emotion"), ("expressed", "p_emotion"))


class Source(NamedTuple):
    """A signal file of one run."""

    modality: Modality
    kind: str
    path: Path
    columns: tuple[str, ...]


class Affec(Adapter):
    """Face-to-face dialogues; every trial is felt and perceived."""

    name = "affec"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield felt and perceived clips of each signal of each trial."""
        people = _people(tree)
        for path in tree.files(suffixes=("_events.tsv",)):
            match = re.fullmatch(_EVENTS, path.rpartition("/")[2])
            if match:
                yield from _run(tree, path, match[1], match[2], people)


def _run(
    tree: Tree, path: str, person: str, run: str, people: Mapping[str, Mapping[str, Any]]
) -> Iterator[Item]:
    stem = f"{person}_task-fer_run-{run}"
    ratings = _ratings(tree, stem)
    sources = list(_sources(tree, person, run))
    needs = ("onset", "duration", "trial_type", "stim_file", "flag")
    for row in tree.rows(tree.root / path, delimiter="\t", quoted=False, needs=needs):
        if row.cells["flag"].strip() != "video":
            continue
        rated = ratings.get(row.cells["stim_file"])
        if rated is None:
            tree.findings.add("missing", row.where, "no rating of this stimulus")
            continue
        for source in sources:
            yield from _items(tree, row, rated, source, (person, run), people)


def _items(
    tree: Tree,
    row: Row,
    rated: Row,
    source: Source,
    place: tuple[str, str],
    people: Mapping[str, Mapping[str, Any]],
) -> Iterator[Item]:
    onset = tree.number(row.cells["onset"], row.where)
    lasts = tree.number(row.cells["duration"], row.where)
    if onset is None or not lasts:
        tree.findings.add("broken", row.where, "no onset and duration")
        return
    person, run = place
    trial = f"{person}/{run}/{rated.cells['trial'].strip()}"
    shown = row.cells["trial_type"].strip()
    make = partial(_cut, source, onset, onset + lasts)
    about = {"trial": trial, "stimulus": shown, **people.get(person, {})}
    for side, column in _SIDES:
        yield tree.item(
            source.modality,
            f"{trial}/{source.kind}/{'perceived' if side == 'expressed' else 'felt'}",
            f"{trial}_{source.kind}.npz".replace("/", "_"),
            native=shown if side == "expressed" else None,
            where=row.where,
            speaker=person,
            valence=tree.dimension(rated.cells[f"{column}_v"], rated.where),
            arousal=tree.dimension(rated.cells[f"{column}_a"], rated.where),
            perspective=side,
            about=about,
            make=make,
        )


def _ratings(tree: Tree, stem: str) -> dict[str, Row]:
    person = stem.partition("_")[0]
    path = tree.find(*(f"{part}{person}/beh/{stem}_beh.tsv" for part in ("", "beh/", "core/")))
    if path is None:
        tree.findings.add("missing", f"{person}/beh/{stem}_beh.tsv")
        return {}
    needs = ("trial", "stim_file", "p_emotion_a", "p_emotion_v", "f_emotion_a", "f_emotion_v")
    rows = tree.rows(path, delimiter="\t", quoted=False, needs=needs)
    return {row.cells["stim_file"]: row for row in rows}


def _sources(tree: Tree, person: str, run: str) -> Iterator[Source]:
    stem = f"{person}_task-fer_run-{run}"
    eeg = tree.find(*(f"{part}{person}/eeg/{stem}_eeg.edf" for part in ("", "eeg/")))
    if eeg:
        yield Source("eeg", "eeg", eeg, ())
    folders = [f"{part}{person}/beh" for part in ("", "gsr/")]
    gsr = tree.find(*(f"{f}/{stem}_recording-gsr_physio.tsv.gz" for f in folders))
    if gsr:
        columns = _columns(tree, gsr, person)
        if columns:
            yield Source("physio", "gsr", gsr, columns)
    if not eeg and not gsr:
        tree.findings.add("missing", stem, "neither EEG nor GSR of this run")


def _columns(tree: Tree, path: Path, person: str) -> tuple[str, ...] | None:
    """Return the names of a table's columns: its own sidecar's, or one of the same length."""
    try:
        count = len(next(_table(path), []))
    except DatasetError as error:
        tree.findings.add("unreadable", str(path), error.message)
        return None
    folder = path.parent.relative_to(tree.root).as_posix()
    own = tree.find(f"{folder}/{path.name[: -len('.tsv.gz')]}.json")
    others = (tree.root / name for name in tree.files(folder, ("_recording-gsr_physio.json",)))
    for sidecar in dict.fromkeys((own, *others)):
        names = () if sidecar is None else _named(tree, sidecar)
        if len(names) == count and _GSR in names and "onset" in names:
            return names
    tree.findings.add("broken", str(path), f"no sidecar names {count} columns; stream rejected")
    return None


def _named(tree: Tree, sidecar: Path) -> tuple[str, ...]:
    try:
        with reading(sidecar):
            return tuple(map(str, tree.json(sidecar).get("Columns", ())))
    except DatasetError as error:
        tree.findings.add("unreadable", str(sidecar), error.message)
        return ()


def _people(tree: Tree) -> dict[str, dict[str, Any]]:
    path = tree.find("participants.tsv", "core/participants.tsv")
    if path is None:
        tree.findings.add("missing", "participants.tsv")
        return {}
    people = {}
    for row in tree.rows(path, delimiter="\t", needs=("participant_id",)):
        cells = {name.lower(): text.strip() for name, text in row.cells.items()}
        traits = {t: tree.number(cells.get(t), row.where) for t in ("o", "c", "e", "a", "n")}
        person: dict[str, Any] = {"personality": {k: v for k, v in traits.items() if v is not None}}
        if cells.get("gender"):
            person["gender"] = cells["gender"].lower()
        people[row.cells["participant_id"]] = person
    return people


def _cut(source: Source, start_s: float, end_s: float) -> Signal:
    if source.modality == "eeg":
        whole = read_edf(source.path)
        first, last = (round(t * whole.rate_hz) for t in (start_s, end_s))
        if first < 0 or first < len(whole.data) < last:
            span = f"between {start_s} and {end_s} s"
            raise DatasetError(f"{source.path}: the recording has but a part of what is {span}")
        return whole._replace(data=np.ascontiguousarray(whole.data[first:last]))
    onset, value = (source.columns.index(name) for name in ("onset", _GSR))
    rows = []
    for cells in _table(source.path):
        time = _number(cells, onset)
        if start_s <= time < end_s:
            rows.append((time, _number(cells, value)))
            if math.isnan(rows[-1][1]):
                raise DatasetError(f"{source.path}: no conductance at {time} s")
    if not rows:
        raise DatasetError(f"{source.path}: nothing between {start_s} and {end_s} s")
    known_s = np.array([time for time, _ in rows])
    gap_s = np.diff(known_s, prepend=start_s, append=end_s).max()
    if gap_s > _GSR_GAP_S:
        span = f"between {start_s} and {end_s} s"
        raise DatasetError(f"{source.path}: no conductance for {gap_s:.1f} s {span}")
    grid_s = start_s + np.arange(int((end_s - start_s) * _GSR_RATE_HZ)) / _GSR_RATE_HZ
    data = np.interp(grid_s, known_s, [value for _, value in rows]).astype(np.float32)
    return Signal(data[:, None], _GSR_RATE_HZ, ("EDA",))


def _table(path: Path) -> Iterator[list[str]]:
    with reading(path), gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\r\n").split("\t")


def _number(cells: list[str], column: int) -> float:
    """Return a cell's number; NaN where it is none or not there."""
    try:
        number = float(cells[column])
    except (ValueError, IndexError):
        return math.nan
    return number if math.isfinite(number) else math.nan
