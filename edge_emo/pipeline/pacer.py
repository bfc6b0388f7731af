"""Decides when a state is made: as soon as fresh evidence is there, at a steady rate."""

from __future__ import annotations


class Pacer:
    """Ticks on a fixed grid of originating times.

    After a tick, the first fresh evidence makes a state at once, so that its latency is only
    the work done on it. When none comes for half a period, a state is made without.

    Args:
        rate_hz: States per second.
        start_ns: The first tick.
    """

    def __init__(self, rate_hz: float, start_ns: int = 0) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._next_ns = start_ns

    @property
    def deadline_ns(self) -> int:
        """When a state is made even without fresh evidence."""
        return self._next_ns + self._period_ns // 2

    def due(self, t_ns: int) -> bool:
        """Tell whether evidence at ``t_ns`` makes a state."""
        return t_ns >= self._next_ns

    def made(self, t_ns: int) -> None:
        """Note that a state was made at ``t_ns``; the next tick is the grid point after it."""
        late = max(t_ns - self._next_ns, 0)
        self._next_ns += self._period_ns * (late // self._period_ns + 1)
