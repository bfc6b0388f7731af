"""Whether what is trained on and what is tested on are apart, and how balanced each is."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from edge_emo.datasets.clips import Clip, iter_clips
from edge_emo.datasets.near import Near, fingerprint
from edge_emo.datasets.prepare import about_path
from edge_emo.errors import DatasetError

KEPT = 10
_SHORT_WORDS = 5
_SIGN = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
"""A Chinese or Japanese sign, written without blanks: half a word."""

_WORDS = re.compile(rf"{_SIGN.pattern}|(?:(?!{_SIGN.pattern})\w)+")


class Seen(NamedTuple):
    """A clip of one of the manifests, with its part and what is known beside it."""

    clip: Clip
    part: str
    about: Mapping[str, Any]
    root: Path


@dataclass(slots=True)
class Overlap:
    """What one sort of thing two parts share.

    Attributes:
        what: Speakers, dialogues, texts, media or windows.
        parts: The two parts.
        count: How many.
        first: The first of them.
    """

    what: str
    parts: tuple[str, str]
    count: int = 0
    first: list[str] = field(default_factory=list)

    def words(self) -> str:
        """Return it as one line."""
        more = ", …" if self.count > len(self.first) else ""
        named = ", ".join(self.first) + more
        return f"{self.parts[0]} and {self.parts[1]} share {self.count} {self.what}: {named}"


@dataclass(slots=True)
class Checked:
    """The result: what is shared, and the balance of each part.

    Attributes:
        overlaps: Everything that two parts share.
        balance: Clips by key (label, speaker, gender, language), part and value.
        clips: Clips by part.
    """

    overlaps: list[Overlap]
    balance: dict[str, dict[str, Counter[str]]]
    clips: Counter[str]


def check_manifests(manifests: Sequence[str | Path], *, media: bool = False) -> Checked:
    """Check one manifest with parts, or several of which each is a part.

    A clip's part is its ``split``; without one it is the manifest's name. Texts of under five
    words, or ten Chinese or Japanese signs, are not compared, since dialogues repeat them.

    Args:
        manifests: The files.
        media: Whether sounds and pictures are decoded and compared as well.

    Raises:
        DatasetError: A manifest is wrong, there is but one part, or a file cannot be decoded.
    """
    shared = _Shared()
    balance: dict[str, dict[str, Counter[str]]] = {}
    clips: Counter[str] = Counter()
    for seen in _all(manifests):
        clips[seen.part] += 1
        shared.meet(seen, media)
        for key, value in _balanced(seen):
            balance.setdefault(key, {}).setdefault(seen.part, Counter())[value] += 1
    if len(clips) < 2:
        raise DatasetError(
            f"there is but one part: {next(iter(clips), 'none')}",
            hint="give a manifest whose clips have a split, or one manifest a part",
        )
    return Checked(shared.overlaps(), balance, clips)


def table(checked: Checked) -> str:
    """Return the balance as a table for people: one line a value, one column a part."""
    parts = sorted(checked.clips)
    lines = [_row("clips", "", [checked.clips[part] for part in parts], parts)]
    lines[0] = f"{'':<34}" + "".join(f"{part:>12}" for part in parts) + "\n" + lines[0]
    for key, by_part in checked.balance.items():
        values = Counter[str]()
        for counts in by_part.values():
            values.update(counts)
        for value, _ in values.most_common(12):
            row = [by_part.get(part, Counter())[value] for part in parts]
            lines.append(_row(key, value, row, parts))
        if len(values) > 12:
            lines.append(f"{key:<10} and {len(values) - 12} more")
    return "\n".join(lines)


def read_about(manifest: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield clip name and what is known beside a manifest, lazily; nothing without such a file.

    Raises:
        DatasetError: A line is no JSON object with a clip.
    """
    path = about_path(manifest)
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                yield row.pop("clip"), row
            except (ValueError, RecursionError, KeyError, AttributeError, TypeError) as error:
                raise DatasetError(f"{path}:{number}: no JSON object with a clip") from error


def with_about(manifest: str | Path) -> Iterator[tuple[Clip, dict[str, Any]]]:
    """Yield the clips of a manifest with what is known beside it; both have the same order.

    Raises:
        DatasetError: What is beside tells of a clip that the manifest has not, or not there.
    """
    beside = read_about(manifest)
    name, row = next(beside, (None, {}))
    for clip in iter_clips(manifest):
        if clip.clip == name:
            yield clip, row
            name, row = next(beside, (None, {}))
        else:
            yield clip, {}
    if name is not None:
        raise DatasetError(
            f"{about_path(manifest)} tells of {name!r}, which {manifest} lacks or has elsewhere",
            hint="filter and order both files alike, or remove the one beside",
        )


