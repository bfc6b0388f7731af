"""Reading a session folder, one item at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from edge_emo.errors import RecordingError
from edge_emo.recording.files import TruncatedError, damage
from edge_emo.recording.formats.csv import read_csv
from edge_emo.recording.formats.jsonl import read_objects, read_text
from edge_emo.recording.formats.mjpeg import read_mjpeg
from edge_emo.recording.formats.wav import read_wav
from edge_emo.recording.header import Header, read_header
from edge_emo.recording.values import prediction_from_json, state_from_json
from edge_emo.types import Chunk, EmotionState, Kind, Prediction, StreamInfo

_log = logging.getLogger(__name__)

T = TypeVar("T")

_READERS: Mapping[Kind, Callable[[Path, str, StreamInfo], Iterator[Chunk]]] = {
    "camera": read_mjpeg,
    "microphone": read_wav,
    "eeg": read_csv,
    "physio": read_csv,
    "text": read_text,
}


class Recording:
    """A recorded session. Every iterator reads from the disk as it goes.

    What a crash cut off at the end of a file is left out and named in :attr:`damage`. Other
    damage raises where it is met, after everything before it was given.

    Args:
        folder: The session folder.
        repair: End at damage rather than raise; :attr:`damage` tells of it.

    Attributes:
        folder: The session folder.
        header: What ``session.json`` says.
        damage: What the iterators met so far, in words.

    Raises:
        RecordingError: The folder is no session, or a newer version wrote it.
    """

    def __init__(self, folder: str | Path, *, repair: bool = False) -> None:
        self.folder = Path(folder)
        self.header: Header = read_header(self.folder)
        self.damage: list[str] = []
        self._repair = repair

    @property
    def streams(self) -> Mapping[str, StreamInfo]:
        """The session's streams by name."""
        return self.header.streams

    @property
    def raw_kinds(self) -> tuple[Kind, ...]:
        """Kinds of streams whose raw data was kept."""
        return tuple(info.kind for info in self.streams.values()) if self.header.raw else ()

    def info(self, kind: Kind) -> StreamInfo:
        """Return the stream of a kind as it was opened when recorded.

        Raises:
            RecordingError: The session has none.
        """
        return self._named(kind)[1]

    def chunks(self, kind: Kind) -> Iterator[Chunk]:
        """Yield the chunks of a stream with their own numbers and times.

        Raises:
            RecordingError: The session has no such stream, or has it without raw data; later,
                a damaged file.
        """
        name, info = self._named(kind)
        if not self.header.raw:
            raise RecordingError(
                f"{self.folder} holds no raw data",
                hint="record with: edge-emo record --raw",
            )
        return self._guarded(_READERS[kind](self.folder, name, info))

    def predictions(self) -> Iterator[Prediction]:
        """Yield the predictions in the order in which they were made."""
        return self._guarded(self._values("predictions.jsonl", prediction_from_json))

    def states(self) -> Iterator[EmotionState]:
        """Yield the states in order."""
        return self._guarded(self._values("states.jsonl", state_from_json))

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield what happened to the session."""
        return self._guarded(self._values("events.jsonl", dict))

    def _named(self, kind: Kind) -> tuple[str, StreamInfo]:
        for name, info in self.streams.items():
            if info.kind == kind:
                return name, info
        recorded = ", ".join(info.kind for info in self.streams.values()) or "none"
        raise RecordingError(f"{self.folder} has no {kind}", hint=f"its streams: {recorded}")

    def _values(self, name: str, convert: Callable[[dict[str, Any]], T]) -> Iterator[T]:
        path = self.folder / name
        for number, value in read_objects(path):
            try:
                converted = convert(value)
            except RecordingError as error:
                raise damage(path, number, str(error)) from error
            yield converted

    def _guarded(self, items: Iterator[T]) -> Iterator[T]:
        try:
            yield from items
        except RecordingError as error:
            crashed = isinstance(error, TruncatedError) and not self.header.closed
            if not (crashed or self._repair):
                raise
            _log.warning("%s; what came before is read", error)
            self.damage.append(str(error))
