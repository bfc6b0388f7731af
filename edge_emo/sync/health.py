"""The condition of one stream: alive, at its rate, valid, and why not."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.types import Chunk, Kind, StreamHealth, StreamInfo

_SECOND_NS = 1_000_000_000
_RATE_SPAN_NS = 5 * _SECOND_NS
_RATE_STEP_NS = _RATE_SPAN_NS // 50
_RATE_KNOWN_NS = _SECOND_NS
_LOOK_EVERY_NS = _SECOND_NS // 10
"""Flat channels are looked for this often; samples that are not finite, in every chunk."""

_FLAT_LIMIT_S: dict[Kind, float] = {"eeg": 3.0, "physio": 10.0, "microphone": 3.0}
"""A channel that keeps one value for longer is flat; skin conductance may rest for a while."""


class HealthTracker:
    """Follows one stream; used by one thread.

    Samples cost one pass for the smallest and the largest value; frames are not looked at.

    Args:
        stream: Name of the stream.
        info: The stream as its driver opened it.

    Attributes:
        drift_ppm: The clock fit's drift, set by whoever fits; reported as it is.
    """

    def __init__(self, stream: str, info: StreamInfo) -> None:
        self.drift_ppm = 0.0
        self._stream = stream
        self._info = info
        self._announced = 0
        self._missing = 0
        self._skipped = 0
        self._reconnects = 0
        self._lost = ""
        self._next_seq: int | None = None
        self._end_ns: int | None = None
        self._arrival_ns: int | None = None
        self._longest_ns = 0
        self._rate = _Rate()
        self._signal = _signal(info)

    def chunk(self, chunk: Chunk, now_ns: int) -> None:
        """Take note of a chunk that arrived at ``now_ns``."""
        n_samples, end_ns = chunk.n_samples, chunk.end_ns
        self._lost = ""
        self._arrival_ns = now_ns
        if self._next_seq is not None and chunk.seq > self._next_seq:
            self._missing += chunk.seq - self._next_seq
        self._next_seq = chunk.seq + n_samples
        self._end_ns = end_ns
        self._longest_ns = max(self._longest_ns, end_ns - chunk.t_ns)
        self._rate.add(self._next_seq, end_ns)
        if self._signal is not None and n_samples:
            self._signal.add(chunk, end_ns)

    def drop(self, n: int) -> None:
        """Count samples that somebody reports as lost.

        Loss that also shows as a jump of ``seq`` is not counted twice: the larger of both
        totals is published.
        """
        self._announced += n

    def skip(self, n: int) -> None:
        """Count samples that arrived and were left out."""
        self._skipped += n

    def lost(self, reason: str) -> None:
        """The device is gone, until the next chunk; ``reason`` in words."""
        self._lost = reason

    def reconnected(self, info: StreamInfo | None = None) -> None:
        """The device was opened again, as ``info`` says if that changed."""
        self._info = info or self._info
        self._reconnects += 1
        self._forget()

    def snapshot(self, now_ns: int) -> StreamHealth:
        """Return the condition at ``now_ns``."""
        dead = self._lost or self._silence(now_ns)
        slow = "" if dead else self._rate.fault(self._info)
        bad = self._signal.fault() if self._signal is not None else ""
        return StreamHealth(
            stream=self._stream,
            alive=not dead,
            rate_ok=not (dead or slow),
            valid=not bad,
            age_ns=None if self._end_ns is None else max(0, now_ns - self._end_ns),
            rate_hz=self._rate.measured_hz,
            drops=max(self._missing, self._announced) + self._skipped,
            drift_ppm=self.drift_ppm,
            reconnects=self._reconnects,
            reason="; ".join(part for part in (dead, slow, bad) if part),
        )

    def _forget(self) -> None:
        """Begin again: numbers and levels before a reconnection mean nothing."""
        self._lost = ""
        self._next_seq = self._end_ns = self._arrival_ns = None
        self._longest_ns = 0
        self._rate = _Rate()
        self._signal = _signal(self._info)

    def _silence(self, now_ns: int) -> str:
        """Why the stream counts as dead; lines of text come when they come."""
        if self._info.kind == "text":
            return ""
        if self._end_ns is None or self._arrival_ns is None:
            return "nothing has arrived yet"
        waited_ns = now_ns - max(self._end_ns, self._arrival_ns)
        if waited_ns <= max(_SECOND_NS, 5 * self._longest_ns):
            return ""
        return f"nothing has arrived for {waited_ns / 1e9:.1f} s"


def _signal(info: StreamInfo) -> _Signal | None:
    limit_s = _FLAT_LIMIT_S.get(info.kind)
    return None if limit_s is None else _Signal(info, limit_s)


Levels = npt.NDArray[Any]


class _Rate:
    """The rate of the sample numbers over the last seconds of originating time."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque()
        self._newest = (0, 0)

    def add(self, seq: int, t_ns: int) -> None:
        if self._marks and (seq < self._newest[0] or t_ns < self._newest[1]):
            self._marks.clear()
        self._newest = (seq, t_ns)
        if not self._marks or t_ns - self._marks[-1][1] >= _RATE_STEP_NS:
            self._marks.append(self._newest)
        while len(self._marks) > 2 and t_ns - self._marks[0][1] > _RATE_SPAN_NS:
            self._marks.popleft()

    @property
    def measured_hz(self) -> float:
        """Samples per second; 0.0 until they span a second."""
        if not self._marks:
            return 0.0
        span_ns = self._newest[1] - self._marks[0][1]
        if span_ns < _RATE_KNOWN_NS:
            return 0.0
        return (self._newest[0] - self._marks[0][0]) * 1e9 / span_ns

    def fault(self, info: StreamInfo) -> str:
        """Why the rate is not right; empty when it is, or cannot be told."""
        measured_hz = self.measured_hz
        if info.rate_hz <= 0 or measured_hz == 0.0:
            return ""
        tolerance = 0.05 if info.kind == "microphone" else 0.10
        if abs(measured_hz - info.rate_hz) <= tolerance * info.rate_hz:
            return ""
        return f"{measured_hz:.1f} Hz instead of {info.rate_hz:g} Hz"


