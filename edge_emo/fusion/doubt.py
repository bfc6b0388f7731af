"""Notices a modality that is broken, by comparing it with the others over time.

Every half second each vote p is set against the mean q of the other votes. Exponentially weighted
means over 20 s give, with V(x) = E‖x‖² − ‖E x‖² the variation of x:

    correlation = (E p·q − E p · E q) / √(V(p) V(q)),  likeness = E p·q / √(E‖p‖² E‖q‖²)

A vote that neither follows nor resembles the others is blamed if it shows a sign of its own: it
stands still while they change, it jumps from one look to the next, or two or more others agree
with each other against it. Disagreement without such a sign is not blamed on either: a voice and
a face may well say different things. Only votes over the categories are compared; body signals
name labels of their own, and :mod:`edge_emo.fusion.steadiness` watches each by itself.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from edge_emo.fusion.base import Vote
from edge_emo.fusion.heads import Floats, is_categorical, shares
from edge_emo.types import CATEGORIES, Modality

DOUBTED_WEIGHT = 0.1
"""Factor on the weight of a modality in doubt."""

_LOOK_NS = 500_000_000
_SPAN_S = 20.0
_WARM_S = 16.0
_BLAMED_S = 6.0
_CLEARED_S = 6.0
_FOLLOWS = 0.15
_RESEMBLES = 0.66
_STILL = 0.05
_MOVES = 0.12
_NOTHING = 1e-9
_PERSISTS = 0.2
_AGREES = 0.7
_CLOSE_S = 2.0

_REASONS = {
    "": "",
    "stuck": "gives the same answer while the other modalities change",
    "erratic": "jumps from one answer to the next, unlike the other modalities",
    "outvoted": "contradicts the other modalities, which agree",
}


class _Pair:
    """Running means over one vote, the mean of the others, and how alike the others are."""

    def __init__(self) -> None:
        self.seen_s = 0.0
        self._t_ns = 0
        self._mass = 0.0
        self._own: Floats = np.zeros(len(CATEGORIES))
        self._other: Floats = np.zeros(len(CATEGORIES))
        self._last: Floats | None = None
        self._products: Floats = np.zeros(5)  # own², other², own · other, own · before, peers
        self._spacing_s = 0.5

    def look(self, own: Floats, other: Floats, peers: float, t_ns: int) -> None:
        """Take a vote, the mean of the others, and the likeness of the others to each other."""
        first = self._last is None
        elapsed_s = 0.5 if first else min((t_ns - self._t_ns) / 1e9, _SPAN_S)
        before = own if self._last is None else self._last
        kept = math.exp(-elapsed_s / _SPAN_S)
        products = np.array([own @ own, other @ other, own @ other, own @ before, peers])
        self._mass = kept * self._mass + elapsed_s
        self._own = kept * self._own + elapsed_s * own
        self._other = kept * self._other + elapsed_s * other
        self._products = kept * self._products + elapsed_s * products
        self._spacing_s += 0.2 * (elapsed_s - self._spacing_s)
        self._last, self._t_ns = own, t_ns
        self.seen_s += elapsed_s

    def blame(self) -> str:
        """Return the sign of being broken that it shows, or nothing."""
        own, other = self._own / self._mass, self._other / self._mass
        own2, other2, cross, before, peers = self._products / self._mass
        v_own, v_other = max(own2 - own @ own, 0.0), max(other2 - other @ other, 0.0)
        if cross - own @ other > _FOLLOWS * math.sqrt(v_own * v_other) + _NOTHING:
            return ""
        if cross > _RESEMBLES * math.sqrt(own2 * other2):
            return ""
        if v_own < _STILL * own2 and v_other > _MOVES * other2:
            return "stuck"
        persists = before - own @ own > _PERSISTS * v_own
        if v_own > _MOVES * own2 and self._spacing_s < _CLOSE_S and not persists:
            return "erratic"
        return "outvoted" if peers > _AGREES else ""


class Doubts(ABC):
    """Which modalities are in doubt: a sign must last before it counts, and be gone as long.

    What was seen more than 20 s before does not count as lasting.
    """

    def __init__(self) -> None:
        self._since: dict[Modality, int] = {}
        self._settled: dict[Modality, int] = {}
        self._doubts: dict[Modality, str] = {}

    @property
    def doubts(self) -> Mapping[Modality, str]:
        """Why a modality is not trusted now, in words."""
        return self._doubts

    def factor(self, modality: Modality) -> float:
        """Return what to multiply the weight of a modality with."""
        return DOUBTED_WEIGHT if modality in self._doubts else 1.0

    def forget(self, modality: Modality) -> None:
        """Start again with a modality whose stream is gone."""
        self._since.pop(modality, None)
        self._settled.pop(modality, None)
        self._doubts.pop(modality, None)

    @abstractmethod
    def look(self, votes: Sequence[Vote], t_ns: int) -> None:
        """Take the votes of one side at an instant."""

    def settle(self, modality: Modality, reason: str | None, t_ns: int) -> None:
        """Take the sign of being broken that a modality shows now, in words, or nothing.

        None, when it is not known, neither blames nor clears it.
        """
        if t_ns - self._settled.get(modality, t_ns) > _SPAN_S * 1e9:
            self._since.pop(modality, None)
        self._settled[modality] = t_ns
        if reason is None or bool(reason) == (modality in self._doubts):
            self._since.pop(modality, None)
            return
        since = self._since.setdefault(modality, t_ns)
        if t_ns - since < (_BLAMED_S if reason else _CLEARED_S) * 1e9:
            return
        del self._since[modality]
        if reason:
            self._doubts[modality] = reason
        else:
            del self._doubts[modality]


class Watch(Doubts):
    """Watches votes over the categories by comparing them."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: dict[Modality, _Pair] = {}
        self._looked: dict[Modality, int] = {}
        self._t_ns: int | None = None

    def forget(self, modality: Modality) -> None:
        """Start again with a modality whose stream is gone."""
        super().forget(modality)
        self._pairs.pop(modality, None)
        self._looked.pop(modality, None)

    def look(self, votes: Sequence[Vote], t_ns: int) -> None:
        """Compare the votes, at most twice a second."""
        if self._t_ns is not None and t_ns - self._t_ns < _LOOK_NS:
            return
        self._t_ns = t_ns
        cast = [vote for vote in votes if is_categorical(_names(vote))]
        if len(cast) < 2:
            return
        for number, (vote, row) in enumerate(
            zip(cast, rows := shares(cast, CATEGORIES), strict=True)
        ):
            prediction = vote.prediction
            if self._looked.get(prediction.modality) != prediction.end_ns:
                self._looked[prediction.modality] = prediction.end_ns
                pair = self._pairs.setdefault(prediction.modality, _Pair())
                others = np.delete(rows, number, axis=0)
                pair.look(row, others.mean(axis=0), _likeness(others), t_ns)
            pair = self._pairs[prediction.modality]
            sign = pair.blame() if pair.seen_s >= _WARM_S else ""
            self.settle(prediction.modality, _REASONS[sign], t_ns)


def _names(vote: Vote) -> tuple[str, ...]:
    assert vote.prediction.posterior is not None
    return vote.prediction.posterior.names


def _likeness(others: Floats) -> float:
    """Return the mean cosine between two or more votes; 0 for one."""
    count = len(others)
    if count < 2:
        return 0.0
    unit = others / np.sqrt((others * others).sum(axis=1, keepdims=True))
    return float(((unit @ unit.T).sum() - count) / (count * (count - 1)))
