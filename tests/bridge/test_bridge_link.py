"""Sink, driver and command line against the software device on a pseudo-terminal."""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bridge.boards import Board
from bridge.world import a_state

from edge_emo.bridge import simulator
from edge_emo.bridge.link import Link, LinkSettings, acquire, release
from edge_emo.bridge.messages import Acknowledged, Event, LinkChange, SampleBlock
from edge_emo.bridge.schema import message
from edge_emo.bridge.simulator import Simulator
from edge_emo.cli.app import main
from edge_emo.clock import MonotonicClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.physio.bridge import BridgePhysio
from edge_emo.errors import (
    ClosedError,
    DeviceError,
    DeviceLostError,
)
from edge_emo.pipeline import Pipeline
from edge_emo.registry import DRIVERS, SINKS, Address, construct
from edge_emo.sinks.bridge import BridgeSink
from edge_emo.testing import DriverContract, read_chunks


class TestContract(DriverContract):
    @pytest.fixture(autouse=True)
    def _attached(self, tmp_path: Path) -> Iterator[None]:
        with Board(tmp_path) as self.board:
            yield

    def make(self) -> Driver:
        return BridgePhysio(self.board.path)


def test_its_addresses_make_them() -> None:
    address = Address.parse("bridge:/dev/ttyACM0?stream=pulse&baud=57600")
    assert isinstance(construct(DRIVERS.load("physio.bridge"), address), BridgePhysio)
    address = Address.parse("bridge:usb:E660?rate_hz=5&brightness=0.5&wait=true")
    assert isinstance(construct(SINKS.load("bridge"), address), BridgeSink)
    address = Address.parse("bridge:socket://127.0.0.1:7777?timeout_s=1")
    assert isinstance(construct(SINKS.load("bridge"), address), BridgeSink)


