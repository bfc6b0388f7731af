"""``session.json``: what a session folder holds, and who wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_emo.errors import RecordingError
from edge_emo.recording.files import DurableFile, read_error, write_error
from edge_emo.recording.values import info_from_json, info_to_json
from edge_emo.types import KINDS, StreamInfo
from edge_emo.version import __version__

NAME = "session.json"
FORMAT = "edge_emo session"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Header:
    """What ``session.json`` says.

    Attributes:
        started: Date and time at which the session began, ISO 8601.
        streams: The session's streams by name, as their devices were opened.
        raw: True when pictures, sound, signals and words were kept.
        consent: Who agreed to be recorded, in words; may be empty.
        software: The version of edge_emo that wrote it.
        closed: False when the recording ended in a crash or still goes on.
    """

    started: str
    streams: Mapping[str, StreamInfo]
    raw: bool
    consent: str = ""
    software: str = __version__
    closed: bool = False


def write_header(folder: Path, header: Header) -> None:
    """Write the header; an older one is replaced in one step.

    Raises:
        RecordingError: It cannot be written.
    """
    path, draft = header_files(folder)
    file = DurableFile(draft)
    try:
        file.append(_dump(header).encode())
        file.flush()
    finally:
        file.close()
    try:
        draft.replace(path)
    except OSError as error:
        raise write_error(path, error) from error


def header_files(folder: Path) -> tuple[Path, Path]:
    """Return the header of a session, and what it is called until it is whole."""
    return folder / NAME, folder / f"{NAME}.new"


def close_header(folder: Path, header: Header) -> None:
    """Write that the recording is complete.

    Raises:
        RecordingError: It cannot be written.
    """
    write_header(folder, replace(header, closed=True))


def read_header(folder: Path) -> Header:
    """Read and check the header.

    Raises:
        RecordingError: The folder is no session, the header is damaged, or a newer version
            wrote it.
    """
    path = folder / NAME
    value = _load(path)
    if value.get("format") != FORMAT:
        raise _damaged(path, f"format is not {FORMAT!r}")
    if value.get("version") != VERSION:
        raise RecordingError(
            f"{path}: version {value.get('version')!r} of the format is not known, {VERSION} is",
            hint="install a newer edge_emo; in a checkout: git pull",
        )
    return _header(path, value)


def _dump(header: Header) -> str:
    value = {
        "format": FORMAT,
        "version": VERSION,
        "software": header.software,
        "started": header.started,
        "raw": header.raw,
        "consent": header.consent,
        "closed": header.closed,
        "streams": {name: info_to_json(info) for name, info in header.streams.items()},
    }
    return json.dumps(value, indent=2) + "\n"


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RecordingError(
            f"{path.parent} is no session folder: it has no {NAME}",
            hint="give the folder that edge-emo record wrote",
        ) from None
    except OSError as error:
        raise read_error(path, error) from error
    except ValueError as error:
        raise _damaged(path, f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise _damaged(path, "no JSON object")
    return value


def _header(path: Path, value: Mapping[str, Any]) -> Header:
    texts = ("started", "consent", "software")
    flags = ("raw", "closed")
    if not all(isinstance(value.get(key), str) for key in texts):
        raise _damaged(path, f"one of {', '.join(texts)} is no text")
    if not all(isinstance(value.get(key), bool) for key in flags):
        raise _damaged(path, f"one of {', '.join(flags)} is neither true nor false")
    known = {key: value[key] for key in (*texts, *flags)}
    return Header(streams=_streams(path, value.get("streams")), **known)


def _streams(path: Path, value: Any) -> dict[str, StreamInfo]:
    if not isinstance(value, dict):
        raise _damaged(path, "streams are missing")
    try:
        streams = {name: info_from_json(info) for name, info in value.items()}
    except RecordingError as error:
        raise _damaged(path, str(error)) from error
    for name, info in streams.items():
        if info.kind not in KINDS:
            raise _damaged(path, f"stream {name!r} is of unknown kind {info.kind!r}")
    return streams


def _damaged(path: Path, what: str) -> RecordingError:
    return RecordingError(f"{path}: {what}", hint="copy the session folder again")
