"""How much processor time an update with five modalities takes on this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from processor import processor

from edge_emo.config import FusionMethod
from edge_emo.fusion.base import Vote
from edge_emo.fusion.methods import METHODS, make_pool
from edge_emo.fusion.pooling import PooledFusion
from edge_emo.types import CATEGORIES, MODALITIES, Modality, Posterior, Prediction

Names = tuple[str, ...]

FELT_LABELS: Mapping[Modality, Names] = {
    "eeg": ("rest", "load"),
    "physio": ("baseline", "stress"),
}
_RUNS = 1000


def predictions(labels: Mapping[Modality, Names], seed: int = 0) -> list[Prediction]:
    """Return a prediction from each of the five modalities.

    Args:
        labels: Of those that do not give the categories.
        seed: Of the random posteriors.
    """
    random = np.random.default_rng(seed)
    return [
        Prediction(modality, 0, 0, _posterior(labels.get(modality, CATEGORIES), random),
                   0.1, 0.1, 0.1, 0.9, "", 0)
        for modality in MODALITIES
    ]  # fmt: skip


def _posterior(names: Names, random: np.random.Generator) -> Posterior:
    return Posterior(names, tuple(random.dirichlet([1.0] * len(names)).tolist()))


def measure() -> dict[str, Any]:
    """Return microseconds by method: pooling five votes, and a whole update of both sides.

    ``pool`` is one pool of five votes over seven categories; ``update`` takes one prediction and
    fuses both sides, with signs, tracking, divergence and the watch for broken modalities: three
    modalities over the categories, EEG and pulse over the labels of their packages.
    """
    rows = {name: {"pool": _pool(name), "update": _update(name)} for name in METHODS}
    return {"machine": platform.machine(), "processor": processor(), "methods": rows}


def _pool(method: FusionMethod) -> dict[str, float]:
    pool = make_pool(method)
    votes = [Vote(prediction, 0.4 * prediction.quality) for prediction in predictions({})]
    return _timed(lambda _: pool.pool(votes))


def _update(method: FusionMethod) -> dict[str, float]:
    fusion = PooledFusion(pool=make_pool(method))
    given = predictions(FELT_LABELS)
    for prediction in given:
        fusion.update(prediction)

    def update(number: int) -> None:
        fusion.update(given[number % len(given)])
        fusion.fuse(number * 10_000)

    return _timed(update)


def _timed(call: Any) -> dict[str, float]:
    spans = []
    for number in range(_RUNS):
        start = time.thread_time_ns()
        call(number)
        spans.append((time.thread_time_ns() - start) / 1e3)
    least, p50, p95 = np.percentile(spans, [0, 50, 95])
    figures = {"least": least, "p50": p50, "p95": p95}
    return {name: round(float(value), 1) for name, value in figures.items()}
