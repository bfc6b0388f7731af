"""An OpenBCI Cyton and its dongle, emulated on a pseudo-terminal.

It speaks the protocol of firmware v3.1 and sends packets only when told to, so that nothing
depends on time. The serial port that programs open is a link that stays the same when the
dongle is unplugged and plugged in again.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from pathlib import Path

import numpy as np
import numpy.typing as npt

BANNER = (
    b"OpenBCI V3 8-16 channel\n"
    b"On Board ADS1299 Device ID: 0x3E\n"
    b"LIS3DH Device ID: 0x33\n"
    b"Firmware: v3.1.2\n"
)
NO_BOARD = b"Failure: Communications timeout - Device failed to poll Host$$$"


def packet(number: int, counts: npt.ArrayLike, tail: int = 0xC0) -> bytes:
    """Return one packet of 33 bytes; ``counts`` are eight signed 24-bit numbers."""
    channels = b"".join(int(c).to_bytes(3, "big", signed=True) for c in np.ravel(counts))
    return bytes([0xA0, number % 256]) + channels + bytes(6) + bytes([tail])


class CytonBoard:
    """One board.

    Args:
        folder: Where the link to the serial port is made.
        burst: Samples that the board sends by itself as soon as it streams: a ramp, in which
            channel c of sample i has the count ``100 * i + c``.
        daisy: A Daisy module is attached.

    Attributes:
        powered: False when only the dongle has power.
        silent: True when nothing answers at all.
        impostor: What another device on this port answers to everything.
        number: Number of the next packet.
        commands: Commands received so far.
        gain_codes: Gain of each channel, as the digit of its last command.
        streaming: Set while the board streams.
        stopped: Set once it was told to stop.
    """

    def __init__(self, folder: Path, *, burst: int = 0, daisy: bool = False) -> None:
        self.path = folder / "ttyCyton"
        self.burst = burst
        self.daisy = daisy
        self.powered = True
        self.silent = False
        self.impostor = b""
        self.number = 0
        self.commands: list[bytes] = []
        self.gain_codes = [6] * 8
        self.streaming = threading.Event()
        self.stopped = threading.Event()
        self._master = -1
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> CytonBoard:
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def plug(self) -> None:
        """Attach the dongle: the serial port appears."""
        self._master, port = os.openpty()
        tty.setraw(port)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(port))
        self._port = port
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve, args=(self._master,), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Tear the dongle out: reads of the port fail with EIO, and its name is gone."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join(5.0)
        self._thread = None
        self.path.unlink(missing_ok=True)
        self.streaming.clear()
        os.close(self._port)
        os.close(self._master)

    def send(self, counts: npt.NDArray[np.int64], *, drop: int = 0) -> None:
        """Send one packet a row, shape (n, 8), after ``drop`` packets that the radio lost."""
        self.number += drop
        data = b"".join(packet(self.number + i, row) for i, row in enumerate(counts))
        self.number += len(counts)
        self.write(data)

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        while data:
            data = data[os.write(self._master, data) :]

    def ramp(self, count: int) -> npt.NDArray[np.int64]:
        """Return counts, shape (n, 8), that tell which sample and channel they are."""
        return 100 * np.arange(count)[:, None] + np.arange(8)

    def _serve(self, master: int) -> None:
        command = b""
        while not self._stop.is_set():
            if not select.select([master], [], [], 0.01)[0]:
                continue
            with contextlib.suppress(OSError):  # nobody has the port open
                for byte in os.read(master, 4096):
                    command = self._next(command + bytes([byte]))

    def _next(self, command: bytes) -> bytes:
        """Answer a complete command; return what is still incomplete."""
        if command[:1] == b"x" and command[-1:] != b"X":
            return command
        self.commands.append(command)
        if self.silent:
            return b""
        if self.impostor:
            self.write(self.impostor)
            return b""
        if self.powered:
            self._answer(command)
        elif command not in b"sb":
            self.write(NO_BOARD)
        return b""

    def _answer(self, command: bytes) -> None:
        if command == b"s":
            self.streaming.clear()
            self.stopped.set()
        elif command == b"b":
            self._start()
        elif command == b"v":
            self._reset()
        elif command == b"d":
            self.gain_codes = [6] * 8
            self.write(b"updating channel settings to default$$$")
        elif command == b"c":
            self.daisy = False
            self.write(b"daisy removed$$$")
        elif command[:1] == b"x":
            self._set_channel(command)

    def _start(self) -> None:
        self.number = 0
        self.stopped.clear()
        self.streaming.set()
        if self.burst:
            self.send(self.ramp(self.burst))

    def _reset(self) -> None:
        self.streaming.clear()
        self.gain_codes = [6] * 8
        daisy = b"On Daisy ADS1299 Device ID: 0x3E\n" if self.daisy else b""
        self.write(BANNER.replace(b"LIS3DH", daisy + b"LIS3DH") + b"$$$")

    def _set_channel(self, command: bytes) -> None:
        if len(command) != 9 or not command[1:8].isdigit():
            self.write(b"Failure: too few chars$$$")
            return
        channel = int(command[1:2])
        self.gain_codes[channel - 1] = int(command[3:4])
        self.write(b"Success: Channel set for %d$$$" % channel)
