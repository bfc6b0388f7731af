"""A robot's microcontroller slows down when arousal rises, and when it knows nothing.

The board decides by itself: it gets the state, and a state that is older than half a second counts
as unknown. Here arousal rises and falls by itself, so that no camera is needed. Without ``--port``
a simulated board answers. ``make -C firmware_bridge/examples/mps2-an385 run`` serves an emulated
one on ``socket://127.0.0.1:7777``, whose firmware logs its speed limit.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import queue
import threading
from collections.abc import Iterator

from edge_emo import CATEGORIES, Affect, EmotionState
from edge_emo.bridge.link import acquire, release
from edge_emo.bridge.messages import BoardText, Event
from edge_emo.bridge.simulator import Simulator
from edge_emo.clock import MonotonicClock
from edge_emo.types import Posterior

PERIOD_S = 0.25


def excited(seq: int, t_ns: int) -> EmotionState:
    """Return a state whose arousal rises and falls between −1 and +1."""
    arousal = round(math.sin(seq * 0.6), 2)
    even = Posterior(CATEGORIES, tuple(1 / len(CATEGORIES) for _ in CATEGORIES))
    affect = Affect(even, "neutral", 1 / len(CATEGORIES), 0.0, arousal, None, 0.0, 0)
    return EmotionState(t_ns, seq, 0, affect, None, None)


@contextlib.contextmanager
def a_port(port: str | None) -> Iterator[str]:
    """Yield the port, or that of a simulated board."""
    if port:
        yield port
        return
    with Simulator() as board:
        yield board.path


def main() -> None:
    """Send states until the time is over; print what the board makes of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", help="/dev/ttyACM0, usb:SERIAL or socket://127.0.0.1:7777")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()

    clock, said, stop = MonotonicClock(), queue.Queue[Event](), threading.Event()
    with a_port(options.port) as port:
        link = acquire(port, clock)
        try:
            print(link.wait_up().name)
            link.listen(said.put)
            begin_ns = clock.now_ns()
            for seq in range(int(options.seconds / PERIOD_S)):
                clock.wait_until_ns(begin_ns + round(seq * PERIOD_S * 1e9), stop)
                state = excited(seq, clock.now_ns())
                link.offer(state)
                print_answer(state, said)
        finally:
            release(link)


def print_answer(state: EmotionState, said: queue.Queue[Event]) -> None:
    """Print the line that the board logs when its speed limit changes."""
    newest = None
    with contextlib.suppress(queue.Empty):
        while True:
            event = said.get(timeout=PERIOD_S / 2)
            newest = event.text if isinstance(event, BoardText) else newest
    if newest:
        unit = " mm/s" if "speed" in newest else ""
        print(f"arousal {state.arousal:+.2f}  {newest}{unit}", flush=True)


if __name__ == "__main__":
    main()
