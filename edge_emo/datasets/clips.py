"""The manifest of clips: JSON lines, one clip a line, read and written here and nowhere else."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

from edge_emo.errors import DatasetError
from edge_emo.files import write_whole
from edge_emo.types import MODALITIES, Modality

Perspective = Literal["expressed", "felt", "reader", "writer"]
PERSPECTIVES = ("expressed", "felt", "reader", "writer")


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled piece of evidence.

    Attributes:
        clip: Its name, unique in a manifest.
        modality: What it is evidence of.
        corpus: The corpus that it is from.
        path: File, relative to the manifest or to a root; None for text.
        start_s: Where it begins in the file; None for its beginning.
        end_s: Where it ends in the file; None for its end.
        speaker: Speaker or subject, with the corpus in front.
        split: Part of the corpus, such as ``train``.
        language: ISO 639-1 code.
        text: The text itself, or a transcript.
        label: One of the seven categories, or a label that a package names for itself.
        votes: Weight of each label where raters disagree.
        valence: −1 … +1.
        arousal: −1 … +1.
        dominance: −1 … +1.
        intensity: 0 … 1.
        perspective: Whose view the label is.
        licence: Licence of the corpus.
        context: Of text: what was said before, oldest first: objects with ``speaker`` (or null)
            and ``text``.
    """

    clip: str
    modality: Modality
    corpus: str | None = None
    path: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    speaker: str | None = None
    split: str | None = None
    language: str | None = None
    text: str | None = None
    label: str | None = None
    votes: Mapping[str, float] | None = None
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    intensity: float | None = None
    perspective: Perspective | None = None
    licence: str | None = None
    context: Sequence[Mapping[str, str | None]] | None = None


def read_clips(manifest: str | Path) -> list[Clip]:
    """Read a manifest of clips.

    Keys that would be null may be absent; empty lines are skipped.

    Raises:
        DatasetError: A line is no JSON object, has an unknown key, a value that cannot be, or
            a clip name that was there before; the message names file and line.
    """
    seen: dict[str, Clip] = {}
    for number, clip in _numbered(Path(manifest)):
        if clip.clip in seen:
            raise DatasetError(f"{manifest}:{number}: clip {clip.clip!r} was there before")
        seen[clip.clip] = clip
    return list(seen.values())


def iter_clips(manifest: str | Path) -> Iterator[Clip]:
    """Yield the clips of a manifest lazily, in memory that does not grow with it.

    Raises:
        DatasetError: As :func:`read_clips`, except that a name twice goes unnoticed.
    """
    for _, clip in _numbered(Path(manifest)):
        yield clip


def write_clips(manifest: str | Path, clips: Iterable[Clip]) -> None:
    """Write a manifest of clips, every key on every line in the documented order.

    ``context`` is written where there is one. A full disk leaves the former file.

    Raises:
        DatasetError: A value cannot be; nothing is written.
    """
    lines = []
    for number, clip in enumerate(clips, start=1):
        lines.append(clip_line(clip, f"{manifest}:{number}"))
    write_whole(Path(manifest), "".join(lines).encode(), 0o644)


def clip_line(clip: Clip, where: str) -> str:
    """Return a clip's line of a manifest, with its ending.

    Raises:
        DatasetError: A value cannot be; ``where`` stands before it in the message.
    """
    row = dict(zip(_WRITTEN_ORDER, _values(clip), strict=True))
    if clip.context is not None:
        row["context"] = list(clip.context)
    _check_values(row, where)
    _check_together(clip, where)
    return _encode(row) + "\n"


def check_clip(row: Mapping[str, Any], where: str) -> Clip:
    """Turn one row into a clip.

    Args:
        row: Keys and values as in JSON.
        where: File and line, for the message.

    Raises:
        DatasetError: An unknown key, a missing one, or a value that cannot be.
    """
    for key in row:
        if key not in _CHECKS:
            raise DatasetError(f"{where}: unknown key {key!r}", hint=f"keys: {', '.join(_CHECKS)}")
    for key in ("clip", "modality"):
        if row.get(key) is None:
            raise DatasetError(f"{where}: {key} is missing")
    _check_values(row, where)
    clip = Clip(**row)
    _check_together(clip, where)
    return clip


_WRITTEN_ORDER = (
    *("clip", "corpus", "modality", "path", "start_s", "end_s", "speaker", "split", "language"),
    *("text", "label", "votes", "valence", "arousal", "dominance", "intensity", "perspective"),
    "licence",
)
_values = operator.attrgetter(*_WRITTEN_ORDER)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _numbered(path: Path) -> Iterator[tuple[int, Clip]]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _read_line(line, f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def _check_values(row: Mapping[str, Any], where: str) -> None:
    for key, value in row.items():
        if value is not None:
            words, check = _CHECKS[key]
            if not check(value):
                raise DatasetError(f"{where}: {key} = {value!r} is no {words}")


def _read_line(line: str, where: str) -> Clip:
    try:
        row = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: not a JSON object")
    return check_clip(cast("dict[str, Any]", row), where)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key is there twice")
    return row


def _check_together(clip: Clip, where: str) -> None:
    needed = "text" if clip.modality == "text" else "path"
    if getattr(clip, needed) is None:
        raise DatasetError(f"{where}: a {clip.modality} clip needs a {needed}")
    if clip.end_s is not None and clip.end_s <= (clip.start_s or 0.0):
        raise DatasetError(f"{where}: end_s = {clip.end_s} is not after its start")


def _is_name(value: Any) -> bool:
    return is_text(value) and bool(value) and "\0" not in value


def is_text(value: Any) -> bool:
    """Tell a text from one with half a surrogate pair, which no file can hold."""
    return isinstance(value, str) and (value.isascii() or not _HALF.search(value))


def _between(low: float, high: float) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        return type(value) in (int, float) and low <= value <= high and value < _LARGEST

    return check


def _is_votes(value: Any) -> bool:
    if not isinstance(value, Mapping) or not all(map(_is_name, value)):
        return False
    weights = list(value.values())
    return all(map(_between(0.0, math.inf), weights)) and sum(weights) > 0


def _is_context(value: Any) -> bool:
    return isinstance(value, Sequence) and all(
        isinstance(said, Mapping)
        and said.keys() <= {"speaker", "text"}
        and is_text(said.get("text"))
        and (said.get("speaker") is None or _is_name(said["speaker"]))
        for said in value
    )


_HALF = re.compile("[\ud800-\udfff]")
_LARGEST = 10**300  # a larger integer may be no number


def _one_of(words: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


_SECONDS = ("time in seconds", _between(0.0, math.inf))
_DIMENSION = ("number in −1 … 1", _between(-1.0, 1.0))
_NAME = ("name", _is_name)
_CHECKS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    field.name: _NAME for field in fields(Clip)
} | {
    "modality": (f"modality ({', '.join(MODALITIES)})", _one_of(MODALITIES)),
    "start_s": _SECONDS,
    "end_s": _SECONDS,
    "text": ("text", is_text),
    "votes": ("table of label and weight", _is_votes),
    "valence": _DIMENSION,
    "arousal": _DIMENSION,
    "dominance": _DIMENSION,
    "intensity": ("number in 0 … 1", _between(0.0, 1.0)),
    "context": ("list of speaker and text", _is_context),
    "perspective": (f"perspective ({', '.join(PERSPECTIVES)})", _one_of(PERSPECTIVES)),
}
