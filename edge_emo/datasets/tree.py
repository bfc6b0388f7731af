"""A corpus's folder as an adapter sees it: walking, labels, numbers, and what is wrong with it."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo.datasets.catalogue import Corpus
from edge_emo.datasets.clips import Clip
from edge_emo.datasets.findings import Findings
from edge_emo.datasets.tables import LFS, Line, Row, read_json, read_lines, read_rows
from edge_emo.errors import DatasetError
from edge_emo.files import is_file
from edge_emo.types import Modality

JUNK = re.compile(
    r"\..*|(eh)?thumbs\.db|desktop\.ini|Icon\r|@eaDir|__MACOSX|\$RECYCLE\.BIN"
    r"|System Volume Information|.*\.bak",
    re.IGNORECASE | re.DOTALL,
)
"""Names, as a whole, of what operating systems and tools leave in folders; all that is hidden."""


def is_litter(name: str) -> bool:
    """Tell whether a file or folder of this name is none of the corpus's."""
    return JUNK.fullmatch(name) is not None


class Signal(NamedTuple):
    """Samples of shape (n_samples, n_channels), float32, with their rate and channel names."""

    data: npt.NDArray[np.float32]
    rate_hz: float
    channels: tuple[str, ...]


Picture = npt.NDArray[np.uint8]
"""Grey (height, width) or RGB (height, width, 3)."""

Made = Signal | Picture


class Item(NamedTuple):
    """A clip, what the corpus says of it beyond a manifest's keys, and how its file is made.

    Attributes:
        clip: The clip; its path is relative to the corpus's folder, or, when ``make`` is
            given, to where made files are written.
        about: Native label, dialogue, gender, cause, other ratings; plain JSON values.
        make: Makes the samples or the picture of a clip whose file no decoder reads as it is.
    """

    clip: Clip
    about: Mapping[str, Any]
    make: Callable[[], Made] | None = None


