from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bridge.boards import Board
from bridge.c_library import ROOT, Library, build, missing

from edge_emo import vendor
from edge_emo.drivers.physio.bridge import BridgePhysio

VECTORS = ROOT / "firmware_bridge" / "vectors" / "frames.json"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = [name for name in ("serial", "google") if not vendor.installed(name)]
    for item in items:
        if absent and Path(__file__).parent in item.path.parents:
            reason = f"needs pyserial and protobuf: {vendor.VENDORS['serial'].install}"
            item.add_marker(pytest.mark.skip(reason=reason))


FIGURES: list[str] = []


@pytest.fixture
def tell() -> Callable[[str], None]:
    """Return a function that prints a measured figure below the tests."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("figures of the bridge")
        terminalreporter.write_line("\n".join(FIGURES))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Return the C library, built for this machine."""
    if missing():
        pytest.skip(missing())
    chosen = os.environ.get("EDGE_EMO_C_CHECK")
    return Library(build(Path(chosen) if chosen else tmp_path_factory.mktemp("c")))


@pytest.fixture(scope="session")
def vectors() -> list[dict[str, Any]]:
    """Return the golden frames."""
    frames: list[dict[str, Any]] = json.loads(VECTORS.read_text())["frames"]
    return frames


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with Board(tmp_path) as board:
        yield board


@pytest.fixture
def physio(board: Board) -> Iterator[BridgePhysio]:
    with BridgePhysio(board.path) as driver:
        yield driver
