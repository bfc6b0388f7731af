"""Data and one compiled package that several files of tests share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_emo.compile.targets import KINDS
from tests.compile.networks import compile_for, dense, write_data, write_model


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    return {
        "seen": write_data(folder / "seen.npz", (1, 16), 128, 1),
        "judged": write_data(folder / "judged.npz", (1, 16), 400, 2),
    }


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, data: Mapping[str, Path]) -> Path:
    """Return the folder of packages that holds one compiled for a Jetson."""
    folder = tmp_path_factory.mktemp("compiled")
    model = write_model(folder / "source", dense())
    compile_for(model, folder / "out", data, kinds=KINDS)
    return folder / "out"
