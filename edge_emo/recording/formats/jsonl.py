"""One JSON object per line: text, predictions, states and events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_emo.recording.files import ContentError, DurableFile, damage, lines
from edge_emo.recording.values import utterance_from_json, utterance_to_json
from edge_emo.types import Chunk, StreamInfo


class JsonLinesWriter:
    """Writes objects to one file.

    Args:
        path: A new file.

    Raises:
        RecordingError: The file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.file = DurableFile(path)

    def add(self, value: Mapping[str, Any]) -> None:
        """Append one object.

        Raises:
            ContentError: It is no JSON value.
            RecordingError: The disk is full.
        """
        self.file.append(dump_line(value).encode())


class TextWriter:
    """Writes ``<kind>.jsonl``: t_ns, seq and text of each line, and its utterance where known.

    Args:
        folder: The session folder.
        info: The stream.

    Raises:
        RecordingError: The file cannot be created.
    """

    def __init__(self, folder: Path, info: StreamInfo) -> None:
        self._lines = JsonLinesWriter(folder / f"{info.kind}.jsonl")
        self.files = (self._lines.file,)

    def write(self, chunk: Chunk) -> None:
        """Append one line of text.

        Raises:
            RecordingError: The disk is full.
        """
        line: dict[str, Any] = {"t_ns": chunk.t_ns, "seq": chunk.seq, "text": chunk.text}
        if chunk.utterance is not None:
            line["utterance"] = utterance_to_json(chunk.utterance)
        self._lines.add(line)

    def finish(self) -> None:
        """Do nothing: the file is complete at every moment."""


def dump_line(value: Mapping[str, Any]) -> str:
    """Return an object as one line with its end; numbers read back exactly.

    Raises:
        ContentError: Something in it is no JSON value, such as NaN.
    """
    try:
        return json.dumps(value, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ContentError(f"cannot be written as JSON: {error}: {value!r}") from error


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the object of each line.

    Raises:
        TruncatedError: The last line is cut, or the file is missing.
        RecordingError: A line is no JSON object.
    """
    for number, line in lines(path):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise damage(path, number, f"no JSON: {error}") from None
        if not isinstance(value, dict):
            raise damage(path, number, "no JSON object")
        yield number, value


def read_text(folder: Path, stream: str, info: StreamInfo) -> Iterator[Chunk]:
    """Yield the lines of text as they were written.

    Raises:
        TruncatedError: The last line is cut, or the file is missing.
        RecordingError: The file is damaged.
    """
    path = folder / f"{info.kind}.jsonl"
    for number, value in read_objects(path):
        t_ns, seq, text = value.get("t_ns"), value.get("seq"), value.get("text")
        if not (isinstance(t_ns, int) and isinstance(seq, int) and isinstance(text, str)):
            raise damage(path, number, "t_ns, seq or text is missing")
        known = value.get("utterance")
        utterance = None if known is None else utterance_from_json(known)
        yield Chunk(stream, seq, t_ns, info.rate_hz, text, utterance)
