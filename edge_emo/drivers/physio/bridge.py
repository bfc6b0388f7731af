"""Body sensors on a microcontroller: ``bridge:/dev/ttyACM0``."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable

import numpy as np

from edge_emo import vendor
from edge_emo.bridge.link import Link, LinkSettings, acquire, release
from edge_emo.bridge.messages import Board, Event, LinkChange, SampleBlock, SensorStream
from edge_emo.bridge.port import check_target, list_ports
from edge_emo.clock import Clock
from edge_emo.drivers.base import DeviceEntry, Driver
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
)
from edge_emo.types import Chunk, StreamInfo

_CAPACITY = 256
_NUMBERS = 2**32  # a board counts its samples in 32 bits: at 1000 Hz for 49 days
_FALLBACK_UNIT = "physical"


class BridgePhysio(Driver):
    """Reads one stream of a board that speaks the protocol of ``firmware_bridge``.

    Samples carry the board's own time stamps, turned into session time by the link's clock fit.
    The port is shared with a ``bridge:`` sink on the same target.

    Args:
        target: ``/dev/ttyACM0``, ``usb:SERIALNUMBER`` or ``socket://host:port``.
        stream: Which of the board's streams: its number or its kind, such as ``pulse``. When
            empty, the first that is not EEG.
        baud: Bits per second; USB ports ignore it.
        timeout_s: How long the board may take to answer.

    Raises:
        ConfigError: The target names no port, or an option is out of range.
    """

    kind = "physio"

    def __init__(
        self, target: str, *, stream: str = "", baud: int = 115_200, timeout_s: float = 3.0
    ) -> None:
        self._target = check_target(target)
        self._wanted = stream
        self._settings = LinkSettings(baud=baud, timeout_s=timeout_s)
        self._intake: _Intake | None = None

    def open(self, clock: Clock) -> StreamInfo:
        """Open the port, greet the board and ask for the stream.

        Raises:
            UnavailableError: pyserial or protobuf is missing.
            DeviceNotFoundError: No such port; the hint lists those there are.
            DeviceBusyError: Another program holds the port.
            DeviceTimeoutError: Nothing answers on it.
            DeviceError: Something else answers, or the port may not be opened.
            ProtocolVersionError: The firmware speaks another version.
            ConfigError: The board has no such stream.
        """
        self.close()
        link = acquire(self._target, clock, self._settings)
        with contextlib.ExitStack() as undo:
            undo.callback(release, link)
            board = link.wait_up()
            stream = _choose(board, self._wanted)
            self._intake = _Intake(link, stream)
            undo.pop_all()
        units = set(stream.units)
        return StreamInfo(
            kind="physio",
            rate_hz=stream.rate_hz,
            channels=stream.channels,
            unit=units.pop() if len(units) == 1 else _FALLBACK_UNIT,
            device=f"{board.name} on {self._target}, firmware {board.firmware}",
        )

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next samples, as the board sent them.

        Raises:
            DeviceTimeoutError: Nothing came within ``timeout_s``.
            DeviceLostError: The board is gone or restarted.
            ClosedError: The driver is closed.
        """
        intake = self._intake
        if intake is None:
            raise ClosedError(f"{self._target} is not open")
        return intake.take(timeout_s)

    def close(self) -> None:
        """Ask for no more samples, and release the port unless a sink uses it."""
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.close()
            release(intake.link)

    @property
    def dropped(self) -> int:
        """Samples that the board's numbers say are missing."""
        return self._intake.dropped if self._intake else 0

    @classmethod
    def devices(cls) -> list[DeviceEntry]:
        """List the USB serial ports; whether a board is behind one, ``edge-emo bridge ping`` says.

        A port is named by its serial number where it has one, which does not move.
        """
        if not vendor.installed("serial"):
            return []
        return [
            DeviceEntry("physio", f"bridge:{_stable(entry.path, entry.serial)}", entry.description)
            for entry in list_ports()
            if "ACM" in entry.path or "USB" in entry.path
        ]


class _Intake:
    """Takes one stream from the link's thread to the thread that reads."""

    def __init__(self, link: Link, stream: SensorStream) -> None:
        self.link = link
        self.dropped = 0
        self._stream = stream
        self._scale = np.array(stream.scales, dtype=np.float32)
        self._offset = np.array(stream.offsets, dtype=np.float32)
        self._box: queue.Queue[Chunk | LinkChange | None] = queue.Queue(_CAPACITY)
        self._start: int | None = None
        self._next = 0
        self._floor_ns = 0
        self._forget: Callable[[], None] = link.listen(self._put)
        link.activate(stream.id, on=True)

    def close(self) -> None:
        self._forget()
        self._put_newest(None)
        self.link.activate(self._stream.id, on=False)

    def take(self, timeout_s: float) -> Chunk:
        try:
            item = self._box.get(timeout=timeout_s) if timeout_s > 0 else self._box.get_nowait()
        except queue.Empty:
            raise DeviceTimeoutError(
                f"{self.link.target}: no samples within {timeout_s} s"
            ) from None
        if isinstance(item, LinkChange):
            raise DeviceLostError(item.reason, hint="check its cable and its power")
        if item is None:
            raise ClosedError(f"{self.link.target} was closed")
        return item

    def _put(self, event: Event) -> None:
        if isinstance(event, SampleBlock) and self._is_next(event):
            self._put_newest(self._chunk(event))
        elif isinstance(event, LinkChange) and not event.up:
            self._put_newest(event)

    def _put_newest(self, item: Chunk | LinkChange | None) -> None:
        """Drop the oldest item of a full queue, as when a board floods; ``seq`` shows the loss."""
        while True:
            with contextlib.suppress(queue.Full):
                self._box.put_nowait(item)
                return
            with contextlib.suppress(queue.Empty):
                self._box.get_nowait()

    def _is_next(self, block: SampleBlock) -> bool:
        """Refuse the samples of other streams, broken rows, and samples that came before."""
        if block.stream != self._stream.id or not block.counts:
            return False
        if len(block.counts) % len(self._stream.channels):
            return False
        return self._start is None or self._ahead(block) < _NUMBERS // 2

    def _ahead(self, block: SampleBlock) -> int:
        """Return how many samples are missing before a block; over 2³¹ where it is an old one."""
        return (block.first - self._next) % _NUMBERS

    def _chunk(self, block: SampleBlock) -> Chunk:
        if self._start is None:
            self._start = self._next = block.first
        counts = np.array(block.counts, dtype=np.float32).reshape(-1, len(self._scale))
        missing = self._ahead(block)
        first = self._next + missing
        self.dropped += missing
        self._next = first + len(counts)
        self._floor_ns = max(self._floor_ns, block.t_ns)
        return Chunk(
            "physio",
            first - self._start,
            self._floor_ns,
            self._stream.rate_hz,
            counts * self._scale + self._offset,
        )


def _choose(board: Board, wanted: str) -> SensorStream:
    usable = [s for s in board.streams if s.channels and s.rate_hz > 0]
    for stream in usable:
        if wanted in (str(stream.id), stream.kind) or (not wanted and stream.kind != "eeg"):
            return stream
    listed = ", ".join(f"{s.id} ({s.kind}: {' '.join(s.channels)})" for s in usable)
    lacks = f"has no stream {wanted!r}" if wanted else "measures nothing"
    hint = f"its streams: {listed}" if listed else "flash a firmware that announces streams"
    raise (ConfigError if wanted else DeviceError)(f"{board.name} {lacks}", hint=hint)


def _stable(path: str, serial: str) -> str:
    return f"usb:{serial}" if serial else path
