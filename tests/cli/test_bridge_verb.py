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


@pytest.mark.parametrize("path", ["no/such/folder/port", "file/port"])
def test_a_link_that_cannot_be_made_is_wrong_usage(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / path
    assert main(["bridge", "simulate", "--link", str(place), "--seconds", "0"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"edge-emo: no link can be made at {place}: ")
    assert "hint: " in err


@pytest.mark.parametrize("what", ["ping", "info", "monitor", "trace"])
def test_a_baud_rate_of_a_socket_is_wrong_usage(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bridge", what, "socket://127.0.0.1:1", "--baud", "9600"]) == 2
    assert capsys.readouterr().err.startswith("edge-emo: --baud says nothing of a socket\nhint: ")


@pytest.mark.parametrize(
    "port", ["usb:", "socket://a..b:7", "socket://[::1:7", f"socket://{'a' * 64}.b:7"]
)
def test_a_port_that_cannot_be_is_wrong_usage(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bridge", "info", port]) == 2
    assert capsys.readouterr().err.startswith(f"edge-emo: {port!r} names no port\nhint: ")
