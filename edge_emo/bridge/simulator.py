"""A software device on a pseudo-terminal: a board for people who have none.

It measures a made-up pulse and skin conductance, and logs the light that it would show.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

from edge_emo.bridge.device import Identity, SoftwareDevice
from edge_emo.bridge.messages import SensorStream
from edge_emo.bridge.schema import WireMessage
from edge_emo.errors import ConfigError

RATE_HZ = 100.0
STREAMS = (
    SensorStream(
        id=0,
        kind="body",
        rate_hz=RATE_HZ,
        channels=("bvp", "eda"),
        units=("", "uS"),
        scales=(1.0, 0.001),
        offsets=(0.0, 0.0),
    ),
)
"""What the software device measures: blood volume pulse in counts, skin conductance in µS."""

_CHUNK = 10
_HEART_HZ = 1.2
_SLICE_S = 0.005


def measure(number: int) -> tuple[int, int]:
    """Return the counts of pulse and skin of a sample."""
    t_s = number / RATE_HZ
    phase = t_s * _HEART_HZ % 1.0
    pulse = 1000.0 * math.exp(-((phase - 0.2) ** 2) / 0.008)
    echo = 350.0 * math.exp(-((phase - 0.55) ** 2) / 0.01)
    skin = 4000.0 + 600.0 * math.sin(2 * math.pi * t_s / 20.0)
    return round(pulse + echo), round(skin)


class Simulator:
    """A board on a pseudo-terminal.

    Args:
        link: Where a link to the port is made, so that its name stays; may be None.
        clock_ppm: How much faster its clock runs.
        on_state: Called with each State message.
    """

    def __init__(
        self,
        link: Path | None = None,
        *,
        clock_ppm: float = 0.0,
        on_state: Callable[[WireMessage], None] = lambda state: None,
    ) -> None:
        self.device = SoftwareDevice(Identity(streams=STREAMS), self._show)
        self._on_state = on_state
        self._link = link
        self._rate = 1.0 + clock_ppm * 1e-6
        self._started_ns = time.monotonic_ns()
        self._sent = 0
        self._last = 0
        self._master = -1
        self._slave = -1
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.path = ""

    def plug(self) -> str:
        """Attach the board; return the path of its port.

        Raises:
            ConfigError: The link cannot be made, or something else lies there.
        """
        if self._link is not None and self._link.exists() and not self._link.is_symlink():
            raise ConfigError(f"{self._link} is not a link", hint="choose a path that is free")
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        if self._link is not None:
            self._make_link(self._link)
        self.device = SoftwareDevice(Identity(streams=STREAMS), self._show)
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        return self.path

    def unplug(self) -> None:
        """Tear the board out; idempotent."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join(5.0)
        self._thread = None
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)

    def wait(self) -> None:
        """Wait until it is unplugged."""
        self._stop.wait()

    def __enter__(self) -> Simulator:
        """Attach the board."""
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        """Tear it out."""
        self.unplug()

    def _make_link(self, link: Path) -> None:
        try:
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)
        except OSError as error:
            os.close(self._slave)
            os.close(self._master)
            raise ConfigError(
                f"no link can be made at {link}: {error.strerror}",
                hint="choose a path in a folder that exists and can be written",
            ) from error
        self.path = str(link)

    def _show(self, state: WireMessage) -> None:
        self._on_state(state)
        self.device.log(light(state))

    def _run(self) -> None:
        while not self._stop.is_set():
            data = b""
            if select.select([self._master], [], [], _SLICE_S)[0]:
                with contextlib.suppress(OSError):  # nobody has the port open
                    data = os.read(self._master, 4096)
            self.device.receive(data, self._now_us())
            self.device.poll(self._now_us())
            self._measure()
            self._flush()

    def _now_us(self) -> int:
        return int((time.monotonic_ns() - self._started_ns) * self._rate) // 1000

    def _measure(self) -> None:
        taken = int(self._now_us() * RATE_HZ / 1e6)
        while taken - self._sent >= _CHUNK:
            first = self._sent
            counts = [count for i in range(_CHUNK) for count in measure(first + i)]
            self.device.samples(0, first, round(first * 1e6 / RATE_HZ), counts)
            self._sent = first + _CHUNK

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: a UART loses bytes, too
            os.write(self._master, self.device.take_output())


def light(state: WireMessage) -> str:
    """Return what the emotion light shows: hue by valence, brightness by arousal, in words.

    Unknown is a dim white, which no known state shows.
    """
    affect = state.expressed if state.HasField("expressed") else state.felt
    if not (affect.HasField("valence") and affect.HasField("arousal")):
        return "light white 30"
    hue = (affect.valence + 1000) * 120 // 2000
    brightness = 55 + (affect.arousal + 1000) * 200 // 2000
    return f"light hue {hue} brightness {brightness}"