def _all(manifests: Sequence[str | Path]) -> Iterator[Seen]:
    for manifest in manifests:
        path = Path(manifest)
        for clip, about in with_about(path):
            yield Seen(clip, clip.split or path.stem, about, path.parent)


def _balanced(seen: Seen) -> Iterator[tuple[str, str]]:
    clip = seen.clip
    yield "label", str(clip.label)
    yield "speaker", str(clip.speaker)
    yield "gender", str(seen.about.get("gender"))
    yield "language", str(clip.language)


class _Shared:
    """What parts share, found as clips go by."""

    def __init__(self) -> None:
        self._where: dict[str, dict[str, set[str]]] = {}
        self._windows: dict[str, list[tuple[float, float, str, str]]] = {}
        self._texts: dict[int, dict[str, str]] = {}
        self._media = Near()

    def meet(self, seen: Seen, media: bool) -> None:
        clip, part = seen.clip, seen.part
        dialogue = seen.about.get("dialogue")
        if clip.speaker is not None:
            self._note("speakers", clip.speaker, part)
        if dialogue is not None:
            self._note("dialogues", f"{clip.corpus}/{dialogue}", part)
        if clip.path is not None:
            place = str((seen.root / clip.path).resolve())
            end_s = float("inf") if clip.end_s is None else clip.end_s
            window = (clip.start_s or 0.0, end_s, part, clip.clip)
            self._windows.setdefault(place, []).append(window)
        if clip.modality == "text" and clip.text:
            for key in text_keys(clip.text):
                self._texts.setdefault(key, {}).setdefault(part, clip.clip)
        elif media and clip.modality in ("voice", "face"):
            self._media.add(part, clip.clip, fingerprint(clip, seen.root))

    def overlaps(self) -> list[Overlap]:
        found: dict[tuple[str, str, str], Overlap] = {}

        def note(what: str, parts: Iterable[str], name: str) -> None:
            for first, second in combinations(sorted(parts), 2):
                entry = found.setdefault((what, first, second), Overlap(what, (first, second)))
                entry.count += 1
                if len(entry.first) < KEPT:
                    entry.first.append(name)

        for what, places in self._where.items():
            for name, parts in places.items():
                note(what, parts, name)
        told: set[tuple[str, ...]] = set()
        for by_part in self._texts.values():
            for pair in combinations(sorted(by_part), 2):
                names = tuple(sorted(by_part[part] for part in pair))
                if names not in told:
                    told.add(names)
                    note("near-identical texts", pair, " = ".join(names))
        for first, second in self._media.pairs():
            note("near-identical media", [first[0], second[0]], f"{first[1]} = {second[1]}")
        for windows in self._windows.values():
            for one, other in _crossing(windows):
                note("overlapping windows", [one[2], other[2]], f"{one[3]} and {other[3]}")
        return list(found.values())

    def _note(self, what: str, name: str, part: str) -> None:
        self._where.setdefault(what, {}).setdefault(name, set()).add(part)


_Window = tuple[float, float, str, str]


def _crossing(windows: list[_Window]) -> Iterator[tuple[_Window, _Window]]:
    """Yield windows that begin within an earlier one of another part."""
    latest: dict[str, _Window] = {}
    for window in sorted(windows):
        for part, earlier in latest.items():
            if part != window[2] and earlier[1] > window[0]:
                yield earlier, window
        if window[2] not in latest or latest[window[2]][1] < window[1]:
            latest[window[2]] = window


def text_keys(text: str) -> Iterator[int]:
    """Yield hashes that two texts share when one word is changed, added, left out or moved."""
    words = _WORDS.findall(unicodedata.normalize("NFKC", text).lower())
    signs = sum(map(bool, map(_SIGN.fullmatch, words)))
    if len(words) - signs / 2 < _SHORT_WORDS:
        return
    yield _hash(" ".join(words))
    for number in range(len(words)):
        before, after = words[:number], words[number + 1 :]
        yield _hash(" ".join((*before, "", *after)))
        if len(words) > _SHORT_WORDS:
            yield _hash(" ".join((*before, *after)))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _row(key: str, value: str, counts: list[int], parts: list[str]) -> str:
    return f"{key:<10} {value[:22]:<23}" + "".join(f"{count:>12}" for count in counts)
