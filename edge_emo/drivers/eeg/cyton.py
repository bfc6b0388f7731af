"""OpenBCI Cyton over its USB dongle: ``cyton:/dev/ttyUSB0``, in Python and pyserial alone.

Protocol: https://docs.openbci.com/Cyton/CytonDataFormat/ and …/CytonSDK/. The dongle is an FTDI
serial port at 115200 baud; the board sends 250 packets of 33 bytes a second::

    0xA0, number (wraps at 256), 8 × 24-bit big-endian count, 6 auxiliary bytes, 0xC0 … 0xCF
"""

from __future__ import annotations

import re
import termios
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo import vendor
from edge_emo.bridge.port import list_ports, open_serial
from edge_emo.clock import Clock
from edge_emo.drivers.base import DeviceEntry, Driver
from edge_emo.drivers.eeg.chunker import Chunker
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
)
from edge_emo.types import Chunk, StreamInfo

RATE_HZ = 250
PACKET_BYTES = 33
DEFAULT_GAIN = 24
GAIN_CODES = {1: 0, 2: 1, 4: 2, 6: 3, 8: 4, 12: 5, 24: 6}
"""Gains of the board's amplifier (ADS1299), and the digit that sets each."""

_REFERENCE_V = 4.5
_BAUD = 115_200
_USB_IDS = {(0x0403, 0x6015)}
_HEAD = b"\xa0"
_TAIL = 0xC0
_PROMPT = b"$$$"
_BLOCK = 10
_SLICE_S = 0.05
_PERIOD_NS = 1_000_000_000 // RATE_HZ


