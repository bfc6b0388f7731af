"""The thread that owns one driver: it opens, reads, stamps nothing itself, and reconnects.

A driver may hang in a vendor's library. Its thread is a daemon that nobody waits for without a
time-out; one that does not come back is abandoned and says so.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.errors import (
    ConfigError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    EdgeEmoError,
)
from edge_emo.types import Chunk, StreamInfo

_log = logging.getLogger(__name__)

BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Default waits between attempts to reconnect, seconds; the last one repeats.

A device that opens and is lost within the last one is tried no more often than one that is away.
"""


_BLOCKS = 3
"""Blocks after which a silent device counts as lost."""
_BLOCK = 40
"""Samples in the longest block of a slow device; a message of the bridge holds no more."""


class Status(enum.Enum):
    """Where a capture is in its life."""

    OPENING = "opening"
    OPEN = "open"
    LOST = "lost"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One chunk on its way to the engine.

    Attributes:
        chunk: The chunk as the driver stamped it.
        info: The stream as the driver opened it.
        generation: How often the driver was opened before; a change tells of a reconnection.
        dropped: Samples that the device itself reported lost so far.
        arrived_ns: When the driver handed it out.
    """

    chunk: Chunk
    info: StreamInfo
    generation: int
    dropped: int
    arrived_ns: int

    @property
    def end_ns(self) -> int:
        """Originating time just after the chunk's last sample."""
        return self.chunk.end_ns

    @property
    def ready_ns(self) -> int:
        """The earliest time at which it could be delivered: a frame is complete at its stamp."""
        return self.chunk.t_ns if self.info.kind == "camera" else self.chunk.end_ns


