"""How far what is expressed lies from what is felt, on a scale that people can read.

The raw gap is half the mean absolute difference over the dimensions that both sides have. The
published divergence d maps the gap g so that 0 stays 0, 1 stays 1, and the median gap m between
two independent people becomes 0.5:

    d = g (1 − m) / (g (1 − m) + m (1 − g))

The medians are of CREMA-D: the votes of both senses on clips of two different actors, turned into
dimensions as the packages do; ``tools/bench_fusion.py --divergence`` measures them.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_emo.types import Affect

DIMENSIONS = ("valence", "arousal", "dominance")

MEDIAN_GAP: Mapping[tuple[str, ...], float] = {
    ("valence",): 0.1158,
    ("arousal",): 0.0802,
    ("dominance",): 0.0908,
    ("valence", "arousal"): 0.1183,
    ("valence", "dominance"): 0.1073,
    ("arousal", "dominance"): 0.0948,
    ("valence", "arousal", "dominance"): 0.1091,
}
"""Median gap between independent people, by the dimensions that are compared."""


def divergence(expressed: Affect | None, felt: Affect | None) -> float | None:
    """Return the calibrated dimensional divergence, 0 (same) … 1 (opposite).

    0.5 is the median between two people who have nothing to do with each other.

    Returns:
        None when either side is None or they share no dimension.
    """
    if expressed is None or felt is None:
        return None
    shared = tuple(name for name in DIMENSIONS if _both(expressed, felt, name))
    if not shared:
        return None
    gaps = [abs(getattr(expressed, name) - getattr(felt, name)) / 2 for name in shared]
    return calibrated(sum(gaps) / len(gaps), MEDIAN_GAP[shared])


def _both(expressed: Affect, felt: Affect, name: str) -> bool:
    return getattr(expressed, name) is not None and getattr(felt, name) is not None


def calibrated(gap: float, median: float) -> float:
    """Map a gap, 0 … 1, so that ``median`` becomes 0.5 and the ends stay.

    Args:
        gap: 0 … 1.
        median: Above 0, below 1.
    """
    near, far = gap * (1.0 - median), median * (1.0 - gap)
    return near / (near + far)
