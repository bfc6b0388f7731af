"""The median gap between independent people: what ``edge_emo.fusion.divergence`` is calibrated by.

Every clip of CREMA-D is paired with one of another actor; the votes of both senses become
dimensions by the table that the face and voice packages use.
"""

from __future__ import annotations

import itertools

import numpy as np
from fusion_study.votes import LABELS, Floats, Votes, smoothed

from edge_emo.fusion.divergence import DIMENSIONS
from edge_emo.manifest import find_package


def dimensions(votes: Votes) -> dict[str, Floats]:
    """Return valence, arousal and dominance of each clip, as the votes of both senses have it."""
    table = find_package("face", ()).dimensions
    shares = smoothed(votes.both)
    return {
        name: shares @ np.array([(getattr(table, name) or {})[label] for label in LABELS])
        for name in DIMENSIONS
    }


def medians(votes: Votes, seed: int = 0) -> dict[str, float]:
    """Return the median gap by the dimensions that are compared, joined by ``+``."""
    found = dimensions(votes)
    order = np.random.default_rng(seed).permutation(len(votes.actor))
    apart = votes.actor != votes.actor[order]
    gaps = {name: np.abs(row - row[order])[apart] / 2 for name, row in found.items()}
    chosen = itertools.chain.from_iterable(
        itertools.combinations(DIMENSIONS, n) for n in range(1, len(DIMENSIONS) + 1)
    )
    return {
        "+".join(names): round(float(np.median(np.mean([gaps[n] for n in names], axis=0))), 4)
        for names in chosen
    }