class Capture:
    """Runs one driver in a thread of its own.

    Args:
        driver: A driver that is not open.
        clock: The session clock.
        deliver: Takes each delivery; returns False when nobody wants more.
        ended: Called once, when nothing more will come.
        patient: A device that is missing at the start is waited for like a lost one.
        read_timeout_s: How long one read waits.
        silence_s: A live device that delivers nothing for this long counts as lost; one whose
            samples come in long blocks, after three of them.
        back_off_s: Waits between attempts to reconnect; the last one repeats.
    """

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        deliver: Callable[[Delivery], bool],
        ended: Callable[[], None],
        *,
        patient: bool = False,
        read_timeout_s: float = 0.5,
        silence_s: float = 3.0,
        back_off_s: Sequence[float] = BACK_OFF_S,
    ) -> None:
        self.driver = driver
        self.status = Status.OPENING
        self.info: StreamInfo | None = None
        self.error: EdgeEmoError | None = None
        self.reconnects = 0
        self.read_cpu_ns = 0
        self._clock = clock
        self._deliver = deliver
        self._ended = ended
        self._patient = patient
        self._read_timeout_s = read_timeout_s
        self._silence_ns = round(silence_s * 1e9)
        self._back_off_s = back_off_s
        self._logged = ""
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"capture-{driver.kind}", daemon=True
        )

    def start(self) -> None:
        """Start the thread; it opens the device."""
        self._thread.start()

    def wait_open(self, timeout_s: float) -> None:
        """Wait until the device is open, or is waited for, or has failed.

        Raises:
            EdgeEmoError: What the driver's ``open`` raised.
            DeviceTimeoutError: It is still opening after ``timeout_s``.
        """
        if not self._settled.wait(timeout_s):
            raise DeviceTimeoutError(
                f"the {self.driver.kind} did not open within {timeout_s:g} s",
                hint="check the cable or the URL, or try: edge-emo devices",
            )
        if self.status is Status.FAILED and self.info is None and self.error:
            raise self.error

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Stop the thread and close the device.

        Returns:
            False when the device hangs and was abandoned; its threads are daemons.
        """
        self._stop.set()
        if self._thread.is_alive():  # not where the session was interrupted before it began
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def failure(self) -> EdgeEmoError | None:
        """The error that ended the stream for good; None while it runs, waits or has ended."""
        return self.error if self.status is Status.FAILED else None

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._settled.set()
            self._ended()
            self._close()

    def _serve(self) -> None:
        attempt = 0
        while not self._stop.is_set():
            opened_ns: int | None = None
            try:
                info = self._open()
                opened_ns = self._clock.now_ns()
                self._read_all(info)
            except Exception as error:  # whatever a driver raises, its stream says so
                self.error = self._explained(error)
                if not self._may_retry(self.error):
                    self.status = Status.FAILED
                    return
                attempt = 0 if self._lasted(opened_ns) else attempt
                self._back_off(attempt)
                attempt += 1
            else:
                return

    def _lasted(self, opened_ns: int | None) -> bool:
        """Tell whether the device stayed for longer than the longest wait for it."""
        longest_ns = round(self._back_off_s[-1] * 1e9)
        return opened_ns is not None and self._clock.now_ns() - opened_ns > longest_ns

    def _open(self) -> StreamInfo:
        info = self.driver.open(self._clock)
        self.info, self.status, self.error = info, Status.OPEN, None
        self._settled.set()
        return info

    def _explained(self, error: Exception) -> EdgeEmoError:
        """Return what no driver should raise as an error of the device; logged once."""
        if isinstance(error, EdgeEmoError):
            return error
        kind = self.driver.kind
        words = f"the {kind} driver failed: {type(error).__name__}: {error}"
        if words != self._logged:
            self._logged = words
            _log.error("%s", words, exc_info=error)
        failure = DeviceError(words, hint="its traceback is in the log")
        failure.__cause__ = error
        return failure

    def _may_retry(self, error: EdgeEmoError) -> bool:
        """A live device is opened again; so is one whose options fitted before it was lost."""
        if self.info is None:
            return self._patient and isinstance(error, DeviceError)
        unfit = self.status is Status.LOST and isinstance(error, ConfigError)
        return self.info.live and (unfit or isinstance(error, DeviceError))

    def _close(self) -> None:
        try:
            self.driver.close()
        except Exception as error:  # a device that is gone may not close either
            odd = None if isinstance(error, EdgeEmoError) else error
            _log.warning("the %s did not close cleanly: %s", self.driver.kind, error, exc_info=odd)

    def _back_off(self, attempt: int) -> None:
        self.status = Status.LOST
        self._settled.set()
        self._close()
        self.reconnects += 1
        self._stop.wait(self._back_off_s[min(attempt, len(self._back_off_s) - 1)])

    def _read_all(self, info: StreamInfo) -> None:
        newest_ns, patience_ns = self._clock.now_ns(), _first_block_ns(info)
        while not self._stop.is_set():
            before_ns = time.thread_time_ns()
            try:
                chunk = self.driver.read(self._read_timeout_s)
            except DeviceTimeoutError:
                self._check_silence(info, newest_ns, patience_ns)
                continue
            if chunk is None:
                self.status = Status.ENDED
                return
            self.read_cpu_ns += time.thread_time_ns() - before_ns
            newest_ns = self._clock.now_ns()
            patience_ns = _BLOCKS * (chunk.end_ns - chunk.t_ns)
            dropped = self.driver.dropped
            delivery = Delivery(chunk, info, self.reconnects, dropped, newest_ns)
            if not self._deliver(delivery):
                return

    def _check_silence(self, info: StreamInfo, newest_ns: int, least_ns: int) -> None:
        silent_ns = self._clock.now_ns() - newest_ns
        longest_ns = max(self._silence_ns, least_ns)
        if info.live and info.kind != "text" and silent_ns > longest_ns:
            raise DeviceLostError(
                f"{info.device} delivered nothing for {silent_ns / 1e9:.1f} s",
                hint="check its cable; it is opened again by itself",
            )


def _first_block_ns(info: StreamInfo) -> int:
    """Return how long the first block of a stream of samples may be; 0 of frames."""
    return round(_BLOCK * 1e9 / info.rate_hz) if info.channels and info.rate_hz > 0 else 0