def test_a_link_whose_listener_fails_greets_the_board_again(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(board.path, MonotonicClock(), LinkSettings())
    ups: queue.Queue[bool] = queue.Queue()
    failures = iter([ValueError("a bug")])

    def fail_once(event: Event) -> None:
        if isinstance(event, LinkChange) and event.up:
            for failure in failures:
                raise failure
            ups.put(True)

    link.listen(fail_once)
    link.start()
    try:
        assert ups.get(timeout=10)
    finally:
        link.stop()
    assert "the link failed" in caplog.text
    assert "Traceback" in caplog.text


def test_a_link_that_fails_in_any_way_tells_whoever_waits(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sent: bool, data: bytes) -> None:
        raise ValueError("a bug")

    link = Link(board.path, MonotonicClock(), LinkSettings(), fail)
    link.start()
    try:
        with pytest.raises(DeviceError, match=r"failed: ValueError\('a bug'\)"):
            link.wait_up()
        assert "ValueError('a bug')" in link.status.reason
    finally:
        link.stop()
    assert "Traceback" in caplog.text


def test_a_port_is_not_closed_before_the_goodbye_is_written(board: Board) -> None:
    link = Link(board.path, MonotonicClock(), LinkSettings())
    link.start()
    link.wait_up()
    stopper = threading.Thread(target=link.stop, daemon=True)
    with link._changed:  # whoever writes has it
        stopper.start()
        assert not link._stop.wait(0.2)
        assert link._port is not None
    stopper.join(10)
    assert link._port is None
    assert not link._thread.is_alive()


def test_a_link_that_fails_alike_again_and_again_is_logged_once(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    failures: queue.Queue[None] = queue.Queue()

    def fail(sent: bool, data: bytes) -> None:
        failures.put(None)
        raise ValueError("a bug")

    link = Link(board.path, MonotonicClock(), LinkSettings(), fail)
    link.start()
    try:
        for _ in range(4):
            failures.get(timeout=10)
    finally:
        link.stop()
    told = [record.message for record in caplog.records]
    assert told.count(f"{board.path}: the link failed") == 1


def test_a_link_that_fails_in_any_way_is_lost_for_its_readers(board: Board) -> None:
    clock, failures = MonotonicClock(), iter([ValueError("a bug")])

    def fail_once(event: Event) -> None:
        if isinstance(event, SampleBlock):
            for failure in failures:
                raise failure

    link = acquire(board.path, clock)
    with BridgePhysio(board.path) as physio:
        physio.open(clock)
        link.listen(fail_once)
        with pytest.raises(DeviceLostError, match=r"ValueError\('a bug'\)"):
            read_chunks(physio, 10_000)
        link.wait_up(10.0)
        assert link.status.reconnects == 1
        physio.open(clock)
        assert read_chunks(physio, 2)
    release(link)


def test_a_loss_that_a_writer_meets_is_told_to_the_readers(board: Board) -> None:
    """It is met between two steps of the link's thread: here, by a listener."""
    link = Link(board.path, MonotonicClock(), LinkSettings())
    changes: queue.Queue[LinkChange] = queue.Queue()
    once = iter([True])

    def fail(data: bytes) -> None:
        raise OSError("unplugged")

    def lose(event: Event) -> None:
        if isinstance(event, LinkChange):
            changes.put(event)
            if event.up and next(once, False):
                link._port.write = fail  # type: ignore[method-assign,union-attr]
                link.configure(brightness=1)

    link.listen(lose)
    link.start()
    try:
        first, second, third = (changes.get(timeout=10) for _ in range(3))
    finally:
        link.stop()
    assert (first.up, second.up, third.up) == (True, False, True)
    assert "unplugged" in second.reason
    assert link.status.reconnects == 1


def test_samples_are_the_boards_counts_in_its_units(physio: BridgePhysio) -> None:
    info = physio.open(MonotonicClock())
    assert (info.channels, info.rate_hz, info.unit) == (("bvp", "eda"), 100.0, "physical")
    assert "simulated on" in info.device
    chunks = read_chunks(physio, 3)
    first = chunks[0]
    data = np.concatenate([chunk.samples for chunk in chunks])
    skin = 4.0 + 0.6 * np.sin(2 * np.pi * (np.arange(2000) / 100.0) / 20.0)
    starts = [np.abs(data[:, 1] - skin[at : at + 30]).max() for at in range(1970)]
    assert min(starts) < 0.002
    assert first.seq == 0
    assert [chunk.seq for chunk in chunks] == [0, 10, 20]
    assert physio.dropped == 0


def test_stamps_are_the_time_of_measuring(physio: BridgePhysio) -> None:
    clock = MonotonicClock()
    before_ns = clock.now_ns()
    physio.open(clock)
    for chunk in read_chunks(physio, 5):
        assert before_ns - 5e6 < chunk.t_ns < chunk.end_ns < clock.now_ns() + 5e6
    spans = [c.t_ns for c in read_chunks(physio, 5)]
    assert np.diff(spans) == pytest.approx(100_000_000, abs=2_000_000)


@pytest.mark.parametrize("stream", ["0", "body", ""])
def test_a_stream_is_chosen_by_number_or_kind(board: Board, stream: str) -> None:
    with BridgePhysio(board.path, stream=stream) as driver:
        assert driver.open(MonotonicClock()).channels == ("bvp", "eda")


def test_one_port_serves_driver_and_sink(board: Board) -> None:
    clock = MonotonicClock()
    sink = BridgeSink(board.path, brightness=0.25)
    with BridgePhysio(board.path) as driver:
        driver.open(clock)
        sink.open({}, clock)
        sink.state(a_state(7))
        assert board.shown.get(timeout=5.0) == 7
        assert read_chunks(driver, 1)
        assert board.device.brightness == 250
        sink.close()
        assert read_chunks(driver, 2)
    with pytest.raises(ClosedError):
        sink.status  # noqa: B018 - the access is the test


def test_a_board_that_is_pulled_out_and_put_back(board: Board, tell: Callable[[str], None]) -> None:
    clock = MonotonicClock()
    sink = BridgeSink(board.path)
    heard: queue.Queue[Event] = queue.Queue()
    with BridgePhysio(board.path) as driver:
        driver.open(clock)
        sink.open({}, clock)
        link = acquire(board.path, clock)
        link.listen(heard.put)
        board.unplug()
        with pytest.raises(DeviceLostError):
            read_chunks(driver, 1000)
        sink.state(a_state(1))
        assert next(changes(heard)).up is False
        board.plug()
        back_ns = clock.now_ns()
        assert next(changes(heard)).up is True
        sink.state(a_state(2))
        assert board.shown.get(timeout=5.0) == 2
        tell(f"software device: states again after {(clock.now_ns() - back_ns) / 1e9:.2f} s")
        driver.open(clock)
        assert read_chunks(driver, 1)[0].seq == 0
        assert sink.status.reconnects == 1
        release(link)
        sink.close()


def changes(events: queue.Queue[Event]) -> Iterator[LinkChange]:
    while True:
        event = events.get(timeout=5.0)
        if isinstance(event, LinkChange):
            yield event


def test_a_session_goes_on_without_its_board(board: Board) -> None:
    address = f"bridge:{board.path}"
    with Pipeline(eeg="virtual:", physio=address, sinks=[address]) as pipeline:
        lost = back = False
        for state in pipeline:
            health = state.health["physio"]
            if not lost and health.alive:
                board.unplug()
                lost = True
            elif lost and not back and not health.alive and "gone" in health.reason:
                board.plug()
                back = True
            elif back and health.alive:
                break
        assert back
        assert health.reconnects >= 1
        assert pipeline.failures == []


def test_a_sink_may_wait_for_its_board(tmp_path: Path) -> None:
    board = Board(tmp_path)
    clock = MonotonicClock()
    sink = BridgeSink(str(tmp_path / "ttyBoard"), wait=True)
    sink.open({}, clock)
    sink.state(a_state(1))
    assert "no serial port" in sink.status.reason or sink.status.reason == "not open yet"
    with board:
        link = acquire(str(tmp_path / "ttyBoard"), clock)
        link.wait_up(5.0)
        sink.state(a_state(2))
        assert board.shown.get(timeout=5.0) == 2
        release(link)
        sink.close()


def test_what_the_board_says_is_logged_and_a_complaint_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edge_emo.bridge.link")
    done: queue.Queue[Event] = queue.Queue()
    board = Simulator(tmp_path / "ttyBoard", on_state=lambda _: board.device.log("hot", 2))
    with board:
        link = acquire(str(tmp_path / "ttyBoard"), MonotonicClock(), LinkSettings())
        link.wait_up()
        link.listen(done.put)
        for number in range(3):
            link.offer(a_state(number))
            while not isinstance(done.get(timeout=5.0), Acknowledged):
                pass
        release(link)
    said = [(r.levelname, r.getMessage().partition(" says: ")[2]) for r in caplog.records]
    assert said.count(("WARNING", "hot")) == 1
    assert said.count(("INFO", "light hue 90 brightness 180")) == 3


def test_closing_says_goodbye(board: Board) -> None:
    link = acquire(board.path, MonotonicClock(), LinkSettings())
    link.wait_up()
    release(link)
    release(link)
    assert wait_for(lambda: not board.device.up)


def wait_for(condition: object) -> bool:
    waiting = threading.Event()
    return any(condition() or waiting.wait(0.02) for _ in range(200))  # type: ignore[operator]


def test_the_command_line_talks_to_a_board(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bridge", "ping", board.path, "--count", "3"]) == 0
    assert capsys.readouterr().out.count(" ms") == 3
    assert main(["bridge", "info", board.path]) == 0
    assert "body, 100 Hz: bvp [counts], eda [uS]" in capsys.readouterr().out
    assert main(["bridge", "info", board.path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "simulated"
    assert main(["bridge", "monitor", board.path, "--seconds", "0.5"]) == 0
    assert "stream 0 sample" in capsys.readouterr().out
    assert main(["bridge", "trace", board.path, "--seconds", "0.1"]) == 0
    out = capsys.readouterr().out
    assert "→ #0" in out
    assert "host_hello" in out
    assert "← #" in out
    assert main(["bridge", "info", "/dev/absent"]) == 3


def test_the_command_line_is_a_board(tmp_path: Path) -> None:
    path = tmp_path / "ttySim"
    command = [sys.executable, "-m", "edge_emo", "bridge", "simulate", "--link", str(path)]
    with subprocess.Popen([*command, "--seconds", "20"], stdout=subprocess.PIPE, text=True) as sim:
        assert sim.stdout is not None
        assert sim.stdout.readline().strip() == str(path)
        sink = BridgeSink(str(path))
        sink.open({}, MonotonicClock())
        sink.state(a_state(5))
        assert sim.stdout.readline() == "state 5: light hue 90 brightness 180\n"
        sink.close()
        sim.terminate()


def test_what_a_simulated_light_shows_without_an_estimate() -> None:
    assert simulator.light(message("state", number=1).state) == "light white 30"
