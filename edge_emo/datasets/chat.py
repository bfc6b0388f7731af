"""Instruction data for language models: one JSON object a row, in the messages form."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge_emo.datasets.adapter import known_corpus
from edge_emo.datasets.check import with_about
from edge_emo.datasets.clips import Clip
from edge_emo.errors import ConfigError, DatasetError
from edge_emo.types import CATEGORIES

TASKS = ("classification", "dimensions", "cause", "context", "reply")
TURNS = 6
"""Utterances of a dialogue that context and reply look back on."""

_SYSTEM = "You estimate emotion in text. You say what is expressed, not what a person feels."
_VERBS = {
    "expressed": "does this text express",
    "reader": "does this text arouse in its reader",
    "writer": "did the writer of this text mean to express",
    "felt": "did the person report to have felt",
}
Row = dict[str, Any]
_Turn = tuple[str, str]


def export_chat(
    manifest: str | Path,
    out: str | Path,
    *,
    tasks: tuple[str, ...] = TASKS,
    part: str | None = None,
    allow_restricted: bool = False,
) -> dict[str, int]:
    """Write instruction rows; return how many of each task.

    Every row has ``messages`` (role, content), ``task``, ``source`` (clip), ``corpus``,
    ``licence`` and ``split``.

    Args:
        manifest: A prepared manifest with texts.
        out: The file to write.
        tasks: Which rows.
        part: Only clips of this part.
        allow_restricted: Whether corpora whose licence does not let texts be passed on are
            exported all the same, for one's own use.

    Raises:
        DatasetError: A corpus's licence forbids it, the manifest is wrong, or has no text.
    """
    counts: dict[str, int] = {}
    target = Path(out)
    partial = target.with_suffix(".part")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            for row in _rows(manifest, tasks, part, allow_restricted):
                counts[row["task"]] = counts.get(row["task"], 0) + 1
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if not counts:
            raise DatasetError(f"{manifest} has no text for {', '.join(tasks)}")
        partial.replace(target)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return counts


def _rows(
    manifest: str | Path, tasks: tuple[str, ...], part: str | None, allow: bool
) -> Iterator[Row]:
    history: deque[_Turn] = deque(maxlen=TURNS)
    last: tuple[Any, Any] = (None, None)
    checked = set[str | None]()
    for clip, about in with_about(manifest):
        if clip.corpus not in checked and not allow:
            _refuse(clip)
        checked.add(clip.corpus)
        if clip.modality != "text" or not clip.text or part not in (None, clip.split):
            continue
        place = about.get("dialogue"), about.get("turn")
        if not _follows(place, last):
            history.clear()
        last = place
        for task in tasks:
            messages = _MAKERS[task](clip, about, history)
            if messages:
                yield _row(clip, task, messages)
        history.append((clip.speaker or "", clip.text))


def _follows(place: tuple[Any, Any], last: tuple[Any, Any]) -> bool:
    """Tell whether a text was said right after the last; sentences of a document were not said."""
    dialogue, turn = place
    return dialogue is not None and isinstance(turn, int) and last == (dialogue, turn - 1)


def _refuse(clip: Clip) -> None:
    with suppress(ConfigError):  # a corpus that nobody knows
        if known_corpus(clip.corpus or "").redistribute:
            return
    raise DatasetError(
        f"{clip.corpus}: its licence ({clip.licence}) does not let its texts be passed on",
        hint="--allow-restricted exports it for your own use; do not publish the file",
    )


def _row(clip: Clip, task: str, messages: list[Row]) -> Row:
    return {
        "messages": [{"role": "system", "content": _SYSTEM}, *messages],
        "task": task,
        "source": clip.clip,
        "corpus": clip.corpus,
        "licence": clip.licence,
        "split": clip.split,
    }


def _asked(question: str, answer: str) -> list[Row]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _verb(clip: Clip) -> str:
    return _VERBS[clip.perspective or "expressed"]


def _classification(clip: Clip, about: Mapping[str, Any], history: deque[_Turn]) -> list[Row]:
    if clip.label not in CATEGORIES:
        return []
    names = ", ".join(CATEGORIES)
    return _asked(f"Which emotion {_verb(clip)}: {names}?\n\n{clip.text}", str(clip.label))


def _dimensions(clip: Clip, about: Mapping[str, Any], history: deque[_Turn]) -> list[Row]:
    names = ("valence", "arousal", "dominance")
    known = {n: getattr(clip, n) for n in names if getattr(clip, n) is not None}
    known = {name: value for name, value in known.items() if name not in about.get("derived", ())}
    if not known:
        return []
    asked = f"Which {', '.join(known)} from -1 to 1 {_verb(clip)}?\n\n{clip.text}"
    return _asked(asked, json.dumps({name: round(value, 2) for name, value in known.items()}))


def _cause(clip: Clip, about: Mapping[str, Any], history: deque[_Turn]) -> list[Row]:
    if not about.get("cause"):
        return []
    named = f" ({about['native']})" if about.get("native") else ""
    return _asked(f"What causes the emotion{named} in this text?\n\n{clip.text}", about["cause"])


def _context(clip: Clip, about: Mapping[str, Any], history: deque[_Turn]) -> list[Row]:
    if clip.label not in CATEGORIES or not history:
        return []
    said = "\n".join(f"{_who(speaker)}: {text}" for speaker, text in history)
    last = f"{_who(clip.speaker or '')}: {clip.text}"
    names = ", ".join(CATEGORIES)
    question = f"Which emotion does the last utterance express in its context: {names}?"
    return _asked(f"{question}\n\n{said}\n{last}", str(clip.label))


def _reply(clip: Clip, about: Mapping[str, Any], history: deque[_Turn]) -> list[Row]:
    if not history:
        return []
    said = "\n".join(f"{_who(speaker)}: {text}" for speaker, text in history)
    question = "Continue the conversation with regard for the emotion that the other expresses."
    return _asked(f"{question}\n\n{said}", str(clip.text))


def _who(speaker: str) -> str:
    return speaker.rpartition("/")[2] or "–"


_MAKERS: Mapping[str, Callable[[Clip, Mapping[str, Any], deque[_Turn]], list[Row]]] = {
    "classification": _classification,
    "dimensions": _dimensions,
    "cause": _cause,
    "context": _context,
    "reply": _reply,
}
