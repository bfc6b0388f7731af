"""How far a training run has come, in steps or in seconds."""

from __future__ import annotations

import math
import time

_LOGGED = 12
"""Validations of a run."""


class Plan:
    """Counts the steps of one run.

    Args:
        steps: Number of steps; 0 lets ``seconds`` decide.
        seconds: Wall-clock budget when ``steps`` is 0. Then learning rate and end follow the
            clock, and the number of steps is known afterwards.
    """

    def __init__(self, steps: int, seconds: float) -> None:
        self._steps = steps
        self._seconds = seconds
        self._began = time.monotonic()
        self._told = 0
        self.step = 0

    def elapsed_s(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._began

    def share(self) -> float:
        """Return how much of the run is done, 0 … 1."""
        if self._steps:
            return self.step / self._steps
        return min(1.0, self.elapsed_s() / self._seconds)

    def factor(self, rise: float) -> float:
        """Return the share of the highest learning rate: a straight rise, then half a cosine."""
        share = self.share()
        return min(share / rise + 0.01, 0.5 + 0.5 * math.cos(math.pi * share))

    def advance(self) -> bool:
        """Count a step; tell whether figures are due."""
        self.step += 1
        reached = int(self.share() * _LOGGED)
        due, self._told = reached > self._told, reached
        return due
