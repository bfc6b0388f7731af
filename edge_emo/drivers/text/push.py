"""Text that the program itself hands over, such as what a speech recogniser understood."""

from __future__ import annotations

import threading
from collections import deque
from typing import ClassVar

from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.text.lines import clean
from edge_emo.errors import ClosedError, ConfigError, DeviceTimeoutError
from edge_emo.types import Chunk, Kind, StreamInfo, Utterance

_AHEAD_NS = 60_000_000_000


class PushedText(Driver):
    """Delivers what :meth:`push` is given, in order: ``push:``.

    When more lines wait than ``capacity``, the oldest is dropped and counted.

    Args:
        target: Nothing.
        capacity: How many lines wait at most.

    Raises:
        ConfigError: There is a target, or ``capacity`` is below 1.
    """

    kind: ClassVar[Kind] = "text"

    def __init__(self, target: str = "", *, capacity: int = 64) -> None:
        if target:
            raise ConfigError(f"push:{target} points at something", hint="write push:")
        if capacity < 1:
            raise ConfigError(f"push:?capacity = {capacity} is below 1")
        self._capacity = capacity
        self._changed = threading.Condition()
        self._clock: Clock | None = None
        self._waiting: deque[Chunk] = deque()
        self._dropped = 0

    def open(self, clock: Clock) -> StreamInfo:
        """Begin to accept text; see :meth:`Driver.open`."""
        with self._changed:
            self._clock = clock
            self._waiting.clear()
            self._seq = self._dropped = 0
            self._newest_ns = -(1 << 62)
        return StreamInfo("text", 0.0, (), "text", "text from the program")

    def push(self, text: str, t_ns: int | None = None, utterance: Utterance | None = None) -> None:
        """Hand over one line, from any thread. Text without a visible character is ignored.

        Args:
            text: What was said or written.
            t_ns: When, on the session clock; when left out, when its first word began, else now.
            utterance: Who said it, and when each word was said.

        Raises:
            ClosedError: The stream is not open.
            ConfigError: The line was said before the one pushed last: what counts is when its
                last word ended, or ``t_ns`` without word times. Or its time is more than a
                minute ahead, as one of another clock is.
        """
        line, known = clean(text), utterance or Utterance()
        with self._changed:
            if self._clock is None:
                raise ClosedError("push: is not open", hint="push text while the pipeline runs")
            if line:
                begin_ns = known.words[0].start_ns if known.words and t_ns is None else t_ns
                stamp_ns = self._stamp(self._clock, begin_ns)
                chunk = Chunk("text", self._seq, stamp_ns, 0.0, line, utterance)
                self._check_time(chunk, self._clock.now_ns())
                self._append(chunk)

    def read(self, timeout_s: float) -> Chunk:
        """Return the next line; see :meth:`Driver.read`."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._clock is None, timeout_s)
            if self._clock is None:
                raise ClosedError("push: is not open")
            if not self._waiting:
                raise DeviceTimeoutError(f"no text was pushed within {timeout_s:g} s")
            return self._waiting.popleft()

    def close(self) -> None:
        """Accept no more text; a waiting ``read`` ends with ClosedError."""
        with self._changed:
            self._clock = None
            self._changed.notify_all()

    @property
    def dropped(self) -> int:
        """Lines dropped since ``open`` because nobody read them."""
        return self._dropped

    def _stamp(self, clock: Clock, t_ns: int | None) -> int:
        return max(clock.now_ns(), self._newest_ns) if t_ns is None else t_ns

    def _check_time(self, chunk: Chunk, now_ns: int) -> None:
        if chunk.end_ns > now_ns + _AHEAD_NS:
            raise ConfigError(
                f"text pushed for {chunk.end_ns} ns is far ahead of the session, at {now_ns} ns",
                hint="give times of the session clock: pipeline.clock.now_ns()",
            )
        if chunk.end_ns < self._newest_ns:
            raise ConfigError(
                f"text pushed for {chunk.end_ns} ns comes after text for {self._newest_ns} ns",
                hint="push text in the order in which it was said",
            )

    def _append(self, chunk: Chunk) -> None:
        if len(self._waiting) == self._capacity:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(chunk)
        self._newest_ns = chunk.end_ns
        self._seq += 1
        self._changed.notify_all()
