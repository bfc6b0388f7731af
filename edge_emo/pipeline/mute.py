"""What must not be read for a while: a robot's own voice, a face that did not agree."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError
from edge_emo.types import MODALITIES, Modality

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
    """

    _KEPT = 64  # spans of a modality: more than a queue can hold

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spans: dict[Modality, list[_Span]] = {}

    def mute(self, modality: Modality, reason: str) -> None:
        """Begin a span now; a modality that is muted already gets the new reason.

        Raises:
            ConfigError: No such modality, or no reason.
        """
        _check(modality)
        if not reason.strip():
            raise ConfigError("a mute needs a reason", hint="mute('voice', 'the robot speaks')")
        with self._lock:
            spans = self._spans.setdefault(modality, [])
            if spans and spans[-1].end_ns is None:
                spans[-1].reason = reason
            else:
                spans.append(_Span(reason, self._clock.now_ns()))
                del spans[: -self._KEPT]

    def unmute(self, modality: Modality) -> None:
        """End the span now; nothing happens when the modality is not muted.

        Raises:
            ConfigError: No such modality.
        """
        _check(modality)
        with self._lock:
            spans = self._spans.get(modality)
            if spans and spans[-1].end_ns is None:
                spans[-1].end_ns = self._clock.now_ns()

    def reason(self, modality: Modality, t_ns: int, end_ns: int) -> str | None:
        """Return why what happened from ``t_ns`` to ``end_ns`` is not read, or None."""
        with self._lock:
            spans = self._spans.get(modality, ())
            return next((s.reason for s in reversed(spans) if s.holds(t_ns, end_ns)), None)


def _check(modality: str) -> None:
    if modality not in MODALITIES:
        raise ConfigError(
            f"no modality {modality!r} to mute", hint=f"one of: {', '.join(MODALITIES)}"
        )
