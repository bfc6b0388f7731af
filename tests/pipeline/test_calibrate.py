"""Baselines of a person who rests, taken from running streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_emo import Pipeline
from edge_emo.clock import ReplayClock
from edge_emo.config import Config, States
from edge_emo.drivers.eeg.npz import NpzEeg
from edge_emo.errors import ClosedError, ConfigError
from edge_emo.features.eeg import FEATURES

DEMO = Path(__file__).resolve().parents[2] / "edge_emo" / "assets" / "demo_eeg.npz"


def pipeline(seconds_loop: bool = True) -> Pipeline:
    config = Config(states=States(join="reproducible"))
    return Pipeline(eeg=NpzEeg(str(DEMO), loop=seconds_loop), config=config, clock=ReplayClock())


def test_a_baseline_is_taken_used_and_erased(tmp_path: Path) -> None:
    with pipeline() as running:
        baseline = running.calibrate("eeg", seconds=12.0)["eeg"]
        baseline.save(tmp_path / "rest.json", consent=True)
        running.use_baseline(tmp_path / "rest.json")
        running.erase_baseline(path=tmp_path / "rest.json")
    assert baseline.model_id == "eeg-load-small"
    assert len(baseline.values) == len(FEATURES)
    assert baseline.windows >= 3
    assert not (tmp_path / "rest.json").exists()


def test_streams_that_end_before_leave_no_baseline() -> None:
    with pipeline(seconds_loop=False) as running, pytest.raises(ClosedError, match="500 s"):
        running.calibrate("eeg", seconds=500.0)


def test_a_stream_without_a_baseline_is_refused() -> None:
    with Pipeline(text="push:") as running:
        with pytest.raises(ConfigError, match="no stream here"):
            running.calibrate(seconds=1.0)
        with pytest.raises(ConfigError, match="no stream gives eeg"):
            running.calibrate("eeg", seconds=1.0)