class _Signal:
    """Which channels are not finite or do not change."""

    def __init__(self, info: StreamInfo, flat_limit_s: float) -> None:
        self._names = info.channels
        self._flat_limit_ns = round(flat_limit_s * 1e9)
        # A muted or gated microphone gives exact zeros; that is a quiet room, not a fault.
        self._zero_is_fine = info.kind == "microphone"
        self._end_ns = self._doubtful_ns = self._look_ns = 0
        self._doubtful = False
        self._level: npt.NDArray[Any] = np.full(len(info.channels), np.nan, np.float32)
        self._changed_ns = np.zeros(len(info.channels), np.int64)
        self._broken_ns = np.full(len(info.channels), np.iinfo(np.int64).min // 2, np.int64)

    def add(self, chunk: Chunk, end_ns: int) -> None:
        samples, self._end_ns = chunk.samples, end_ns
        if end_ns < self._look_ns and math.isfinite(np.add.reduce(samples, axis=None)):
            return
        self._look_ns = self._end_ns + _LOOK_EVERY_NS
        low, high = np.minimum.reduce(samples), np.maximum.reduce(samples)
        span = high - low
        if np.minimum.reduce(span) > 0.0 and np.maximum.reduce(span) < np.inf:
            self._changed_ns[:] = self._end_ns
            self._level = samples[-1].copy()
            return
        self._add_doubtful(chunk, low, high)

    def _add_doubtful(self, chunk: Chunk, low: Levels, high: Levels) -> None:
        """Some channel stands still or is not finite: look at each."""
        self._doubtful, self._doubtful_ns = True, self._end_ns
        still = low == high
        moved_ns = np.where(still, chunk.t_ns, chunk.end_ns)
        self._changed_ns = np.where(still & (low == self._level), self._changed_ns, moved_ns)
        self._broken_ns[~(np.isfinite(low) & np.isfinite(high))] = chunk.end_ns
        self._level = chunk.samples[-1].copy()

    def fault(self) -> str:
        """Why the samples are not valid; empty when they are."""
        if not self._doubtful or self._end_ns - self._doubtful_ns > _SECOND_NS:
            return ""
        broken = self._end_ns - self._broken_ns < _SECOND_NS
        flat = (self._end_ns - self._changed_ns > self._flat_limit_ns) & ~broken
        if self._zero_is_fine:
            flat &= self._level != 0
        parts = []
        if broken.any():
            parts.append(f"not a number: {self._listed(broken)}")
        if flat.any():
            parts.append(f"flat: {self._listed(flat)}")
        return "; ".join(parts)

    def _listed(self, which: npt.NDArray[Any]) -> str:
        names = [name for name, chosen in zip(self._names, which, strict=True) if chosen]
        return ", ".join(names)
