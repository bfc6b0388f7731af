"""Decides when a state is made: as soon as fresh evidence is there, at a steady rate."""

from __future__ import annotations

_EARLY = 0.25
"""Evidence may come this share of a period early: frames have a beat of their own."""
_PATIENCE = 0.5
"""A state without evidence is made this share of a period late."""


class Pacer:
    """Keeps pace with the evidence, and makes states without any when none comes.

    One period after a state, the first fresh evidence makes the next one at once, so that its
    latency is only the work done on it. When none comes for another half period, a state is
    made without. Evidence just after such a state sets the pace anew; evidence that is rarer
    than states makes one at once. Over time there are at most ``rate_hz`` states per second.

    Args:
        rate_hz: States per second.
        start_ns: When the first state may be made.
    """

    def __init__(self, rate_hz: float, start_ns: int = 0) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._next_ns = start_ns
        self._starved = 0

    @property
    def deadline_ns(self) -> int:
        """When a state is made even without fresh evidence."""
        return self._next_ns + round(self._period_ns * _PATIENCE)

    def evidence(self, t_ns: int) -> bool:
        """Take note of fresh evidence at ``t_ns``; True when a state is due for it."""
        rare = self._starved > 1
        due = t_ns >= self._next_ns - round(self._period_ns * (_PATIENCE if rare else _EARLY))
        if due:
            on_pace_ns = self._next_ns + self._period_ns
            self._next_ns = max(on_pace_ns, t_ns + round(self._period_ns * (1 - _EARLY)))
        elif self._starved:
            self._next_ns = t_ns + self._period_ns
        self._starved = 0
        return due

    def starved(self, t_ns: int) -> None:
        """Note that a state was made at ``t_ns`` for want of evidence."""
        late_ns = max(t_ns - self.deadline_ns, 0)
        self._next_ns += self._period_ns * (late_ns // self._period_ns + 1)
        self._starved += 1
