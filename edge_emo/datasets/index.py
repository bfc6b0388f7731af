"""Indexes of other corpora: SER-datasets as JSON or CSV, the raw multilingual collection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge_emo.datasets.catalogue import corpora
from edge_emo.datasets.findings import Findings
from edge_emo.datasets.tables import read_json, read_rows
from edge_emo.datasets.tree import is_litter
from edge_emo.errors import DatasetError

_LINK = re.compile(r"`(.+?) <(.+)>`_")
_WORDS = {
    **dict.fromkeys(("anger", "angry", "ang"), "anger"),
    **dict.fromkeys(("disgust", "disgusted"), "disgust"),
    **dict.fromkeys(("fear", "fearful", "anxiety", "afraid"), "fear"),
    **dict.fromkeys(("happiness", "happy", "joy", "joyful"), "happiness"),
    **dict.fromkeys(("neutral", "neutrality"), "neutral"),
    **dict.fromkeys(("sadness", "sad"), "sadness"),
    **dict.fromkeys(("surprise", "surprised"), "surprise"),
}
_FILES = ("src/ser-datasets.json", "ser-datasets.json", "src/ser-datasets.csv", "ser-datasets.csv")


class Entry(NamedTuple):
    """One corpus that an index lists.

    Attributes:
        title: Its name.
        year: Year as written.
        language: Languages as written.
        access: Open, Restricted, and so on.
        licence: As written; indexes can be wrong.
        link: Where it is.
        categories: Categories among its emotions.
        left: Words of its emotions that map to none.
        known_as: Its name in the catalogue, whose own row wins; None when it has none.
    """

    title: str
    year: str
    language: str
    access: str
    licence: str
    link: str
    categories: tuple[str, ...]
    left: tuple[str, ...]
    known_as: str | None


def read_index(root: Path) -> list[Entry]:
    """Read an index's folder.

    Raises:
        DatasetError: There is no index in it.
    """
    path = next((root / name for name in _FILES if (root / name).is_file()), None)
    if path is not None:
        reader = _from_json if path.suffix == ".json" else _from_csv
        return sorted(reader(path), key=lambda entry: entry.title.lower())
    if (root / "datasets").is_dir():
        places = (place for place in (root / "datasets").iterdir() if place.is_dir())
        names = sorted(place.name for place in places if not is_litter(place.name))
        return [Entry(name, "", "", "", "", "", (), (), _known(name)) for name in names]
    raise DatasetError(f"{root} holds no index", hint=f"it needs {_FILES[0]} or datasets/")


def categories_in(words: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the categories named in free text such as "5 emotions: anger, joy", and the rest."""
    tail = words.rpartition(":")[2] if ":" in words else words
    names = [word for word in re.split(r"[^a-z-]+", tail.lower()) if word]
    found = dict.fromkeys(_WORDS[word] for word in names if word in _WORDS)
    left = dict.fromkeys(w for w in names if w not in _WORDS and w not in ("and", "emotions"))
    return tuple(found), tuple(left)


def _from_json(path: Path) -> Iterator[Entry]:
    content = read_json(path, Findings())
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: is no object of corpora")
    for title, row in content.items():
        cells = {key: str(value) for key, value in row.items()}
        yield _entry(title, cells, cells.get("Dataset-link", ""))


def _from_csv(path: Path) -> Iterator[Entry]:
    for row in read_rows(path, Findings(), needs=("Dataset", "Emotions", "License")):
        match = _LINK.fullmatch(row.cells["Dataset"].strip())
        title, link = match.groups() if match else (row.cells["Dataset"], "")
        licence = _LINK.fullmatch(row.cells["License"].strip())
        cells = {**row.cells, "License": licence[1] if licence else row.cells["License"]}
        yield _entry(title, cells, link)


def _entry(title: str, cells: dict[str, str], link: str) -> Entry:
    found, left = categories_in(cells.get("Emotions", ""))
    year, language, access, licence = (
        cells.get(key, "") for key in ("Year", "Language", "Access", "License")
    )
    return Entry(title, year, language, access, licence, link, found, left, _known(title))


def _known(title: str) -> str | None:
    plain = _plain(title)
    for corpus in corpora().values():
        if plain in (_plain(corpus.name), _plain(corpus.title)):
            return corpus.name
    return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
