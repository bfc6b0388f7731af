"""One clock per session, injected into everything that needs the time.

Session time is an integer number of nanoseconds that begins near 0 when the session opens.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """The session's time."""

    def now_ns(self) -> int:
        """Return nanoseconds since the session began."""

    def wait_until_ns(self, t_ns: int, stop: threading.Event) -> bool:
        """Wait until ``t_ns`` or until ``stop`` is set; return False when it was ``stop``."""


class MonotonicClock:
    """Live time: the system's monotonic clock, shifted so that the session begins at 0."""

    def __init__(self) -> None:
        self._epoch_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """Return nanoseconds since this clock was made."""
        return time.monotonic_ns() - self._epoch_ns

    def wait_until_ns(self, t_ns: int, stop: threading.Event) -> bool:
        """Wait in real time until ``t_ns``; return False at once when ``stop`` is set."""
        remaining_ns = t_ns - self.now_ns()
        if remaining_ns <= 0:
            return not stop.is_set()
        return not stop.wait(remaining_ns / 1e9)


class ManualClock:
    """Time that stands still until a test advances it. Waiting threads wake when it passes."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._changed = threading.Condition()

    def now_ns(self) -> int:
        """Return the time last set."""
        return self._now_ns

    def advance_to(self, t_ns: int) -> None:
        """Move to ``t_ns`` unless time is there or later; time never runs backwards."""
        with self._changed:
            self._now_ns = max(self._now_ns, t_ns)
            self._changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self.advance_to(self._now_ns + round(seconds * 1e9))

    def wait_until_ns(self, t_ns: int, stop: threading.Event) -> bool:
        """Wait until somebody advances the clock to ``t_ns``; False when ``stop`` is set."""
        with self._changed:
            while self._now_ns < t_ns and not stop.is_set():
                self._changed.wait(0.02)
        return not stop.is_set()


class ReplayClock(ManualClock):
    """Time taken from the recording: the engine moves it to each originating time.

    No driver waits on it, so a replay runs as fast as the machine allows and no result depends
    on how fast that is. With ``speed`` above 0 the engine waits for :meth:`due` before it moves
    the clock; results are the same.

    Args:
        speed: Session seconds in a second of real time; 0 never waits.
        wall: Real time; the system's when None.
    """

    def __init__(self, speed: float = 0.0, wall: Clock | None = None) -> None:
        super().__init__()
        self._speed = speed
        self._wall = wall or MonotonicClock()
        self._begun_ns: int | None = None

    def wait_until_ns(self, t_ns: int, stop: threading.Event) -> bool:
        """Return at once; False when ``stop`` is set."""
        return not stop.is_set()

    def due(self, t_ns: int, stop: threading.Event) -> bool:
        """Wait until ``t_ns`` is due in real time, or for nothing when no speed was given.

        Real time counts from the first call, however long before the clock was made: models
        that take long to load put off a replay, and leave nothing of it out.

        Returns:
            False at once when ``stop`` is set.
        """
        if self._speed <= 0:
            return not stop.is_set()
        if self._begun_ns is None:
            self._begun_ns = self._wall.now_ns()
        return self._wall.wait_until_ns(self._begun_ns + round(t_ns / self._speed), stop)
