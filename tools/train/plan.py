"""How far a training run has come: in steps, or in seconds that become a number of steps."""

from __future__ import annotations

import math
import time

_TIMED_STEPS = (15, 40)
"""Steps that warm up, and the step at which a budget becomes a number of steps."""
_LOGGED = 12


class Plan:
    """Counts the steps of one run.

    Args:
        steps: Number of steps; 0 lets ``seconds`` decide.
        seconds: Wall-clock budget when ``steps`` is 0. After the first steps, their time tells
            how many more fit; the clock still ends a run that slows down.
    """

    def __init__(self, steps: int, seconds: float) -> None:
        self._fixed = steps > 0
        self._steps = steps
        self._seconds = seconds
        self._began = self._warm = time.monotonic()
        self.step = 0

    def elapsed_s(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._began

    def share(self) -> float:
        """Return how much of the run is done, 0 … 1."""
        known = self.step / self._steps if self._steps else 0.0
        return known if self._fixed else max(known, min(1.0, self.elapsed_s() / self._seconds))

    def factor(self, rise: float) -> float:
        """Return the share of the highest learning rate: a straight rise, then half a cosine."""
        share = self.share()
        return min(share / rise + 0.01, 0.5 + 0.5 * math.cos(math.pi * share))

    def advance(self) -> bool:
        """Count a step; tell whether figures are due."""
        self.step += 1
        warm, timed = _TIMED_STEPS
        if self.step == warm:
            self._warm = time.monotonic()
        if self.step == timed and not self._steps:
            each_s = (time.monotonic() - self._warm) / (timed - warm)
            left_s = 0.97 * self._seconds - self.elapsed_s()
            self._steps = timed + max(0, int(left_s / each_s))
        every = max(1, self._steps // _LOGGED) if self._steps else 0
        return bool(every) and (self.step % every == 0 or self.share() >= 1.0)
