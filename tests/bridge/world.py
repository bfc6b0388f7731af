"""A host session and a device on a simulated line, in simulated time: no port, no thread."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

from bridge.c_library import CDevice, Library

from edge_emo.bridge.device import Identity, SoftwareDevice
from edge_emo.bridge.host import HostSession
from edge_emo.bridge.messages import Event, SensorStream
from edge_emo.types import CATEGORIES, Affect, EmotionState, Posterior

STREAM = SensorStream(0, "pulse", 100.0, ("bvp", "eda"), ("", "uS"), (1.0, 1.0), (0.0, 0.0))
TICK_NS = 10_000_000
Delay = Callable[[], int]
Garble = Callable[[bytes], bytes]


def a_state(seq: int, t_ns: int = 0) -> EmotionState:
    shares = tuple(0.7 if name == "happiness" else 0.05 for name in CATEGORIES)
    affect = Affect(Posterior(CATEGORIES, shares), "happiness", 0.7, 0.5, 0.25, None, 0.5, 0)
    return EmotionState(t_ns, seq, 0, affect, None, None)


class Device(Protocol):
    """What the line ends in."""

    def exchange(self, data: bytes, now_us: int) -> bytes: ...

    def samples(self, stream: int, first: int, t_us: int, counts: list[int]) -> bool: ...

    def written(self) -> bytes: ...


class PythonDevice:
    """The software device behind the same calls as the C one."""

    def __init__(self) -> None:
        self.states: list[int] = []
        self.core = SoftwareDevice(
            Identity("a board", "2.1", "S1", (STREAM,)), lambda s: self.states.append(s.number)
        )

    def exchange(self, data: bytes, now_us: int) -> bytes:
        self.core.receive(data, now_us)
        self.core.poll(now_us)
        return self.core.take_output()

    def samples(self, stream: int, first: int, t_us: int, counts: list[int]) -> bool:
        return self.core.samples(stream, first, t_us, counts)

    def written(self) -> bytes:
        return self.core.take_output()


class World:
    """Two ends and a line between them.

    Args:
        device: The far end; None for a port on which nothing answers.
        delay: How long bytes travel, ns; asked for each piece, in either direction.
        ppm: How much faster the device's clock runs.

    Attributes:
        to_device: What the line does to bytes on the way to the device.
        to_host: And on the way back.
    """

    def __init__(
        self, device: Device | None, *, delay: Delay = lambda: 200_000, ppm: float = 0.0
    ) -> None:
        self.now_ns = 0
        self.device = device
        self.events: list[Event] = []
        self.to_device: Garble = lambda data: data
        self.to_host: Garble = lambda data: data
        self.host = HostSession("a port", 77, 0)
        self._delay = delay
        self._rate = 1.0 + ppm * 1e-6
        self._line: list[tuple[int, int, bool, bytes]] = []
        self._order = itertools.count()
        self._last = {True: 0, False: 0}
        self._tick_ns = 0

    def device_us(self, now_ns: int) -> int:
        """Return the device's clock at a session time."""
        return int(now_ns * self._rate) // 1000 + 5_000_000

    def run(self, seconds: float) -> list[Event]:
        """Let time pass; return what the host told meanwhile."""
        begin = len(self.events)
        end_ns = self.now_ns + round(seconds * 1e9)
        while self._tick_ns <= end_ns:
            while self._line and self._line[0][0] <= self._tick_ns:
                self._deliver(*heapq.heappop(self._line))
            self.now_ns = self._tick_ns
            self.events += self.host.poll(self.now_ns)
            self._send(True, self.host.take_output())
            self._serve_device(b"")
            self._tick_ns += TICK_NS
        self.now_ns = end_ns
        return self.events[begin:]

    def offer(self, state: EmotionState) -> None:
        self.host.offer(state, self.now_ns)
        self._send(True, self.host.take_output())

    def measure(self, first: int, t_ns: int, counts: list[int]) -> None:
        """Let the device send samples that it took at a session time."""
        assert self.device is not None
        self.device.samples(0, first, self.device_us(t_ns), counts)
        self._send(False, self.device.written())

    def replace_device(self, device: Device) -> None:
        """Restart the board."""
        self.device = device

    def _deliver(self, t_ns: int, _: int, is_to_device: bool, data: bytes) -> None:
        self.now_ns = t_ns
        if is_to_device:
            self._serve_device(data)
        else:
            self.events += self.host.receive(data, t_ns)
            self._send(True, self.host.take_output())

    def _serve_device(self, data: bytes) -> None:
        if self.device is not None:
            answer = self.device.exchange(data, self.device_us(self.now_ns))
            self._send(False, answer)

    def _send(self, is_to_device: bool, data: bytes) -> None:
        data = (self.to_device if is_to_device else self.to_host)(data)
        if not data:
            return
        arrival_ns = max(self.now_ns + self._delay(), self._last[is_to_device])
        self._last[is_to_device] = arrival_ns  # a line keeps the order
        heapq.heappush(self._line, (arrival_ns, next(self._order), is_to_device, data))


def make_device(kind: str, library: Library) -> Device:
    return CDevice(library, streams=1) if kind == "c" else PythonDevice()
