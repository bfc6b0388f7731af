"""The verb ``bridge`` against the software device on a pseudo-terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_emo.bridge.link import LinkSettings, acquire, release
from edge_emo.bridge.simulator import Simulator
from edge_emo.cli.app import main
from edge_emo.clock import MonotonicClock
from edge_emo.types import EmotionState

COMMAND = [sys.executable, "-m", "edge_emo", "bridge"]
STATE = EmotionState(0, 0, 0, None, None, None)


def test_a_trace_ends_when_its_reader_leaves(tmp_path: Path) -> None:
    with Simulator(tmp_path / "port") as board:
        command = [*COMMAND, "trace", board.path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert b"hello" in child.stdout.readline()
            child.stdout.close()
            assert child.wait(timeout=30) == 0
            assert child.stderr is not None
            assert child.stderr.read() == b""


def test_a_simulated_board_ends_when_its_reader_leaves(tmp_path: Path) -> None:
    command = [*COMMAND, "simulate", "--link", str(tmp_path / "port")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        path = child.stdout.readline().decode().strip()
        child.stdout.close()
        link = acquire(path, MonotonicClock(), LinkSettings())
        try:
            link.wait_up()
            link.offer(STATE)
            assert child.wait(timeout=30) == 0
        finally:
            release(link)
        assert child.stderr is not None
        assert b"Traceback" not in child.stderr.read()


def test_a_trace_shows_both_directions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Simulator(tmp_path / "port") as board:
        assert main(["bridge", "trace", board.path, "--seconds", "0"]) == 0
    out = capsys.readouterr().out
    assert "→ #0 " in out
    assert "← #" in out
