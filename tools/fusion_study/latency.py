"""How much processor time an update with five modalities takes on this machine."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo.config import FusionMethod
from edge_emo.fusion.base import Vote
from edge_emo.fusion.methods import METHODS, make_pool
from edge_emo.fusion.pooling import PooledFusion
from edge_emo.types import CATEGORIES, MODALITIES, Posterior, Prediction

_RUNS = 1000


def predictions(seed: int = 0) -> list[Prediction]:
    """Return a prediction over the categories from each of the five modalities."""
    random = np.random.default_rng(seed)
    return [
        Prediction(
            modality, 0, 0, Posterior(CATEGORIES, tuple(random.dirichlet([1.0] * 7).tolist())),
            0.1, 0.1, 0.1, 0.9, "", 0,
        )
        for modality in MODALITIES
    ]  # fmt: skip


def measure() -> dict[str, Any]:
    """Return microseconds by method: pooling five votes, and a whole update of both sides.

    ``pool`` is one pool of five votes over seven categories; ``update`` takes one prediction and
    fuses both sides, with tracking, divergence and the watch for broken modalities.
    """
    rows = {name: {"pool": _pool(name), "update": _update(name)} for name in METHODS}
    return {"machine": platform.machine(), "processor": _processor(), "methods": rows}


def _processor() -> str:
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _pool(method: FusionMethod) -> dict[str, float]:
    pool = make_pool(method)
    votes = [Vote(prediction, 0.4 * prediction.quality) for prediction in predictions()]
    return _timed(lambda _: pool.pool(votes))


def _update(method: FusionMethod) -> dict[str, float]:
    fusion = PooledFusion(pool=make_pool(method))
    given = predictions()
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
    p50, p95 = np.percentile(spans, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}
