"""The recorder: a session folder that can be replayed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_emo.clock import Clock
from edge_emo.recording import Writer
from edge_emo.sinks.base import Sink
from edge_emo.types import Chunk, EmotionState, Prediction, StreamInfo


class RecordSink(Sink):
    """Writes a session folder.

    Args:
        target: A folder that does not exist yet, or is empty.
        raw: Keep pictures, sound, signals and words too. Without it, only predictions,
            states and events are kept, and a replay fuses the predictions again.
        consent: Who agreed to be recorded, in words; kept in the header.
    """

    wants_all = True

    def __init__(self, target: str, *, raw: bool = False, consent: str = "") -> None:
        self._target = target
        self._raw = raw
        self._consent = consent
        self._writer: Writer | None = None

    def unwritten(self) -> int:
        """Return how many items are in the recorder's queue."""
        return 0 if self._writer is None else self._writer.waiting

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Create the folder.

        Raises:
            RecordingError: The folder is not empty, or cannot be written.
        """
        self._writer = Writer(
            self._target,
            streams,
            clock,
            raw=self._raw,
            consent=self._consent,
            waits=self.lossless,
        )
        self._writer.open()

    def state(self, state: EmotionState) -> None:
        """Record a state."""
        self._open_writer.state(state)

    def stream(self, name: str, info: StreamInfo) -> None:
        """Record a stream that was opened after the session began."""
        self._open_writer.stream(name, info)

    def chunk(self, chunk: Chunk) -> None:
        """Record a chunk, when raw data is kept."""
        self._open_writer.chunk(chunk)

    def prediction(self, prediction: Prediction) -> None:
        """Record a prediction."""
        self._open_writer.prediction(prediction)

    def event(self, event: Mapping[str, Any]) -> None:
        """Record what happened to the session."""
        self._open_writer.event(event)

    def close(self) -> None:
        """Complete the files."""
        if self._writer is not None:
            self._writer.close()

    def discard(self) -> None:
        """Remove the folder, or what was written into it."""
        if self._writer is not None:
            self._writer.discard()

    @property
    def _open_writer(self) -> Writer:
        assert self._writer is not None, "the recorder is not open"
        return self._writer
