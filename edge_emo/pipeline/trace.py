"""Where the time goes: wall and processor time of each stage, for ``edge-emo bench``."""

from __future__ import annotations

import time
from collections import defaultdict

Mark = tuple[int, int]
"""Wall and thread time at the start of a stage, in nanoseconds."""

_NOTHING: Mark = (0, 0)


class Trace:
    """Records nothing; what the engine holds unless somebody measures."""

    def start(self) -> Mark:
        """Begin a stage."""
        return _NOTHING

    def stop(self, name: str, mark: Mark) -> None:
        """End the stage that began at ``mark``, as one run of stage ``name``."""

    def note(self, name: str, ns: int) -> None:
        """Record a duration that was measured elsewhere, in nanoseconds."""


class Measurements(Trace):
    """Keeps every duration in memory.

    Attributes:
        wall_ns: Durations by stage.
        cpu_ns: Processor time of the engine thread by stage, summed.
    """

    def __init__(self) -> None:
        self.wall_ns: dict[str, list[int]] = defaultdict(list)
        self.cpu_ns: dict[str, int] = defaultdict(int)

    def start(self) -> Mark:
        """Read both clocks."""
        return time.perf_counter_ns(), time.thread_time_ns()

    def stop(self, name: str, mark: Mark) -> None:
        """Record wall and thread time since ``mark``."""
        self.cpu_ns[name] += time.thread_time_ns() - mark[1]
        self.wall_ns[name].append(time.perf_counter_ns() - mark[0])

    def note(self, name: str, ns: int) -> None:
        """Record one duration."""
        self.wall_ns[name].append(ns)
