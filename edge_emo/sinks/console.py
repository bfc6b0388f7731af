"""A live table for people: one block that is redrawn on a terminal, one line a state elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from edge_emo.clock import Clock
from edge_emo.say import say
from edge_emo.sinks.base import Sink
from edge_emo.sinks.textfile import begin_line
from edge_emo.types import Affect, EmotionState, Prediction, StreamHealth, StreamInfo

_BAR = 20
_UNKNOWN_WIDTH = 200
"""No terminal, or one behind a serial line, which says 0."""
_POOR = 0.75
"""A channel of lower quality is shown by its name."""


class ConsoleSink(Sink):
    """Prints states on stdout.

    Args:
        target: Not used; the address is ``console:``.
        table: Redraw a table; None decides by whether stdout is a terminal.
    """

    prints = True

    def __init__(self, target: str = "", *, table: bool | None = None) -> None:
        del target
        self._out: TextIO = sys.stdout
        self._table = self._out.isatty() if table is None else table
        self._height = 0

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Say on stderr what the session reads."""
        begin_line(self._out)
        for name, info in streams.items():
            rate = f", {info.rate_hz:g} Hz" if info.rate_hz else ""
            say(f"{name}: {info.device}{rate}")

    def state(self, state: EmotionState) -> None:
        """Print one state."""
        lines = table_lines(state) if self._table else [one_line(state)]
        if self._table and self._height:
            self._out.write(f"\x1b[{self._height}A")
        ending = "\x1b[K\n" if self._table else "\n"
        self._out.write("".join(line + ending for line in lines))
        self._out.flush()
        self._height = len(lines)

    def event(self, event: Mapping[str, Any]) -> None:
        """Print what happened to a stream or a modality on stderr."""
        reason = f": {event['reason']}" if event.get("reason") else ""
        self._height = 0
        what = event.get("stream") or event["modality"]
        say(f"{what} is {event['event']}{reason}")

    def close(self) -> None:
        """Flush."""
        self._out.flush()


def one_line(state: EmotionState) -> str:
    """Return the state as one line of text."""
    parts = [f"{state.t_ns / 1e9:7.2f} s", f"expressed {_side(state.expressed)}"]
    parts.append(f"felt {_side(state.felt)}")
    if state.divergence is not None:
        parts.append(f"divergence {state.divergence:.2f}")
    parts += [_vote(prediction) for prediction in state.by_modality.values()]
    if state.reason:
        parts.append(f"no estimate ({state.reason})")
    parts.append(f"{state.latency_ns / 1e6:.0f} ms")
    return " | ".join(parts)


def table_lines(state: EmotionState) -> list[str]:
    """Return the state as the lines of a table."""
    lines = [f"{state.t_ns / 1e9:8.1f} s   estimate, latency {state.latency_ns / 1e6:.0f} ms"]
    lines += [f"  expressed  {_side(state.expressed)}", f"  felt       {_side(state.felt)}"]
    affect = state.affect
    if affect is not None:
        lines += [_bar(name, p) for name, p in affect.posterior.items()]
    lines += [f"  {_vote(prediction)}" for prediction in state.by_modality.values()]
    lines += [f"  {_condition(health)}" for health in state.health.values()]
    return [line[: _width()] for line in lines]


def _side(affect: Affect | None) -> str:
    if affect is None:
        return "unknown"
    numbers = [("v", affect.valence), ("a", affect.arousal)]
    words = [f"{name} {value:+.2f}" for name, value in numbers if value is not None]
    return " ".join([f"{affect.label} {affect.confidence:.2f}", *words])


def _vote(prediction: Prediction) -> str:
    poor = [f"{name} {q:.2f}" for name, q in prediction.channels.items() if q < _POOR]
    channels = f", poor: {' '.join(poor)}" if poor else ""
    if prediction.posterior is None:
        return f"{prediction.modality}: {prediction.abstained}{channels}"
    posterior = prediction.posterior
    return (
        f"{prediction.modality}: {posterior.label} {posterior.confidence:.2f} "
        f"(quality {prediction.quality:.2f}{channels})"
    )


def _condition(health: StreamHealth) -> str:
    state = "ok" if health.ok else health.reason
    return f"{health.stream}: {state}, {health.rate_hz:.1f} Hz, {health.drops} dropped"


def _bar(name: str, probability: float) -> str:
    filled = round(probability * _BAR)
    return f"    {name:<10} {'█' * filled}{'·' * (_BAR - filled)} {probability:.2f}"


def _width() -> int:
    try:
        columns = os.get_terminal_size().columns
    except OSError:
        columns = 0
    return columns or _UNKNOWN_WIDTH
