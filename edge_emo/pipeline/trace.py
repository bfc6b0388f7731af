"""Where the time goes: wall and processor time of each stage, for ``edge-emo bench``."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Trace:
    """Records nothing; what the engine holds unless somebody measures."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block as one run of stage ``name``."""
        yield

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

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure wall and thread time of the block."""
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        yield
        self.wall_ns[name].append(time.perf_counter_ns() - wall)
        self.cpu_ns[name] += time.thread_time_ns() - cpu

    def note(self, name: str, ns: int) -> None:
        """Record one duration."""
        self.wall_ns[name].append(ns)
