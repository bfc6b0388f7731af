"""What must not be read for a while: a robot's own voice, a face that did not agree."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError, RecordingError
from edge_emo.types import MODALITIES, Chunk, Modality, Utterance, Word

MUTED, UNMUTED = "muted", "unmuted"
"""The events of a recording."""

REPEAT_NS = 500_000_000
"""A muted stream says so at its first sample and then this often."""


@dataclass(slots=True)
class _Span:
    reason: str
    begin_ns: int
    end_ns: int | None = None

    def holds(self, t_ns: int, end_ns: int) -> bool:
        """Tell whether anything from ``t_ns`` to ``end_ns`` lies in it."""
        return end_ns >= self.begin_ns and (self.end_ns is None or t_ns <= self.end_ns)


class Mutes:
    """Spans of session time in which modalities are not read; safe from every thread.

    What counts is when something happened, not when it is served: what was said before a mute
    and still waits in a queue is read, what was said during one is not.

    Args:
        clock: The session clock.
        events: Of a recorded session; its mutes hold again.

    Raises:
        RecordingError: An event is damaged.
    """

    _KEPT = 64  # spans of a modality: more than a queue can hold

    def __init__(self, clock: Clock, events: Iterable[Mapping[str, Any]] = ()) -> None:
        self._clock = clock
        self._lock = threading.RLock()  # a signal handler may mute inside a call
        self._spans: _Spans = {}
        self._recorded: _Spans = {}  # apart: each list is in order, and no span overlaps another
        for event in events:
            if event.get("event") in (MUTED, UNMUTED):
                self._restore(event)

    def mute(self, modality: Modality, reason: str) -> dict[str, Any] | None:
        """Begin a span now; a modality that is muted already begins another with the new reason.

        Returns:
            The event to record; None when nothing has changed.

        Raises:
            ConfigError: No such modality, or no reason.
        """
        _check(modality)
        if not reason.strip():
            raise ConfigError("a mute needs a reason", hint="mute('voice', 'the robot speaks')")
        with self._lock:
            now_ns = self._clock.now_ns()
            if not _begin(self._spans, modality, reason, now_ns):
                return None
            del self._spans[modality][: -self._KEPT]
        return {"t_ns": now_ns, "modality": modality, "event": MUTED, "reason": reason}

    def unmute(self, modality: Modality) -> dict[str, Any] | None:
        """End the span now; nothing happens when the modality is not muted.

        Returns:
            The event to record; None when nothing has changed.

        Raises:
            ConfigError: No such modality.
        """
        _check(modality)
        with self._lock:
            now_ns = self._clock.now_ns()
            ended = _end(self._spans, modality, now_ns)
        return {"t_ns": now_ns, "modality": modality, "event": UNMUTED} if ended else None

    def reason(self, modality: Modality, t_ns: int, end_ns: int) -> str | None:
        """Return why what happened from ``t_ns`` to ``end_ns`` is not read, or None."""
        with self._lock:
            for spans in (self._spans, self._recorded):
                span = _last_begun(spans.get(modality, []), end_ns)
                if span is not None and span.holds(t_ns, end_ns):
                    return span.reason
        return None

    def _restore(self, event: Mapping[str, Any]) -> None:
        modality, t_ns = event.get("modality"), event.get("t_ns")
        if modality not in MODALITIES or not isinstance(t_ns, int):
            raise RecordingError(f"a recorded mute is damaged: {dict(event)}")
        if event["event"] == MUTED:
            _begin(self._recorded, modality, str(event.get("reason", "")), t_ns)
        else:
            _end(self._recorded, modality, t_ns)


_Spans = dict[Modality, list[_Span]]


def _begin(known: _Spans, modality: Modality, reason: str, t_ns: int) -> bool:
    spans = known.setdefault(modality, [])
    if spans and spans[-1].end_ns is None and spans[-1].reason == reason:
        return False
    _end(known, modality, t_ns)
    spans.append(_Span(reason, t_ns))
    return True


def _end(known: _Spans, modality: Modality, t_ns: int) -> bool:
    spans = known.get(modality)
    if not spans or spans[-1].end_ns is not None:
        return False
    spans[-1].end_ns = t_ns
    return True


def _last_begun(spans: list[_Span], t_ns: int) -> _Span | None:
    begun = bisect_right(spans, t_ns, key=lambda span: span.begin_ns)
    return spans[begun - 1] if begun else None


def blank(chunk: Chunk) -> Chunk:
    """Return a chunk of the same place, size and type without what it tells: zeros, no words."""
    if not isinstance(chunk.data, str):
        return replace(chunk, data=np.zeros_like(chunk.data))
    words = chunk.utterance.words if chunk.utterance else ()
    times = Utterance(words=tuple(Word("", word.start_ns, word.end_ns) for word in words))
    return replace(chunk, data="", utterance=times if words else None)


def _check(modality: str) -> None:
    if modality not in MODALITIES:
        raise ConfigError(
            f"no modality {modality!r} to mute", hint=f"one of: {', '.join(MODALITIES)}"
        )