class CytonEeg(Driver):
    """Reads the 8 channels of a Cyton; those of a Daisy module are not read.

    Args:
        target: Serial port of the dongle.
        gain: Amplification of every channel: 1, 2, 4, 6, 8, 12 or 24.
        channels: Comma-separated 10-20 names of the first channels; fewer than 8 leave the
            rest unread.
        timeout_s: How long the board may take to answer a command.
        lost_after_s: A board that sends no sample for so long is lost.
    """

    kind = "eeg"

    def __init__(
        self,
        target: str = "/dev/ttyUSB0",
        *,
        gain: int = DEFAULT_GAIN,
        channels: str = "Fp1,Fp2,C3,C4,P7,P8,O1,O2",
        timeout_s: float = 3.0,
        lost_after_s: float = 2.0,
    ) -> None:
        if gain not in GAIN_CODES:
            raise ConfigError(f"gain = {gain}: the Cyton has {', '.join(map(str, GAIN_CODES))}")
        self._path = target or "/dev/ttyUSB0"
        self._gain = gain
        self._channels = _parse_channels(channels)
        self._timeout_s = timeout_s
        self._lost_after_s = lost_after_s
        self._port: Any = None
        self._io = threading.Lock()
        self._ready: deque[Chunk] = deque()
        self._chunker = Chunker(RATE_HZ, _BLOCK)

    def open(self, clock: Clock) -> StreamInfo:
        """Open the port, reset the board, set the gain and start the stream.

        Raises:
            UnavailableError: pyserial is missing.
            DeviceNotFoundError: No such port; the hint lists those there are.
            DeviceBusyError: Another program holds the port.
            DeviceTimeoutError: The board is silent, or out of the dongle's reach.
            DeviceError: Something else answers, or the port may not be opened.
        """
        self.close()
        port = open_serial(self._path, _BAUD, _SLICE_S)
        with ExitStack() as undo:
            undo.callback(port.close)
            firmware = self._start(port, clock)
            undo.pop_all()
        self._port = port
        return StreamInfo(
            kind="eeg",
            rate_hz=float(RATE_HZ),
            channels=self._channels,
            unit="uv",
            device=f"OpenBCI Cyton on {self._path}, firmware {firmware}, gain {self._gain}",
        )

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next samples, up to 10 (40 ms) at a time.

        Raises:
            DeviceTimeoutError: No whole packet came within ``timeout_s``.
            DeviceLostError: The port vanished, or the board fell silent.
            ClosedError: The driver is closed.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            remaining_s = deadline_s - time.monotonic()
            self._receive(remaining_s > 0)
            if self._ready:
                return self._ready.popleft()
            if remaining_s <= 0:
                raise DeviceTimeoutError(f"{self._path}: no packet within {timeout_s} s")

    def close(self) -> None:
        """Stop the stream and release the port; a read that waits ends with ClosedError."""
        with self._io:
            port, self._port = self._port, None
            if port is None:
                return
            with suppress(OSError):  # a board that is gone needs no stop
                port.write(b"s")
            port.close()

    @property
    def dropped(self) -> int:
        """Samples missing by the board's packet numbers since ``open``."""
        return self._chunker.dropped

    @classmethod
    def devices(cls) -> list[DeviceEntry]:
        """List serial ports with the USB id of the OpenBCI dongle."""
        if not vendor.installed("serial"):
            return []
        return [
            DeviceEntry("eeg", f"cyton:{port.path}", f"OpenBCI dongle ({port.description})")
            for port in list_ports()
            if port.usb_id in _USB_IDS
        ]

    def _start(self, port: Any, clock: Clock) -> str:
        """Set the board up and start its stream; return its firmware's version."""
        try:
            firmware = _Console(port, self._path, self._timeout_s).set_up(self._gain)
            self._begin(clock)
            port.write(b"b")
        except DeviceError:
            raise
        except OSError as error:
            raise self._gone(error) from error
        except termios.error as error:  # which is no OSError
            raise self._gone(OSError(*error.args)) from error
        return firmware

    def _begin(self, clock: Clock) -> None:
        self._clock = clock
        self._parser = PacketParser()
        self._chunker = Chunker(RATE_HZ, _BLOCK)
        self._ready.clear()
        self._heard_ns = clock.now_ns()

    def _receive(self, wait: bool) -> None:
        """Move what has arrived into ``_ready``; waits one slice for a block when asked to."""
        with self._io:
            if self._port is None:
                raise ClosedError(f"the Cyton on {self._path} is not open")
            if self._ready:
                return
            try:
                data = _read_all(self._port, self._parser.missing_bytes if wait else 0)
            except OSError as error:
                raise self._gone(error) from error
        self._take(self._parser.feed(data), self._clock.now_ns())

    def _take(self, packets: npt.NDArray[np.uint8], arrival_ns: int) -> None:
        if not len(packets):
            self._check_alive(arrival_ns)
            return
        self._heard_ns = arrival_ns
        data = to_microvolts(packets, self._gain)[:, : len(self._channels)]
        stamps_ns = np.full(len(packets), arrival_ns - _PERIOD_NS)
        self._ready.extend(self._chunker.cut(data, stamps_ns, packets[:, 1].astype(np.int64)))

    def _gone(self, error: OSError) -> DeviceLostError:
        return DeviceLostError(
            f"the Cyton's dongle on {self._path} is gone: {error}", hint="plug it in again"
        )

    def _check_alive(self, now_ns: int) -> None:
        if now_ns - self._heard_ns > self._lost_after_s * 1e9:
            raise DeviceLostError(
                f"the Cyton on {self._path} sent nothing for {self._lost_after_s} s",
                hint="check its battery and its distance from the dongle",
            )


class PacketParser:
    """Finds packets in a stream of bytes, and finds them again after garbage."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._in_step = False

    @property
    def missing_bytes(self) -> int:
        """Bytes to wait for until a full block is there."""
        return max(1, PACKET_BYTES * _BLOCK - len(self._pending))

    def feed(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Add bytes; return every whole packet, shape (n, 33) uint8."""
        self._pending += data
        found = []
        while self._in_step or self._seek():
            rows = _rows(self._pending)
            good = _leading_packets(rows)
            found.append(rows[:good])
            del self._pending[: good * PACKET_BYTES]
            self._in_step = good == len(rows)
            if self._in_step:
                break
        return np.concatenate(found) if found else np.empty((0, PACKET_BYTES), dtype=np.uint8)

    def _seek(self) -> bool:
        """Skip to two packets in a row with consecutive numbers; one could be chance."""
        pending = bytes(self._pending)
        start = pending.find(_HEAD)
        while start >= 0 and start + 2 * PACKET_BYTES <= len(pending):
            rows = _rows(pending[start : start + 2 * PACKET_BYTES])
            if _leading_packets(rows) == 2 and (int(rows[1, 1]) - int(rows[0, 1])) % 256 == 1:
                break
            start = pending.find(_HEAD, start + 1)
        del self._pending[: start if start >= 0 else len(pending)]
        return start >= 0 and len(self._pending) >= 2 * PACKET_BYTES