class Tree:
    """The folder of one corpus.

    Args:
        root: The folder as it was published.
        corpus: Its row of the catalogue.
        findings: Where problems are counted.
        labels: Changes to the mapping table: native label to category, or to "" for none.
    """

    def __init__(
        self,
        root: Path,
        corpus: Corpus,
        findings: Findings | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.corpus = corpus
        self.findings = findings or Findings()
        changed = {native.lower(): category for native, category in (labels or {}).items()}
        self.labels = {**corpus.labels, **changed}
        self._spelling = lru_cache(maxsize=16)(_spelling)
        self._perspective: Any = corpus.perspective.partition("+")[0]
        self._language = corpus.languages[0] if len(corpus.languages) == 1 else None

    def files(self, folder: str = "", suffixes: Sequence[str] = ()) -> Iterator[str]:
        """Yield the files below ``folder`` in sorted order, as paths relative to the root.

        Litter of operating systems is passed over; an empty file and a Git LFS pointer are
        counted as unreadable and passed over.
        """
        wanted = tuple(suffix.lower() for suffix in suffixes)
        yield from self._walk(folder.strip("/"), wanted)

    def matches(
        self, pattern: str, folder: str = "", suffixes: Sequence[str] = ()
    ) -> Iterator[tuple[str, re.Match[str]]]:
        """Yield each file whose whole name matches, in any case; count the others as extra.

        The match is of the name in Unicode's composed form, the path as it is on the disk.
        """
        grammar = re.compile(pattern, re.IGNORECASE)
        for path in self.files(folder, suffixes):
            match = grammar.fullmatch(composed(path.rpartition("/")[2]))
            if match is None:
                self.findings.add("extra", path)
            else:
                yield path, match

    def folders(self, folder: str = "") -> list[str]:
        """Return the names of the folders in ``folder``, sorted."""
        place = self.root / folder
        if not place.is_dir():
            return []
        return sorted(p.name for p in place.iterdir() if p.is_dir() and not is_litter(p.name))

    def find(self, *names: str) -> Path | None:
        """Return the first of these files, given relative to the root, that is there.

        One that is spelt otherwise on the disk, as ``A.WAV`` for ``a.wav`` or with letters and
        accents apart, is found where none has the very name.
        """
        return next((place for name in names if (place := self._placed(name))), None)

    def path(self, *names: str) -> str | None:
        """Return the path of :meth:`find` relative to the root, as it is on the disk."""
        found = self.find(*names)
        return None if found is None else Path(os.path.relpath(found, self.root)).as_posix()

    def held(self, name: str, where: str = "") -> str | None:
        """Return the path of a file that the corpus names, relative to the root, as on the disk.

        Args:
            name: Relative to the root.
            where: What names it.

        Returns:
            None, which is counted, when it is not there, is empty or points to what is not there.
        """
        path = self.path(name)
        if path is None:
            self.findings.add("missing", name, where)
            return None
        return path if self._readable(self.root / path, path) else None

    def need(self, *names: str) -> Path:
        """Return the first of these files that is there.

        Raises:
            DatasetError: None is.
        """
        found = self.find(*names)
        if found is None:
            raise DatasetError(
                f"{self.root}: {self.corpus.title} has {' or '.join(names)}",
                hint=f"its layout: {self.corpus.layout}",
            )
        return found

    def lines(self, path: Path) -> Iterator[Line]:
        """Yield the lines of a file; see :func:`read_lines`."""
        return read_lines(path, self.findings)

    def rows(self, path: Path, **options: Any) -> Iterator[Row]:
        """Yield the rows of a delimited file; see :func:`read_rows`."""
        return read_rows(path, self.findings, **options)

    def json(self, path: Path) -> Any:
        """Read a JSON file; see :func:`read_json`."""
        return read_json(path, self.findings)

    def category(self, native: str, where: str) -> str | None:
        """Return the category of a native label; count one that the table does not know."""
        category = self.labels.get(native.lower())
        if category is None:
            self.findings.add("label", where, repr(native))
        return category or None

    def votes(self, counts: Mapping[str, float], where: str) -> dict[str, float] | None:
        """Return raters' votes by category, leaving out what maps to none; None when all do."""
        votes: dict[str, float] = {}
        for native, count in counts.items():
            category = self.category(native, where)
            if category and count > 0:
                votes[category] = votes.get(category, 0.0) + count
        return votes or None

    def number(self, text: str | float | None, where: str) -> float | None:
        """Return a finite number; count anything else that is not empty."""
        if text is None or text == "":
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.findings.add("value", where, repr(text))
            return None
        return value

    def whole(self, text: str | None, where: str) -> int | None:
        """Return a whole number; count anything else that is not empty."""
        value = self.number(text, where)
        if value is None or value == int(value):
            return None if value is None else int(value)
        self.findings.add("value", where, f"{text!r} is no whole number")
        return None

    def dimension(self, text: str | float | None, where: str) -> float | None:
        """Return a rating on the corpus's scale as −1 … +1, clipped; None when it is absent."""
        value = self.number(text, where)
        if value is None:
            return None
        scale = self.corpus.scale
        unit = scale.to_unit(value) if scale else value
        if not -1.0 <= unit <= 1.0:
            self.findings.add("value", where, f"{text} is outside the scale")
        return round(min(1.0, max(-1.0, unit)), 6)

    def item(
        self,
        modality: Modality,
        key: str,
        path: str | None = None,
        *,
        native: str | None = None,
        where: str = "",
        about: Mapping[str, Any] | None = None,
        make: Callable[[], Made] | None = None,
        speaker: str | None = None,
        **fields: Any,
    ) -> Item:
        """Return an item with what the catalogue says of every clip of the corpus.

        Args:
            modality: What it is evidence of.
            key: Its name within the corpus.
            path: Its file, relative to the root.
            native: Its label as the corpus writes it, mapped through the table unless
                ``label`` is among the fields.
            where: File and line, for findings; the path when empty.
            about: What a manifest has no key for.
            make: Makes its samples or picture, when no decoder reads the file.
            speaker: Its speaker within the corpus.
            **fields: Other fields of :class:`Clip`.
        """
        name = self.corpus.name
        about = dict(about or {})
        if native is not None:
            about["native"] = native
            if "label" not in fields:
                fields["label"] = self.category(native, where or path or key)
        fields.setdefault("perspective", self._perspective)
        fields.setdefault("language", self._language)
        clip = Clip(
            composed(f"{name}/{key}"),
            modality,
            name,
            path,
            speaker=composed(f"{name}/{speaker}") if speaker else None,
            licence=self.corpus.licence,
            **fields,
        )
        return Item(clip, about, make)

    def _placed(self, name: str) -> Path | None:
        if is_file(self.root / name):
            return self.root / name
        place = self.root
        for part in PurePosixPath(name).parts:
            spelt = self._spelling(place).get(_folded(part))
            if spelt is None:
                return None
            place /= spelt
        return place if is_file(place) else None

    def _walk(self, folder: str, suffixes: tuple[str, ...]) -> Iterator[str]:
        try:
            with os.scandir(self.root / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        prefix = f"{folder}/" if folder else ""
        for entry in entries:
            name = entry.name
            if is_litter(name):
                continue
            if entry.is_dir():
                yield from self._walk(prefix + name, suffixes)
            elif (not suffixes or name.lower().endswith(suffixes)) and self._readable(
                entry, prefix + name
            ):
                yield prefix + name

    def _readable(self, entry: os.DirEntry[str] | Path, path: str) -> bool:
        try:
            size = entry.stat().st_size
        except OSError as error:
            self.findings.add("unreadable", path, str(error.strerror))
            return False
        if size == 0:
            self.findings.add("unreadable", path, "empty")
            return False
        if size < 200 and (self.root / path).read_bytes().startswith(LFS):
            self.findings.add("unreadable", path, "a Git LFS pointer; run git lfs pull")
            return False
        return True


def composed(text: str) -> str:
    """Return a name with each letter and its accents in one, as macOS does not write it."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _folded(name: str) -> str:
    return composed(unicodedata.normalize("NFD", name).casefold())


def _spelling(folder: Path) -> dict[str, str]:
    """Return the names in a folder by what is left of them without case and normal form."""
    try:
        names = sorted((path.name for path in folder.iterdir()), reverse=True)
    except OSError:  # it is no folder, or is not there
        return {}
    return {_folded(name): name for name in names}
