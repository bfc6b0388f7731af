"""Uses sink and driver on a USB serial port while the host pulls it out and puts it back.

The host reads along: it obeys the lines ``unplug`` and ``plug``, and ``done`` is the last one.
Run as: python3 usb.py ROUNDS SERIAL
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from edge_emo.bridge.link import acquire
from edge_emo.bridge.messages import Acknowledged, Event, LinkChange
from edge_emo.clock import Clock, MonotonicClock
from edge_emo.drivers.physio.bridge import BridgePhysio
from edge_emo.errors import DeviceError
from edge_emo.sinks.bridge import BridgeSink
from edge_emo.types import EmotionState

_STOP = threading.Event()
Heard = queue.Queue[Event]


def main(rounds: int, target: str) -> None:
    """Send states and read samples; say what happens while the port goes and comes."""
    _wait_until(lambda: bool(_ports()))
    clock, heard = MonotonicClock(), Heard()
    sink, driver = BridgeSink(target, timeout_s=20.0), BridgePhysio(target)
    sink.open({}, clock)
    _say("info:", driver.open(clock).device)
    acquire(target, clock).listen(heard.put)
    threading.Thread(target=_send_states, args=(sink, clock), daemon=True).start()
    for _ in range(rounds):
        _round(driver, clock, heard)
    _say("samples:", _samples(driver), "on", *_ports())
    _say("reconnects:", sink.status.reconnects)
    _say("done")


def _round(driver: BridgePhysio, clock: Clock, heard: Heard) -> None:
    _next(heard, lambda event: isinstance(event, Acknowledged))
    _say("samples:", _samples(driver), "on", *_ports())
    _say("unplug")
    _next(heard, lambda event: isinstance(event, LinkChange) and not event.up)
    _say("lost:", _error_of(driver))
    _wait_until(lambda: not _ports())
    _say("plug")
    _wait_until(lambda: bool(_ports()))
    back_ns = clock.now_ns()
    _next(heard, lambda event: isinstance(event, LinkChange) and event.up)
    _next(heard, lambda event: isinstance(event, Acknowledged))
    _say(f"states flow {(clock.now_ns() - back_ns) / 1e9:.2f} s after the port is back")
    driver.open(clock)


def _samples(driver: BridgePhysio) -> int:
    chunk = driver.read(5.0)
    return chunk.n_samples if chunk else 0


def _error_of(driver: BridgePhysio) -> str:
    while True:
        try:
            driver.read(1.0)
        except DeviceError as error:
            return f"{type(error).__name__} {error}"


def _send_states(sink: BridgeSink, clock: Clock) -> None:
    seq = 0
    while not _STOP.wait(0.05):
        sink.state(EmotionState(clock.now_ns(), seq, 0, None, None, None))
        seq += 1


def _next(heard: Heard, wanted: Callable[[Event], bool]) -> None:
    while not wanted(heard.get(timeout=60)):
        pass


def _wait_until(there: Callable[[], bool]) -> None:
    while not there():
        _STOP.wait(0.005)


def _ports() -> list[str]:
    return sorted(str(path) for path in Path("/dev").glob("ttyUSB*"))


def _say(*words: object) -> None:
    print(*words, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), f"usb:{sys.argv[2]}")
