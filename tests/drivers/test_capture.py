from __future__ import annotations

import threading

import numpy as np
import pytest

from edge_emo.clock import Clock, ManualClock, MonotonicClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.capture import Capture, Delivery, Status
from edge_emo.errors import (
    ConfigError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.types import Chunk, StreamInfo

Script = list["Chunk | Exception | None"]


def chunk(seq: int) -> Chunk:
    return Chunk("eeg", seq, seq, 1.0, np.zeros((1, 1), np.float32))


class ScriptedEeg(Driver):
    """A device that follows a script: one list of events for each time it is opened."""

    kind = "eeg"

    def __init__(
        self, *sessions: Script | Exception, fail_open: Exception | None = None, live: bool = True
    ) -> None:
        self.sessions = [*([fail_open] if fail_open else []), *sessions]
        self.events: Script = []
        self.live = live
        self.closed = 0

    def open(self, clock: Clock) -> StreamInfo:
        session = self.sessions.pop(0)
        if isinstance(session, Exception):
            raise session
        self.events = session
        return StreamInfo("eeg", 1.0, ("Cz",), "uv", "scripted", live=self.live)

    def read(self, timeout_s: float) -> Chunk | None:
        event = self.events.pop(0)
        if isinstance(event, Exception):
            raise event
        return event

    def close(self) -> None:
        self.closed += 1


def run(driver: Driver, *, patient: bool = False) -> tuple[Capture, list[Delivery]]:
    taken: list[Delivery] = []
    done = threading.Event()

    def take(delivery: Delivery) -> bool:
        taken.append(delivery)
        return True

    clock = MonotonicClock()
    capture = Capture(driver, clock, take, done.set, patient=patient, back_off_s=(0.0,))
    capture.start()
    assert done.wait(10)
    return capture, taken


def test_a_finite_source_is_delivered_and_closed() -> None:
    driver = ScriptedEeg([chunk(0), chunk(1), None])
    capture, taken = run(driver)
    assert [delivery.chunk.seq for delivery in taken] == [0, 1]
    assert capture.status is Status.ENDED
    assert capture.stop()
    assert driver.closed >= 1


def test_a_lost_device_is_opened_again_and_counted() -> None:
    driver = ScriptedEeg([chunk(0), DeviceLostError("unplugged")], [chunk(0), None])
    capture, taken = run(driver)
    assert [delivery.generation for delivery in taken] == [0, 1]
    assert capture.reconnects == 1
    assert capture.status is Status.ENDED
    assert driver.closed >= 2


class Brief(ScriptedEeg):
    """A device that is lost some seconds after each time it is opened."""

    def __init__(self, clock: ManualClock, *lasts_s: float) -> None:
        lost: Script = [DeviceLostError("unplugged")]
        super().__init__(*[[*lost] for _ in lasts_s], [None])
        self.clock, self.lasts_s = clock, [*lasts_s, 0.0]

    def read(self, timeout_s: float) -> Chunk | None:
        self.clock.advance(self.lasts_s.pop(0))
        return super().read(timeout_s)


class Waits(threading.Event):
    """Keeps for how long somebody would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s.append(timeout)
        return False


def test_a_device_that_is_lost_right_after_it_came_back_is_tried_ever_less_often() -> None:
    clock, done, waits = ManualClock(), threading.Event(), Waits()
    driver = Brief(clock, 0.0, 0.1, 1.0, 11.0, 0.0)
    capture = Capture(driver, clock, lambda _: True, done.set)
    capture._stop = waits
    capture.start()
    assert done.wait(10)
    assert waits.waited_s == [0.5, 1.0, 2.0, 0.5, 1.0]


def test_a_missing_device_is_an_error_at_once() -> None:
    capture, taken = run(ScriptedEeg(fail_open=DeviceNotFoundError("no board")))
    assert taken == []
    assert capture.status is Status.FAILED
    with pytest.raises(DeviceNotFoundError, match="no board"):
        capture.wait_open(1)


def test_a_patient_capture_waits_for_a_missing_device() -> None:
    driver = ScriptedEeg([chunk(0), None], fail_open=DeviceNotFoundError("no board"))
    capture, taken = run(driver, patient=True)
    assert len(taken) == 1
    assert capture.status is Status.ENDED


def test_an_error_that_no_reconnection_mends_ends_the_stream() -> None:
    capture, _ = run(ScriptedEeg([chunk(0), ConfigError("a wrong file")]))
    assert capture.status is Status.FAILED
    assert str(capture.error) == "a wrong file"


def test_an_error_that_no_driver_should_raise_counts_as_a_lost_device(
    caplog: pytest.LogCaptureFixture,
) -> None:
    driver = ScriptedEeg(
        [chunk(0), ValueError("a bug")], OSError(28, "No space left on device"), [chunk(0), None]
    )
    capture, taken = run(driver)
    assert [delivery.generation for delivery in taken] == [0, 2]
    assert capture.status is Status.ENDED
    assert "the eeg driver failed: ValueError: a bug" in caplog.text
    assert "Traceback" in caplog.text
    assert "No space left" in caplog.text


def test_an_error_that_no_driver_should_raise_ends_what_cannot_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    capture, taken = run(ScriptedEeg([chunk(0), ValueError("a bug")], live=False))
    assert len(taken) == 1
    assert capture.status is Status.FAILED
    assert str(capture.failure) == "the eeg driver failed: ValueError: a bug"
    assert "Traceback" in caplog.text


def test_an_error_that_no_driver_should_raise_is_told_when_it_opens() -> None:
    capture, _ = run(ScriptedEeg(fail_open=ValueError("a bug")))
    with pytest.raises(DeviceError, match="the eeg driver failed: ValueError: a bug"):
        capture.wait_open(1)
    assert isinstance(capture.failure, DeviceError)


@pytest.mark.parametrize("error", [DeviceError("it cannot be released"), ValueError("a bug")])
def test_a_device_that_does_not_close_is_opened_again_all_the_same(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(ScriptedEeg):
        def close(self) -> None:
            super().close()
            raise error

    driver = Stuck([chunk(0), DeviceLostError("unplugged")], [chunk(0), None])
    capture, taken = run(driver)
    assert [delivery.generation for delivery in taken] == [0, 1]
    assert capture.status is Status.ENDED
    assert f"the eeg did not close cleanly: {error}" in caplog.text
    assert ("Traceback" in caplog.text) == isinstance(error, ValueError)


def test_options_that_fitted_before_a_loss_are_tried_again() -> None:
    lost = DeviceLostError("unplugged")
    unfit = ConfigError("the other microphone has one channel")
    capture, taken = run(ScriptedEeg([chunk(0), lost], unfit, [chunk(0), None]))
    assert [delivery.generation for delivery in taken] == [0, 2]
    assert capture.status is Status.ENDED


def test_a_damaged_file_is_not_played_again_from_its_beginning() -> None:
    driver = ScriptedEeg([chunk(0), DeviceLostError("damaged here")], [chunk(0), None], live=False)
    capture, taken = run(driver)
    assert len(taken) == 1
    assert str(capture.failure) == "damaged here"


class HangingEeg(ScriptedEeg):
    """A device whose library never returns."""

    def __init__(self, release: threading.Event) -> None:
        super().__init__([])
        self.release = release
        self.reading = threading.Event()

    def read(self, timeout_s: float) -> Chunk | None:
        self.reading.set()
        self.release.wait(30)
        return None


def test_what_never_began_can_be_stopped() -> None:
    driver = ScriptedEeg([None])
    assert Capture(driver, MonotonicClock(), lambda _: True, lambda: None).stop()


def test_a_hanging_device_is_abandoned() -> None:
    release = threading.Event()
    driver = HangingEeg(release)
    capture = Capture(driver, MonotonicClock(), lambda _: True, lambda: None)
    capture.start()
    assert driver.reading.wait(5)
    assert not capture.stop(timeout_s=0.05)
    release.set()


class SlowToOpen(ScriptedEeg):
    def __init__(self, release: threading.Event) -> None:
        super().__init__([None])
        self.release = release

    def open(self, clock: Clock) -> StreamInfo:
        self.release.wait(30)
        return super().open(clock)


def test_a_device_that_does_not_open_is_a_time_out() -> None:
    release = threading.Event()
    capture = Capture(SlowToOpen(release), MonotonicClock(), lambda _: True, lambda: None)
    capture.start()
    with pytest.raises(DeviceTimeoutError, match="did not open"):
        capture.wait_open(0.05)
    release.set()
    assert capture.stop()


class Silent(ScriptedEeg):
    def read(self, timeout_s: float) -> Chunk | None:
        if not self.events:
            raise DeviceTimeoutError("nothing")
        return self.events.pop(0)  # type: ignore[return-value]


class Ticking:
    """Time that moves by a second whenever somebody looks."""

    def __init__(self) -> None:
        self.t_ns = 0

    def now_ns(self) -> int:
        self.t_ns += 1_000_000_000
        return self.t_ns

    def wait_until_ns(self, t_ns: int, stop: threading.Event) -> bool:
        return not stop.is_set()


def test_a_live_device_that_stays_silent_counts_as_lost() -> None:
    done = threading.Event()
    taken: list[Delivery] = []
    driver = Silent([chunk(0)], [chunk(0), None])

    def take(delivery: Delivery) -> bool:
        taken.append(delivery)
        return True

    capture = Capture(driver, Ticking(), take, done.set, back_off_s=(0.0,))
    capture.start()
    assert done.wait(10)
    assert [delivery.generation for delivery in taken] == [0, 1]


class Slow(ScriptedEeg):
    """A sensor that sends 16 samples every four seconds."""

    def __init__(self, clock: ManualClock, blocks: int) -> None:
        super().__init__([])
        self.clock, self.left = clock, blocks * 8

    def open(self, clock: Clock) -> StreamInfo:
        super().open(clock)
        return StreamInfo("physio", 4.0, ("eda",), "us", "slow", live=True)

    def read(self, timeout_s: float) -> Chunk | None:
        self.left -= 1
        self.clock.advance(0.5)
        if self.left % 8:
            raise DeviceTimeoutError("nothing yet")
        t_ns = self.clock.now_ns() - 4_000_000_000
        return Chunk("physio", 0, t_ns, 4.0, np.zeros((16, 1), np.float32)) if self.left else None


def test_a_live_device_with_long_blocks_is_not_lost_between_them() -> None:
    clock, done, taken = ManualClock(), threading.Event(), list[Delivery]()

    def take(delivery: Delivery) -> bool:
        taken.append(delivery)
        return True

    capture = Capture(Slow(clock, 5), clock, take, done.set)
    capture.start()
    assert done.wait(10)
    assert [delivery.generation for delivery in taken] == [0, 0, 0, 0]


def test_who_waits_for_a_device_finds_its_description() -> None:
    found: list[StreamInfo | None] = []

    class Noted(threading.Event):
        def set(self) -> None:
            found.append(capture.info)
            super().set()

    capture = Capture(ScriptedEeg([None]), ManualClock(), lambda _: True, lambda: None)
    capture._settled = Noted()
    capture.start()
    capture.wait_open(10)
    assert found[0] is not None
    assert capture.stop()
