"""JSON lines: one state a line, every field of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TextIO

from edge_emo.clock import Clock
from edge_emo.recording.values import state_to_json
from edge_emo.sinks.base import Sink
from edge_emo.sinks.textfile import close_text, open_text
from edge_emo.types import EmotionState, StreamInfo


class JsonLinesSink(Sink):
    """Writes states as JSON lines.

    Args:
        target: Path of a file that does not exist yet, or ``-`` for stdout.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._file: TextIO | None = None

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Create the file.

        Raises:
            ConfigError: The file exists or cannot be created.
        """
        self._file = open_text(self._target)

    def state(self, state: EmotionState) -> None:
        """Write one line and flush it, so that a reader at the other end sees it at once."""
        if self._file is not None:
            self._file.write(json.dumps(state_to_json(state)) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        close_text(self._file)
        self._file = None
