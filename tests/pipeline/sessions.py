"""Streams and sessions that several tests of the pipeline need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_emo import Config, EmotionState, Pipeline
from edge_emo.config import States, Streams

EEG = "virtual:?seed=5"


def until(pipeline: Pipeline, reached: Callable[[EmotionState], bool]) -> EmotionState:
    """Return the first state for which ``reached`` holds, within 30 s of session time."""
    for state in pipeline:
        if reached(state):
            return state
        assert state.t_ns < 30e9, f"not reached: {state}"
    raise AssertionError("the session ended")


def npz(
    path: Path, data: np.ndarray, rate_hz: float = 250.0, channels: str = "Fp1 Fp2 O1 O2"
) -> str:
    np.savez(path, data=data.astype(np.float32), rate_hz=rate_hz, channels=channels.split())
    return f"npz:{path}"


def noise(seconds: float, rate_hz: float = 250.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 10, (round(seconds * rate_hz), 4))


def offline(**streams: str) -> Pipeline:
    config = Config(streams=Streams(**streams), states=States(join="reproducible"))
    return Pipeline(config=config)
