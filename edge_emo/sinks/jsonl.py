"""JSON lines: one state a line, every field of it."""

from __future__ import annotations

import json

from edge_emo.recording.values import state_to_json
from edge_emo.sinks.textfile import TextSink
from edge_emo.types import EmotionState


class JsonLinesSink(TextSink):
    """Writes states as JSON lines.

    Args:
        target: Path of a file that does not exist yet, or ``-`` for stdout.
    """

    def state(self, state: EmotionState) -> None:
        """Write one line."""
        self.write(json.dumps(state_to_json(state)) + "\n")
