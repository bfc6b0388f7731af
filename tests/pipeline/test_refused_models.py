"""Models that are damaged, swapped, forbidden or unfit for their stream are refused at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_emo import Config, Pipeline
from edge_emo.config import Models
from edge_emo.errors import (
    ConfigError,
    ModelError,
    ModelIntegrityError,
)
from edge_emo.manifest import default_dirs, find_package
from tests.pipeline.sessions import EEG, noise, npz, offline


def test_a_rate_that_the_model_cannot_use_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="20"):
        offline(eeg=npz(tmp_path / "slow.npz", noise(10, 20), rate_hz=20.0)).open()


def test_channels_that_nobody_knows_are_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="q1"):
        offline(eeg=npz(tmp_path / "odd.npz", noise(10), channels="q1 q2 q3 q4")).open()


@pytest.fixture
def own_models(tmp_path: Path) -> Path:
    package = find_package("eeg")
    folder = tmp_path / "models"
    shutil.copytree(default_dirs()[0] / package.id, folder / package.id)
    return folder


def with_models(folder: Path) -> Config:
    return Config(models=Models(folders=(str(folder),)))


@pytest.mark.parametrize(
    "harm",
    [lambda data: data[:-7], lambda data: data[:100] + b"\x00\x01" + data[102:]],
    ids=["truncated", "altered"],
)
def test_a_damaged_model_file_is_refused_before_it_is_parsed(
    own_models: Path, harm: Callable[[bytes], bytes]
) -> None:
    for path in own_models.rglob("model.*"):
        if path.suffix != ".toml":
            path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ModelIntegrityError):
        Pipeline(eeg=EEG, config=with_models(own_models)).open()


def test_a_swapped_model_file_is_refused(own_models: Path) -> None:
    package = next(own_models.iterdir())
    other = default_dirs()[0] / find_package("voice").id
    for path in package.glob("model.*"):
        if path.suffix != ".toml":
            shutil.copy(next(other.glob(f"*{path.suffix}")), path)
    with pytest.raises(ModelError):
        Pipeline(eeg=EEG, config=with_models(own_models)).open()


def test_research_weights_are_refused_for_commercial_use() -> None:
    config = Config(models=Models(license_policy="commercial"))
    with pytest.raises(ModelError, match="not licensed for commercial use"):
        Pipeline(microphone="virtual:", config=config).open()
