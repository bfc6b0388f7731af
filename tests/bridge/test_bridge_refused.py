"""Ports, boards and options that cannot serve are refused in words."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from bridge.boards import Board

from edge_emo.bridge.simulator import Simulator
from edge_emo.clock import MonotonicClock
from edge_emo.drivers.physio.bridge import BridgePhysio
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceBusyError,
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.registry import SINKS, Address, construct
from edge_emo.sinks.bridge import BridgeSink
from edge_emo.testing import read_chunks


@pytest.fixture
def dumb_port(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A port with no board behind it: its path, and the descriptor of the far end."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave), master
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize(
    "address",
    ["bridge:", "bridge:socket://host", "bridge:x?rate_hz=0", "bridge:x?brightness=2"],
)
def test_wrong_options_are_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        construct(SINKS.load("bridge"), Address.parse(address))


@pytest.mark.parametrize(
    "option", ["timeout_s=0", "timeout_s=-1", "timeout_s=1e300", "baud=0", "baud=-9600"]
)
@pytest.mark.parametrize("made", [BridgeSink, BridgePhysio])
def test_a_port_that_could_never_answer_is_refused(
    made: type[BridgeSink | BridgePhysio], option: str
) -> None:
    with pytest.raises(ConfigError, match=option.partition("=")[0]):
        construct(made, Address.parse(f"bridge:x?{option}"))


def test_a_stream_that_the_board_lacks_is_named_with_those_it_has(board: Board) -> None:
    with BridgePhysio(board.path, stream="eeg") as driver:
        with pytest.raises(ConfigError, match="simulated has no stream 'eeg'") as caught:
            driver.open(MonotonicClock())
        assert "0 (body: bvp eda)" in caught.value.hint
        with pytest.raises(ClosedError):
            driver.read(0.1)


def test_another_session_of_the_process_may_not_share(board: Board, physio: BridgePhysio) -> None:
    physio.open(MonotonicClock())
    with BridgePhysio(board.path) as other, pytest.raises(DeviceBusyError):
        other.open(MonotonicClock())


def test_another_program_on_the_port_is_an_error(board: Board, physio: BridgePhysio) -> None:
    holder = (
        "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True);"
        "sys.stdout.write(chr(10)); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", holder, board.path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(DeviceBusyError, match="another program holds"):
            physio.open(MonotonicClock())
        process.communicate(b"\n")


@pytest.mark.parametrize("package", ["serial", "google.protobuf.descriptor_pool"])
def test_a_missing_package_says_how_to_install_it(board: Board, package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from edge_emo.cli.app import main\n"
        f"sys.exit(main(['bridge', 'info', {board.path!r}]))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert "missing: " in run.stderr
    assert "hint: pip install 'edge-emo[bridge]'" in run.stderr


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(DeviceError):
        BridgeSink(str(tmp_path / "file")).open({}, MonotonicClock())
    with pytest.raises(ConfigError, match="is not a link"):
        Simulator(tmp_path / "file").plug()
    assert (tmp_path / "file").read_text() == "precious"


def test_no_such_port(tmp_path: Path) -> None:
    with BridgePhysio(str(tmp_path / "absent")) as driver, pytest.raises(DeviceNotFoundError):
        driver.open(MonotonicClock())
    with pytest.raises(DeviceNotFoundError, match="serial number 'X1'"):
        BridgeSink("usb:X1").open({}, MonotonicClock())


def test_no_such_socket() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DeviceNotFoundError, match="nothing listens"):
        BridgeSink(f"socket://127.0.0.1:{port}").open({}, MonotonicClock())


def test_nothing_answers_on_the_port(dumb_port: tuple[str, int]) -> None:
    sink = BridgeSink(dumb_port[0], timeout_s=0.3)
    with pytest.raises(DeviceTimeoutError, match=r"answered within 0\.3 s"):
        sink.open({}, MonotonicClock())


@contextlib.contextmanager
def saying(master: int, data: bytes) -> Iterator[None]:
    """Say something over and over on the far end, as fast as it is read."""
    stop = threading.Event()
    os.set_blocking(master, False)

    def say() -> None:
        while not stop.is_set():
            try:
                os.write(master, data)
            except BlockingIOError:
                stop.wait(0.001)

    thread = threading.Thread(target=say)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("data", [b"$GPGGA,1,2\r\n", b"flood" * 200])
def test_something_else_talks_on_the_port(dumb_port: tuple[str, int], data: bytes) -> None:
    path, master = dumb_port
    sink = BridgeSink(path, timeout_s=0.3)
    with saying(master, data), pytest.raises(DeviceError, match="no edge_emo board: it sent"):
        sink.open({}, MonotonicClock())


def test_who_shares_a_port_shares_its_baud_rate(physio: BridgePhysio, board: Board) -> None:
    clock = MonotonicClock()
    physio.open(clock)
    with pytest.raises(ConfigError, match="is open at 115200 baud, not at 57600") as caught:
        BridgeSink(board.path, baud=57_600).open({}, clock)
    assert "?baud=" in caught.value.hint
    assert read_chunks(physio, 1)
