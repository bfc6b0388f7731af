"""Emognition: wristband, watch and headband of each participant and film, self-reports beside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import reading
from edge_emo.datasets.findings import Findings
from edge_emo.datasets.tables import read_json
from edge_emo.datasets.tree import Item, Signal, Tree
from edge_emo.errors import DatasetError

_NAME = (
    r"(\d{2})_(NEUTRAL|DISGUST|ANGER|AMUSEMENT|SURPRISE|AWE|ENTHUSIASM|LIKING|BASELINE|SADNESS|"
    r"FEAR)_(WASHOUT|STIMULUS)_(EMPATICA|SAMSUNG_WATCH|MUSE)\.(?i:json)"
)
_DEFECTS = {
    **{("58", film): "shortened" for film in ("AWE", "DISGUST", "ENTHUSIASM", "LIKING")},
    ("37", "FEAR"): "shortened",
    ("62", "FEAR"): "shortened",
    ("44", "ENTHUSIASM"): "8.5 min too long",
}
_DRUGS = ("25", "44")
_WATCH = {"EMPATICA": ("BVP", "EDA", "GSR", "TEMP"), "SAMSUNG_WATCH": ("BVPProcessed",)}
_NAMES = {"GSR": "EDA", "BVPProcessed": "BVP"}
_TIME = "%Y-%m-%dT%H:%M:%S:%f"
_RATE_HZ = 64.0
_MUSE_RATE_HZ = 256.0
_MUSE = ("TP9", "AF7", "AF8", "TP10")


class Emognition(Adapter):
    """Films watched with wearables; felt, with the film's own label."""

    name = "emognition"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a device and stimulus."""
        for person in tree.folders():
            if not re.fullmatch(r"\d{2}", person):
                continue
            reports = _reports(tree, f"{person}/{person}_QUESTIONNAIRES.json")
            for path in tree.files(person, (".json",)):
                match = re.fullmatch(_NAME, path.rpartition("/")[2])
                if match and match[3] == "STIMULUS" and match[2] != "BASELINE":
                    yield from _item(tree, path, match, reports)
                elif match is None and "QUESTIONNAIRES" not in path:
                    tree.findings.add("extra", path)


def _item(
    tree: Tree, path: str, match: re.Match[str], reports: Mapping[str, Any]
) -> Iterator[Item]:
    person, film, _, device = match.groups()
    defect = _DEFECTS.get((person, film))
    if (person, device) == ("39", "MUSE"):
        defect = "mostly off the head"
    if defect:
        tree.findings.add("defect", path, defect)
        return
    report = reports.get(film, {})
    sam = report.get("sam", {})
    about = {
        "gender": reports.get("gender"),
        "trial": f"{person}/{film}",
        "self_report": report.get("emotions"),
        "motivation": sam.get("MOTIVATION"),
        "device": device.lower(),
    }
    if person in _DRUGS:
        about["drugs"] = True
    made = partial(_made, _muse if device == "MUSE" else _wrist, tree.root / path, device)
    yield tree.item(
        "eeg" if device == "MUSE" else "physio",
        f"{person}/{film.lower()}/{device.lower()}",
        f"{person}_{film.lower()}_{device.lower()}.npz",
        native=film,
        where=path,
        speaker=person,
        valence=tree.dimension(sam.get("VALENCE"), path),
        arousal=tree.dimension(sam.get("AROUSAL"), path),
        about={key: value for key, value in about.items() if value is not None},
        make=made,
    )


def _reports(tree: Tree, name: str) -> dict[str, Any]:
    path = tree.find(name)
    if path is None:
        tree.findings.add("missing", name)
        return {}
    try:
        content = tree.json(path)
        with reading(path):
            reports = {str(row["movie"]): dict(row) for row in content.get("questionnaires", [])}
            gender = str(content.get("metadata", {}).get("gender", "")).lower()
    except DatasetError as error:
        tree.findings.add("unreadable", name, error.message)
        return {}
    return {**reports, "gender": {"f": "female", "m": "male"}.get(gender, gender) or None}


def _made(read: Callable[[Path, str], Signal], path: Path, device: str) -> Signal:
    with reading(path):
        return read(path, device)


def _wrist(path: Path, device: str) -> Signal:
    """Hold each stream at 64 Hz on the span that all have."""
    content = read_json(path, Findings())
    streams: dict[str, tuple[Any, Any]] = {}
    for name in _WATCH[device]:
        items = content.get(name)
        if items:
            times = np.array([_seconds(item[0]) for item in items])
            streams[_NAMES.get(name, name)] = times, [float(item[1]) for item in items]
    if not streams:
        raise DatasetError(f"{path}: none of {', '.join(_WATCH[device])}")
    first = max(times[0] for times, _ in streams.values())
    last = min(times[-1] for times, _ in streams.values())
    grid = first + np.arange(int((last - first) * _RATE_HZ)) / _RATE_HZ
    columns = [
        np.asarray(values)[np.clip(np.searchsorted(times, grid, "right") - 1, 0, None)]
        for times, values in streams.values()
    ]
    return Signal(np.stack(columns, axis=1).astype(np.float32), _RATE_HZ, tuple(streams))


def _muse(path: Path, device: str) -> Signal:
    """Take the raw columns; rows that only mark a blink or jaw clench have none."""
    content = read_json(path, Findings())
    columns = []
    for name in _MUSE:
        column = content.get(f"RAW_{name}")
        if column is None:
            raise DatasetError(f"{path}: has no column RAW_{name}")
        values = column.values() if isinstance(column, dict) else column
        columns.append([np.nan if value is None else float(value) for value in values])
    data = np.array(columns, dtype=np.float32).T
    data = data[np.isfinite(data).all(axis=1)]
    return Signal(np.ascontiguousarray(data), _MUSE_RATE_HZ, _MUSE)


def _seconds(text: str) -> float:
    return datetime.strptime(text, _TIME).timestamp()
