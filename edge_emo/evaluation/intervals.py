"""How far figures might move with other people: percentile bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]
Counts = npt.NDArray[np.float64]
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Intervals:
    """95 % intervals of figures.

    Attributes:
        over: What was drawn with replacement, such as "8 speakers".
        accuracy: Lower and upper end.
        unweighted_average_recall: Likewise.
        macro_f1: Likewise.
    """

    over: str
    accuracy: Interval
    unweighted_average_recall: Interval
    macro_f1: Interval


def bootstrap(
    labels: Sequence[str],
    true: Sequence[str],
    estimated: Sequence[str | None],
    speakers: Sequence[str | None],
) -> Intervals | None:
    """Return the intervals of n labelled clips; None with fewer than two.

    Speakers are drawn when every clip names one and there are two or more: clips of one person
    are alike, and drawing clips would give intervals that are too narrow. Few speakers still do.

    Args:
        labels: Names of the labels.
        true: n names out of ``labels``.
        estimated: n names out of ``labels``, None where there is no estimate: an error.
        speakers: n speakers, None where unknown.
    """
    if len(true) < 2:
        return None
    names = {name for name in speakers if name}
    by_speaker = len(names) > 1 and all(speakers)
    units = [str(name) for name in speakers] if by_speaker else ["all"] * len(true)
    counts = _confusions(labels, true, estimated, units)
    drawn = _draw_units(counts) if by_speaker else _draw_clips(counts[0])
    over = f"{len(names)} speakers" if by_speaker else f"{len(true)} clips"
    return Intervals(over, _ends(_accuracy(drawn)), _ends(_recall(drawn)), _ends(_f1(drawn)))


def _confusions(
    labels: Sequence[str],
    true: Sequence[str],
    estimated: Sequence[str | None],
    units: Sequence[str],
) -> Counts:
    """Count each unit's pairs, shape (units, labels, labels + 1); abstentions come last."""
    place = {name: number for number, name in enumerate(labels)}
    order = {name: number for number, name in enumerate(sorted(set(units)))}
    counts = np.zeros((len(order), len(labels), len(labels) + 1))
    rows = [order[unit] for unit in units]
    columns = [len(labels) if guess is None else place[guess] for guess in estimated]
    np.add.at(counts, (rows, [place[truth] for truth in true], columns), 1.0)
    return counts


def _draw_units(counts: Counts) -> Counts:
    """Return the sums of as many units, drawn with replacement, DRAWS times."""
    units = len(counts)
    times = np.random.default_rng(0).multinomial(units, [1.0 / units] * units, DRAWS)
    return np.tensordot(times.astype(np.float64), counts, 1)


def _draw_clips(counts: Counts) -> Counts:
    """Return the counts of as many clips, drawn with replacement, DRAWS times."""
    n = counts.sum()
    drawn = np.random.default_rng(0).multinomial(int(n), counts.ravel() / n, DRAWS)
    return drawn.reshape(DRAWS, *counts.shape).astype(np.float64)


def _hits(drawn: Counts) -> Counts:
    return np.diagonal(drawn, axis1=1, axis2=2)


def _accuracy(drawn: Counts) -> Counts:
    return np.asarray(_hits(drawn).sum(1) / drawn.sum((1, 2)))


def _recall(drawn: Counts) -> Counts:
    occurs = drawn.sum(2)
    return _mean(_hits(drawn), occurs, occurs > 0)


def _f1(drawn: Counts) -> Counts:
    both = drawn.sum(2) + drawn[:, :, :-1].sum(1)
    return _mean(2.0 * _hits(drawn), both, both > 0)


def _mean(part: Counts, whole: Counts, known: npt.NDArray[np.bool_]) -> Counts:
    """Return the mean of the known ratios of each draw."""
    ratios = np.divide(part, whole, out=np.zeros_like(part), where=known)
    return np.asarray(ratios.sum(1) / np.maximum(known.sum(1), 1))


def _ends(found: Counts) -> Interval:
    low, high = np.percentile(found, (2.5, 97.5)).tolist()
    return round(low, 4), round(high, 4)
