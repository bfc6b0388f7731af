"""Contract suites for authors of plug-ins: subclass one in your tests and give it your device.

::

    class TestMyCamera(DriverContract):
        def make(self) -> Driver:
            return MyCamera("0")

Each method named ``test_…`` is one clause of the contract. The suites need no test framework;
pytest and unittest both collect them.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from edge_emo.clock import Clock, MonotonicClock
from edge_emo.drivers.base import Driver
from edge_emo.errors import ClosedError, DeviceTimeoutError
from edge_emo.types import KINDS, Chunk, StreamInfo


def read_chunks(driver: Driver, count: int, timeout_s: float = 5.0) -> list[Chunk]:
    """Read up to ``count`` chunks; fewer when a finite source ends.

    Raises:
        DeviceTimeoutError: Nothing came within ``timeout_s``.
    """
    chunks: list[Chunk] = []
    while len(chunks) < count:
        chunk = driver.read(timeout_s)
        if chunk is None:
            break
        chunks.append(chunk)
    return chunks


def raises(expected: type[BaseException], call: Callable[[], object]) -> BaseException:
    """Return the expected error that ``call`` raises.

    Raises:
        AssertionError: It raised none.
    """
    try:
        call()
    except expected as error:
        return error
    raise AssertionError(f"{expected.__name__} was not raised")


class DriverContract(ABC):
    """What every driver does. Subclass it and give ``make``.

    Attributes:
        finite: True when the source ends by itself within :attr:`max_chunks` chunks.
        continuous: True when no sample may be missing between the chunks read here; video,
            which is delivered latest first, may skip.
        max_chunks: How many chunks a test reads at most.
        stamp_slack_s: How far a stamp may lie ahead of the session clock.
    """

    finite = False
    continuous = True
    max_chunks = 5
    stamp_slack_s = 0.25

    @abstractmethod
    def make(self) -> Driver:
        """Return a new driver that is not open; its device is there and works."""

    def clock(self) -> Clock:
        """Return the session clock of one test."""
        return MonotonicClock()

    def test_constructing_twice_touches_no_hardware(self) -> None:
        """Two drivers of one exclusive device can exist while neither is open."""
        assert self.make().kind == self.make().kind

    def test_names_a_known_kind(self) -> None:
        """The kind is one of the session's kinds."""
        assert self.make().kind in KINDS

    def test_open_reads_the_settings_back(self) -> None:
        """The description fits the data that follows."""
        with self.make() as driver:
            info = driver.open(self.clock())
            assert info.kind == driver.kind
            assert info.device
            for chunk in read_chunks(driver, 2):
                _check_data(chunk, info)

    def test_stamps_advance_and_lie_in_the_past(self) -> None:
        """Originating times grow and are never later than the session clock allows."""
        clock = self.clock()
        with self.make() as driver:
            driver.open(clock)
            previous: Chunk | None = None
            for _ in range(self.max_chunks):
                chunk = driver.read(5.0)
                if chunk is None:
                    break
                assert chunk.t_ns <= clock.now_ns() + self.stamp_slack_s * 1e9
                assert previous is None or chunk.t_ns >= previous.t_ns
                previous = chunk
            assert previous is not None, "the device delivered nothing"

    def test_numbers_its_samples(self) -> None:
        """``seq`` begins at 0 or later and continues at the next sample."""
        with self.make() as driver:
            driver.open(self.clock())
            chunks = read_chunks(driver, self.max_chunks)
        assert chunks[0].seq >= 0
        for before, after in itertools.pairwise(chunks):
            expected = before.seq + before.n_samples
            assert after.seq == expected if self.continuous else after.seq >= expected

    def test_chunks_stay_what_they_were(self) -> None:
        """A chunk handed out is not overwritten by later ones."""
        with self.make() as driver:
            driver.open(self.clock())
            first = read_chunks(driver, 1)[0]
            before = _bytes(first)
            read_chunks(driver, self.max_chunks - 1)
            assert _bytes(first) == before

    def test_ends_with_none_when_finite(self) -> None:
        """A finite source ends with None, and goes on saying so."""
        if not self.finite:
            return
        with self.make() as driver:
            driver.open(self.clock())
            for _ in range(100_000):
                if driver.read(5.0) is None:
                    break
            assert driver.read(5.0) is None

    def test_close_is_idempotent(self) -> None:
        """Closing twice, or before opening, does nothing."""
        driver = self.make()
        driver.close()
        driver.open(self.clock())
        driver.close()
        driver.close()

    def test_reading_a_closed_driver_is_an_error(self) -> None:
        """Before ``open`` and after ``close``, ``read`` raises ClosedError."""
        driver = self.make()
        raises(ClosedError, lambda: driver.read(0.1))
        driver.open(self.clock())
        driver.close()
        raises(ClosedError, lambda: driver.read(0.1))

    def test_opens_again_after_close(self) -> None:
        """Reopening is how a lost device is reconnected."""
        driver = self.make()
        for _ in range(2):
            driver.open(self.clock())
            assert read_chunks(driver, 1)
            driver.close()

    def test_read_keeps_its_time_out(self) -> None:
        """With no time at all, ``read`` returns or raises DeviceTimeoutError; it never hangs."""
        with self.make() as driver:
            driver.open(self.clock())
            try:
                chunk = driver.read(0.0)
            except DeviceTimeoutError:
                return
            assert chunk is None or chunk.n_samples > 0


def _bytes(chunk: Chunk) -> bytes:
    return chunk.data.encode() if isinstance(chunk.data, str) else chunk.data.tobytes()


def _check_data(chunk: Chunk, info: StreamInfo) -> None:
    assert chunk.stream == info.kind
    if info.kind == "text":
        assert chunk.text
    elif info.kind == "camera":
        assert chunk.image.dtype == np.uint8
        assert chunk.image.shape[2] == 3
    else:
        assert chunk.rate_hz == info.rate_hz > 0
        assert chunk.samples.dtype == np.float32
        assert chunk.samples.shape[1] == len(info.channels)
