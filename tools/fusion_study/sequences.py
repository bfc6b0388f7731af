"""Tracking a label over time: delay to a new one against false switches.

Sequences are assembled from CREMA-D clips: a segment lasts 2 … 8 s, the next one has another
majority label. A look holds on average 0.33 s; each draws three raters of the clip who heard only
and three who saw only, and pools them as the pipeline does. All of it is simulated from votes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from fusion_study.votes import LABELS, Floats, Votes, above_chance, some_raters

from edge_emo.fusion.base import Vote
from edge_emo.fusion.channel import ChannelPool
from edge_emo.fusion.smoothing import AffectSmoother, Smoothing
from edge_emo.types import Modality, Posterior, Prediction

RATE_HZ = 10.0
SEGMENT_S = (2.0, 8.0)
SECONDS = 60.0
REDRAW = 0.3
BUDGET_PER_MIN = (10.0, 5.0, 2.0)
"""False switches per minute that a setting may make, when the fastest is chosen."""


@dataclass(frozen=True)
class Played:
    """Pooled posteriors at 10 Hz, and the label that held at each."""

    posteriors: list[Posterior]
    truth: list[str]


def sequences(votes: Votes, count: int, seed: int) -> list[Played]:
    """Return ``count`` sequences of a minute each."""
    random = np.random.default_rng(seed)
    pool = ChannelPool()
    reliability = {
        "voice": above_chance(votes.voice, votes.intended),
        "face": above_chance(votes.face, votes.intended),
    }
    return [_sequence(votes, pool, reliability, random) for _ in range(count)]


def _sequence(
    votes: Votes, pool: ChannelPool, reliability: Mapping[str, float], random: np.random.Generator
) -> Played:
    posteriors: list[Posterior] = []
    truth: list[str] = []
    clip = int(random.integers(len(votes.actor)))
    while len(truth) < SECONDS * RATE_HZ:
        label = LABELS[int(votes.both[clip].argmax())]
        for step in range(int(RATE_HZ * random.uniform(*SEGMENT_S))):
            if step == 0 or random.random() < REDRAW:
                pooled = _look(votes, clip, pool, reliability, random)
            posteriors.append(pooled)
            truth.append(label)
        others = np.flatnonzero(votes.both.argmax(axis=1) != LABELS.index(label))
        clip = int(random.choice(others))
    return Played(posteriors, truth)


def _look(
    votes: Votes,
    clip: int,
    pool: ChannelPool,
    reliability: Mapping[str, float],
    random: np.random.Generator,
) -> Posterior:
    cast = [
        to_vote(
            modality, some_raters(getattr(votes, modality)[clip], random), reliability[modality]
        )
        for modality in ("voice", "face")
    ]
    return pool.pool(cast)


def to_vote(modality: Modality, shares: Floats, weight: float) -> Vote:
    """Return a vote over the learned labels."""
    posterior = Posterior(LABELS, tuple(shares.tolist()))
    return Vote(Prediction(modality, 0, 0, posterior, None, None, None, 1.0, "", 0), weight)


@dataclass(frozen=True)
class Tracked:
    """What a tracker did with some sequences.

    Attributes:
        delay_s: Mean time from a change of label until it is shown; a segment in which it never
            is counts its whole length.
        missed: Share of segments whose label is never shown.
        false_per_min: Changes of the shown label to a wrong one, per minute.
        right: Share of the time that the shown label is the right one.
    """

    delay_s: float
    missed: float
    false_per_min: float
    right: float


def track(settings: Smoothing, given: Sequence[Played]) -> Tracked:
    """Run a tracker over sequences."""
    return _summed([_Run(sequence.truth, _shown(settings, sequence)) for sequence in given])


def _summed(runs: Sequence[_Run]) -> Tracked:
    segments = [segment for run in runs for segment in run.segments()]
    minutes = sum(len(run.truth) for run in runs) / RATE_HZ / 60.0
    shown = [(a, b) for run in runs for a, b in zip(run.truth, run.shown, strict=True)]
    return Tracked(
        float(np.mean([delay for delay, _ in segments])),
        float(np.mean([missed for _, missed in segments])),
        sum(run.false_switches() for run in runs) / minutes,
        float(np.mean([a == b for a, b in shown])),
    )


def _shown(settings: Smoothing, sequence: Played) -> list[str]:
    smoother = AffectSmoother(settings)
    return [
        smoother.step(posterior, {}, round(step * 1e9 / RATE_HZ), 0).label
        for step, posterior in enumerate(sequence.posteriors)
    ]


@dataclass(frozen=True)
class _Run:
    truth: list[str]
    shown: list[str]

    def segments(self) -> list[tuple[float, bool]]:
        """Return delay in seconds, and whether it was missed, of each change of label."""
        starts = [n for n in range(1, len(self.truth)) if self.truth[n] != self.truth[n - 1]]
        ends = [*starts[1:], len(self.truth)]
        result = []
        for start, end in zip(starts, ends, strict=True):
            hits = [n for n in range(start, end) if self.shown[n] == self.truth[n]]
            result.append((((hits[0] if hits else end) - start) / RATE_HZ, not hits))
        return result

    def false_switches(self) -> int:
        return sum(
            self.shown[n] != self.shown[n - 1] and self.shown[n] != self.truth[n]
            for n in range(1, len(self.truth))
        )


_HOLDS = [(m, h) for m in (0.0, 0.05, 0.1, 0.2) for h in (0.0, 0.2, 0.4, 0.8, 1.6)]
_INSTANT_S = 1e-6


def families() -> Mapping[str, list[Smoothing]]:
    """Return the settings of each family of trackers that are compared."""
    plain = Smoothing(tracking="hysteresis", margin=0.0, hold_s=0.0)
    change = Smoothing(tracking="change-point")
    replace: Callable[..., Smoothing] = dataclasses.replace
    return {
        "exponential average": [
            replace(plain, posterior_s=s)
            for s in (1e-6, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
        ],
        "hysteresis": [
            replace(plain, posterior_s=_INSTANT_S, margin=m, hold_s=h) for m, h in _HOLDS
        ],
        "average and hysteresis": [
            replace(plain, posterior_s=s, margin=m, hold_s=h)
            for s in (0.2, 0.3, 0.6, 1.0)
            for m, h in _HOLDS[::2]
        ],
        "change-point filter": [
            replace(change, hazard_hz=h, evidence_hz=e, lead=m)
            for h in (0.1, 0.3, 0.6, 1.0, 2.0, 4.0)
            for e in (2.0, 4.0, 6.0, 10.0, 16.0, 30.0)
            for m in (0.0, 0.2, 0.4, 0.6, 0.8)
        ],
    }


def sweep(settings: Sequence[Smoothing], given: Sequence[Played]) -> npt.NDArray[np.int64]:
    """Return the shown labels under many settings at once, shape (settings, sequences, steps).

    The same arithmetic as :class:`AffectSmoother`, for the search only; what is reported is
    measured on that class.
    """
    steps = min(len(one.posteriors) for one in given)
    rows = np.array([[p.probabilities for p in one.posteriors[:steps]] for one in given])
    state = _Swept(settings, rows[:, 0])
    return np.stack([state.label, *(state.step(rows[:, n], n) for n in range(1, steps))], axis=2)


class _Swept:
    def __init__(self, settings: Sequence[Smoothing], first: Floats) -> None:
        def column(name: str) -> Floats:
            return np.array([getattr(one, name) for one in settings], dtype=float)[:, None]

        dt = 1.0 / RATE_HZ
        self._follows = np.array([s.tracking == "change-point" for s in settings])[:, None, None]
        self._gain = 1.0 - np.exp(-dt / column("posterior_s"))[:, :, None]
        self._jump = 1.0 - np.exp(-dt * column("hazard_hz"))[:, :, None]
        self._looks = dt * column("evidence_hz")[:, :, None]
        self._margin, self._hold_s, self._lead = map(column, ("margin", "hold_s", "lead"))
        self._smooth = self._belief = np.repeat(first[None], len(settings), axis=0)
        self.label = self._smooth.argmax(axis=2)
        self._challenger = np.full(self.label.shape, -1)
        self._since = np.zeros(self.label.shape)

    def step(self, row: Floats, number: int) -> npt.NDArray[np.int64]:
        self._smooth = self._smooth + self._gain * (row - self._smooth)
        ahead = (1.0 - self._jump) * self._belief + self._jump / row.shape[1]
        raised = ahead * row**self._looks
        self._belief = raised / raised.sum(axis=2, keepdims=True)
        self._hold(number)
        return self.label

    def _hold(self, number: int) -> None:
        shares = np.where(self._follows, self._belief, self._smooth)
        follows = self._follows[:, :, 0]
        leader = shares.argmax(axis=2)
        held = np.take_along_axis(shares, self.label[:, :, None], axis=2)[:, :, 0]
        needed = np.where(follows, self._lead, self._margin)
        leads = (leader != self.label) & (shares.max(axis=2) - held >= needed)
        again = leads & (leader == self._challenger)
        waited = again & ((number - self._since) / RATE_HZ >= self._hold_s - 1e-9)
        wins = np.where(follows, leads, waited)
        self._since = np.where(leads & ~again, number, self._since)
        self._challenger = np.where(wins | ~leads, -1, leader)
        self.label = np.where(wins, leader, self.label)


def compare(votes: Votes, seed: int = 0, count: int = 60) -> dict[str, Any]:
    """Choose settings on the first half of the actors, measure them on the second.

    Returns:
        By family and budget: the settings, and what they did; and each family's curve on the
        first half: delay, share missed and false switches of every setting.
    """
    actors = np.random.default_rng(seed).permutation(np.unique(votes.actor))
    first = np.isin(votes.actor, actors[: len(actors) // 2])
    tuning = sequences(votes.take(first), count, seed)
    testing = sequences(votes.take(~first), count, seed + 1)
    result: dict[str, Any] = {}
    for name, choices in families().items():
        shown = sweep(choices, tuning)
        tuned = [(_judged(rows, tuning), one) for rows, one in zip(shown, choices, strict=True)]
        result[name] = {f"{b:g}": _chosen(tuned, b, testing) for b in BUDGET_PER_MIN}
        result[name]["curve"] = [dataclasses.astuple(found)[:3] for found, _ in tuned]
    return result


def _judged(shown: npt.NDArray[np.int64], given: Sequence[Played]) -> Tracked:
    runs = [
        _Run(one.truth[: len(row)], [LABELS[n] for n in row])
        for row, one in zip(shown, given, strict=True)
    ]
    return _summed(runs)


def _chosen(
    tuned: Sequence[tuple[Tracked, Smoothing]], budget: float, testing: Sequence[Played]
) -> dict[str, Any] | None:
    """Return the fastest setting within the budget on the tuning part, measured on the other."""
    within = [pair for pair in tuned if pair[0].false_per_min <= budget]
    if not within:
        return None
    _, settings = min(within, key=lambda pair: pair[0].delay_s)
    return {
        "settings": dataclasses.asdict(settings),
        **dataclasses.asdict(track(settings, testing)),
    }
