"""Reads that wait in a thread of their own."""

from __future__ import annotations

import queue
import threading

from edge_emo.clock import ManualClock
from edge_emo.drivers.base import Driver
from edge_emo.errors import EdgeEmoError


class AskedClock(ManualClock):
    """A clock that tells until when somebody waits."""

    def __init__(self, start_ns: int = 0) -> None:
        super().__init__(start_ns)
        self.asked_ns: queue.Queue[int] = queue.Queue()

    def wait_until_ns(self, t_ns: int, stop: threading.Event) -> bool:
        self.asked_ns.put(t_ns)
        return super().wait_until_ns(t_ns, stop)


def end_of_read(driver: Driver) -> EdgeEmoError:
    """Close an open driver while another thread reads, and return what that read ended with."""
    errors: list[EdgeEmoError] = []
    started = threading.Event()

    def read() -> None:
        started.set()
        try:
            while True:
                driver.read(60.0)
        except EdgeEmoError as error:
            errors.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    started.wait(10.0)
    driver.close()
    reader.join(10.0)
    assert len(errors) == 1
    return errors[0]
