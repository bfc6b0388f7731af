"""Refuses a training run that has seen what it is evaluated on."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from edge_emo.datasets.clips import Clip

_SHOWN = 5


class LeakageError(Exception):
    """Training and evaluation share speakers, dialogues, texts or sound."""


def refuse_overlap(
    training: Iterable[Clip],
    evaluation: Iterable[Clip],
    *,
    root: Path | None = None,
    dialogue: Callable[[Clip], str | None] | None = None,
    speakers: bool = True,
) -> None:
    """Return in silence when nothing that is evaluated was trained on.

    Compared are clip names, speakers, dialogues, texts without case and spacing, and, below
    ``root``, the content of files to the byte: cuts of one file may touch and not overlap. What a
    clip does not tell is not compared.

    Args:
        training: What a run sees, its validation part included.
        evaluation: What its figures are from.
        root: Folder of the paths; None compares no file.
        dialogue: Gives the dialogue of a clip; None when clips have none.
        speakers: False where speakers are no people, as in a film's cast shared by its scenes.

    Raises:
        LeakageError: With how many are shared, and the first of them.
    """
    kinds: dict[str, Callable[[Clip], str | None]] = {"clips": lambda clip: clip.clip}
    if speakers:
        kinds["speakers"] = lambda clip: clip.speaker
    if dialogue is not None:
        kinds["dialogues"] = dialogue
    kinds["texts"] = _text
    before, after = list(training), list(evaluation)
    found = {name: _shared(before, after, key) for name, key in kinds.items()}
    if root is not None:
        found["files"] = _overlapping(before, after, root)
    if any(found.values()):
        raise LeakageError("; ".join(_words(name, both) for name, both in found.items() if both))


def _shared(
    before: list[Clip], after: list[Clip], key: Callable[[Clip], str | None]
) -> list[tuple[str, str]]:
    """Return pairs of clip names, training and evaluation, that are one under a key."""
    seen = {value: clip.clip for clip in before if (value := key(clip)) is not None}
    keyed = ((key(clip), clip.clip) for clip in after)
    return [(seen[value], name) for value, name in keyed if value is not None and value in seen]


def _words(name: str, both: list[tuple[str, str]]) -> str:
    pairs = ", ".join(f"{one} and {other}" for one, other in both[:_SHOWN])
    return f"{name} shared by training and evaluation ({len(both)} clips): {pairs}"


def _text(clip: Clip) -> str | None:
    if clip.text is None or clip.modality != "text":
        return None
    return spelled(clip.text)


def spelled(text: str) -> str:
    """Return a text so that spelling of case, width and space does not hide a copy."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _overlapping(before: list[Clip], after: list[Clip], root: Path) -> list[tuple[str, str]]:
    """Return pairs of clip names, training and evaluation, that hold the same part of a file."""
    contents = {clip.path: _content(root, clip.path) for clip in (*before, *after) if clip.path}
    seen: dict[bytes, list[Clip]] = {}
    for clip in before:
        if clip.path:
            seen.setdefault(contents[clip.path], []).append(clip)
    return [
        (met[0].clip, clip.clip)
        for clip in after
        if clip.path
        and (met := [one for one in seen.get(contents[clip.path], ()) if _overlap(one, clip)])
    ]


def _content(root: Path, path: str) -> bytes:
    return hashlib.sha256((root / path).read_bytes()).digest()


def _overlap(one: Clip, other: Clip) -> bool:
    """Tell whether two cuts of one file share more than an edge."""
    return _start_s(one) < _end_s(other) and _start_s(other) < _end_s(one)


def _start_s(clip: Clip) -> float:
    return 0.0 if clip.start_s is None else clip.start_s


def _end_s(clip: Clip) -> float:
    return math.inf if clip.end_s is None else clip.end_s