def to_microvolts(packets: npt.NDArray[np.uint8], gain: int) -> npt.NDArray[np.float32]:
    """Decode the eight 24-bit two's complement counts of each packet.

    One count is 4.5 V / gain / (2²³ − 1) (ADS1299 data sheet, SBAS499).

    Args:
        packets: Shape (n, 33).
        gain: Amplification that the board is set to.

    Returns:
        Shape (n, 8) in µV.
    """
    triples = packets[:, 2:26].reshape(-1, 8, 3).astype(np.int32)
    counts = (triples[..., 0] << 24 | triples[..., 1] << 16 | triples[..., 2] << 8) >> 8
    return (counts * (_REFERENCE_V * 1e6 / gain / (2**23 - 1))).astype(np.float32)


def _rows(data: bytes | bytearray) -> npt.NDArray[np.uint8]:
    whole = len(data) // PACKET_BYTES * PACKET_BYTES
    return np.frombuffer(bytes(data[:whole]), dtype=np.uint8).reshape(-1, PACKET_BYTES)


def _leading_packets(rows: npt.NDArray[np.uint8]) -> int:
    good = (rows[:, 0] == _HEAD[0]) & (rows[:, -1] & 0xF0 == _TAIL)
    return len(rows) if good.all() else int(good.argmin())


class _Console:
    """The board's text commands, each answered with a line that ends in ``$$$``."""

    def __init__(self, port: Any, path: str, timeout_s: float) -> None:
        self._port = port
        self._path = path
        self._timeout_s = timeout_s

    def set_up(self, gain: int) -> str:
        """Reset the board, set every channel's gain, and return the firmware's version."""
        self._port.write(b"s")
        self._port.reset_input_buffer()
        banner = self._ask(b"v", b"OpenBCI")
        if b"Daisy" in banner:
            self._ask(b"c")  # eight channels at 250 Hz, as without the Daisy
        self._ask(b"d")
        if gain != DEFAULT_GAIN:
            for channel in b"12345678":
                self._ask(b"x%c0%d0110X" % (channel, GAIN_CODES[gain]), b"Success")
        version = re.search(rb"Firmware: (v?[\w.]+)", banner)
        return version[1].decode() if version else "unknown"

    def _ask(self, command: bytes, expected: bytes = b"") -> bytes:
        """Send a command and return the answer that holds ``expected``."""
        self._port.write(command)
        answer = b""
        deadline_s = time.monotonic() + self._timeout_s
        while not (answer.endswith(_PROMPT) and expected in answer):
            if b"Failure" in answer and answer.endswith(_PROMPT):
                raise self._refused(command, answer)
            if time.monotonic() > deadline_s:
                raise self._unanswered(command, answer)
            answer += self._port.read(max(1, self._port.in_waiting))
        return answer

    def _refused(self, command: bytes, answer: bytes) -> DeviceError:
        if b"timeout" in answer:
            return DeviceTimeoutError(
                f"the dongle on {self._path} answers, the Cyton does not",
                hint="switch the board to PC and the dongle to GPIO 6; check battery and channel",
            )
        return DeviceError(f"the Cyton on {self._path} refused {command!r}: {answer!r}")

    def _unanswered(self, command: bytes, answer: bytes) -> DeviceError:
        if answer:
            return DeviceError(
                f"what is on {self._path} is no Cyton: it answered {command!r} by {answer[:60]!r}",
                hint="list the ports: edge-emo devices",
            )
        return DeviceTimeoutError(
            f"nothing on {self._path} answered {command!r} within {self._timeout_s} s",
            hint="switch the board to PC and the dongle to GPIO 6; check battery and port",
        )


def _read_all(port: Any, missing_bytes: int) -> bytes:
    """Wait one slice at most for ``missing_bytes``, then take all that has arrived."""
    data: bytes = port.read(missing_bytes) if missing_bytes else b""
    data += port.read(port.in_waiting)
    return data


def _parse_channels(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or not 1 <= len(names) <= 8 or len(set(names)) < len(names):
        raise ConfigError(f"channels = {text!r}: give 1 to 8 different names, as in Fp1,Fp2,C3")
    return names
