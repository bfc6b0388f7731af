"""Stress-Predict: wrist recordings cut into periods, and windows of features of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from personal import Table, joined

from edge_emo.features.physio import FEATURES, body_features
from edge_emo.features.physio_quality import examine

RATE_HZ = 64.0
CHANNELS = ("bvp", "eda", "temp")
PERIODS = ("before", "Stroop", "rest", "interview", "rest", "hyperventilation", "rest")
"""What lies before the first button press, between the first and the second, and so on."""

STRESS = (1, 3, 5)
UNCLEAR = (1, 6, 17, 18)
"""Subjects whose button presses do not bound these periods: one too many or too few, or a watch
that was set wrong."""

SETTLE_S, REST_S = 60.0, 180.0
"""The first minute after putting the watch on is left out; the next three are the baseline."""

WINDOWS_S, HOP_S = (60.0, 120.0), 10.0

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Person:
    """One recording.

    Attributes:
        subject: Number.
        data: (n_samples, 3) at 64 Hz: pulse, skin conductance in µS, temperature in °C.
        periods: (first second, last second) of each of :data:`PERIODS`.
        heart_rate: (n, 2): second, and the device's own heart rate.
        intervals: (n, 2): second, and the device's own interval between beats.
    """

    subject: int
    data: Samples
    periods: tuple[tuple[float, float], ...]
    heart_rate: npt.NDArray[np.float64]
    intervals: npt.NDArray[np.float64]

    def cut(self, first_s: float, last_s: float) -> Samples:
        """Return the samples between two instants."""
        return self.data[round(first_s * RATE_HZ) : round(last_s * RATE_HZ)]


def read_people(path: Path) -> list[Person]:
    """Read ``stress_predict_e4.npz``: arrays SNN_BVP, SNN_EDA … and their starts."""
    archive = np.load(path)
    numbers = sorted(int(key[1:3]) for key in archive if key.endswith("_tags"))
    return [_read(archive, number) for number in numbers]


def usable(people: list[Person]) -> list[Person]:
    """Return those whose periods are known."""
    return [one for one in people if one.subject not in UNCLEAR]


def read_table(people: list[Person], cache: Path | None) -> Table:
    """Return the features of all windows outside the baseline, with each subject's rest."""
    if cache is not None and cache.is_file():
        stored = np.load(cache)
        return Table(*(stored[name] for name in Table.__dataclass_fields__))
    table = joined([_windows(one) for one in people])
    if cache is not None:
        np.savez(cache, **{name: getattr(table, name) for name in Table.__dataclass_fields__})
    return table


def scored_periods(person: Person) -> Iterator[tuple[int, float, float]]:
    """Yield number, first and last second of each period, the baseline taken out."""
    for number, (first_s, last_s) in enumerate(person.periods):
        start_s = first_s + SETTLE_S + REST_S if number == 0 else first_s
        if last_s - start_s >= WINDOWS_S[0]:
            yield number, start_s, last_s


def rest_span(person: Person) -> tuple[float, float]:
    """Return first and last second of the baseline."""
    return SETTLE_S, SETTLE_S + REST_S


def _windows(person: Person) -> Table:
    rest = [_row(person, first_s, WINDOWS_S[1]) for first_s in _firsts(*rest_span(person))]
    values, masks = (np.stack(column) for column in zip(*rest, strict=True))
    counts = masks.sum(axis=0)
    own = (values * masks).sum(axis=0) / np.maximum(counts, 1.0)
    rows, numbers, full = [], [], []
    for number, start_s, last_s in scored_periods(person):
        for length_s in WINDOWS_S:
            for first_s in np.arange(start_s, last_s - length_s + 0.01, HOP_S):
                rows.append(_row(person, float(first_s), length_s))
                numbers.append(number)
                full.append(length_s == WINDOWS_S[1])
    values, masks = (np.stack(column).astype(np.float64) for column in zip(*rows, strict=True))
    n, part = len(rows), np.array(numbers)
    return Table(
        values=values,
        mask=masks,
        rest=np.tile(own, (n, 1)),
        rest_mask=np.tile((counts > 0).astype(np.float64), (n, 1)),
        label=np.isin(part, STRESS).astype(np.int64),
        subject=np.full(n, person.subject),
        part=part,
        full=np.array(full),
    )


def _firsts(first_s: float, last_s: float) -> list[float]:
    return [float(t) for t in np.arange(first_s, last_s - WINDOWS_S[1] + 0.01, HOP_S)]


def _row(person: Person, first_s: float, length_s: float) -> tuple[Samples, Samples]:
    samples = person.cut(first_s, first_s + length_s)
    body = examine(samples, RATE_HZ, {name: i for i, name in enumerate(CHANNELS)})
    if body.reason:
        return np.zeros(len(FEATURES), np.float32), np.zeros(len(FEATURES), np.float32)
    return body_features(body.beats, body.signals.get("eda"), RATE_HZ)


def _read(archive: np.lib.npyio.NpzFile, number: int) -> Person:
    name = f"S{number:02d}"
    start_s = float(archive[f"{name}_BVP_start"])
    pulse = archive[f"{name}_BVP"]
    grid_s = np.arange(len(pulse)) / RATE_HZ

    def at_pulse(signal: str) -> npt.NDArray[np.float64]:
        values = archive[f"{name}_{signal}"]
        own_s = float(archive[f"{name}_{signal}_start"]) - start_s
        return np.interp(grid_s, own_s + np.arange(len(values)) / 4.0, values)

    marks = archive[f"{name}_tags"] - start_s
    ends = [0.0, *marks.tolist()[: len(PERIODS)]]
    end_s = float(grid_s[-1])
    rate, rate_s = archive[f"{name}_HR"], float(archive[f"{name}_HR_start"]) - start_s
    intervals = archive[f"{name}_IBI"].astype(np.float64)
    intervals[:, 0] += float(archive[f"{name}_IBI_start"]) - start_s
    return Person(
        subject=number,
        data=np.stack([pulse, at_pulse("EDA"), at_pulse("TEMP")], axis=1).astype(np.float32),
        periods=tuple((a, min(b, end_s)) for a, b in itertools.pairwise(ends)),
        heart_rate=np.stack([rate_s + np.arange(len(rate)), rate], axis=1),
        intervals=intervals,
    )
