"""The catalogue: one TOML file per corpus, facts and mapping table together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, cast

from edge_emo.errors import ConfigError, DatasetError
from edge_emo.types import CATEGORIES, MODALITIES
from edge_emo.vendor import toml


@dataclass(frozen=True, slots=True)
class Scale:
    """The ends of a corpus's rating scale, and what they mean.

    Attributes:
        low: The rating that becomes −1.
        high: The rating that becomes +1.
        words: Which end means what.
    """

    low: float
    high: float
    words: str = ""

    def to_unit(self, value: float) -> float:
        """Return ``2 (value − low) / (high − low) − 1``, which may lie outside −1 … +1."""
        return 2.0 * (value - self.low) / (self.high - self.low) - 1.0


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is known of one corpus.

    Attributes:
        name: Its name in manifests and on the command line.
        title: Its name for people.
        modalities: What its clips are evidence of.
        size: Its size in words.
        emotions: Its own labels, in words.
        languages: ISO 639-1 codes; empty when it has no words.
        licence: SPDX identifier, or words.
        commercial: Whether the licence allows commercial use.
        obtain: Where and how it is obtained.
        citation: Whom to cite.
        best_for: What it is good for.
        splits: Official parts, or what is split by instead.
        layout: The folder tree that the adapter reads.
        roots: Patterns, one of which is there below the corpus's own folder.
        number: Its number in the seed list; 0 when it is not part of it.
        dimensions: Which of valence, arousal and dominance it has.
        speakers: How many people; 0 when nobody says.
        perspective: Whose view the labels are.
        labels: From its labels, in lower case, to a category; to "" where none fits.
        own: Labels that model packages name for themselves, kept as they are.
        scale: Its rating scale; None when it has no ratings.
        expected: Clips that the full release gives, by modality.
        group: What nothing may share between train and test: speaker, dialogue or clip.
        traps: Known defects and what the adapter does about each.
        unverified: What no public source confirms.
        redistribute: Whether texts may be passed on in derived data.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    size: str
    emotions: str
    languages: tuple[str, ...]
    licence: str
    commercial: bool
    obtain: str
    citation: str
    best_for: str
    splits: str
    layout: str
    roots: tuple[str, ...]
    number: int = 0
    dimensions: tuple[str, ...] = ()
    speakers: int = 0
    perspective: str = "expressed"
    labels: Mapping[str, str] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    scale: Scale | None = None
    expected: Mapping[str, int] = field(default_factory=dict)
    group: str = "speaker"
    traps: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    redistribute: bool = False


def parse_corpus(text: str, where: str) -> Corpus:
    """Read one corpus's TOML.

    Raises:
        DatasetError: Not TOML, an unknown or missing key, or a label that maps to no category.
    """
    reader = toml()
    try:
        values = cast("dict[str, Any]", reader.loads(text))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where} is not valid TOML: {error}") from error
    known = {entry.name for entry in dataclasses.fields(Corpus)}
    for key in values:
        if key not in known:
            raise DatasetError(f"{where}: unknown key {key!r}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    if "scale" in values:
        values["scale"] = Scale(**values["scale"])
    try:
        corpus = Corpus(**values)
    except TypeError as error:
        raise DatasetError(f"{where}: {error}") from error
    _check(corpus, where)
    return corpus


@cache
def corpora() -> Mapping[str, Corpus]:
    """Return every corpus of the catalogue: the seed list in its order, then the others."""
    folder = resources.files("edge_emo.datasets") / "corpora"
    read = [
        parse_corpus(file.read_text(encoding="utf-8"), file.name)
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    ]
    read.sort(key=lambda corpus: (corpus.number or 1000, corpus.name))
    return {corpus.name: corpus for corpus in read}


def corpus_of(name: str) -> Corpus:
    """Return one corpus; case, hyphens and blanks do not matter.

    Raises:
        ConfigError: The catalogue has no such corpus; the hint lists those it has.
    """
    plain = _plain(name)
    found = next((row for row in corpora().values() if _plain(row.name) == plain), None)
    if found is None:
        raise ConfigError(
            f"the catalogue has no corpus {name!r}", hint=f"corpora: {', '.join(corpora())}"
        )
    return found


def find(
    *,
    modality: str | None = None,
    licence: str | None = None,
    dimension: str | None = None,
    language: str | None = None,
    label: str | None = None,
    perspective: str | None = None,
) -> list[Corpus]:
    """Return the corpora that meet every given condition.

    Args:
        modality: One of the five.
        licence: ``commercial``, ``research``, or a part of the licence's name.
        dimension: ``valence``, ``arousal`` or ``dominance``.
        language: ISO 639-1 code.
        label: A category that some label of the corpus maps to.
        perspective: ``expressed``, ``felt``, ``reader`` or ``writer``.
    """

    def fits(corpus: Corpus) -> bool:
        return (
            (modality is None or modality in corpus.modalities)
            and (licence is None or _licensed(corpus, licence))
            and (dimension is None or dimension in corpus.dimensions)
            and (language is None or language in corpus.languages)
            and (label is None or label in corpus.labels.values())
            and (perspective is None or perspective in corpus.perspective.split("+"))
        )

    return [corpus for corpus in corpora().values() if fits(corpus)]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _licensed(corpus: Corpus, wanted: str) -> bool:
    if wanted in ("commercial", "research"):
        return corpus.commercial == (wanted == "commercial")
    return wanted.lower() in corpus.licence.lower()


def _check(corpus: Corpus, where: str) -> None:
    for native, category in corpus.labels.items():
        if category and category not in CATEGORIES:
            raise DatasetError(f"{where}: label {native!r} maps to {category!r}, no category")
        if native != native.lower():
            raise DatasetError(f"{where}: label {native!r} is not in lower case")
    for modality in corpus.modalities:
        if modality not in MODALITIES:
            raise DatasetError(f"{where}: {modality!r} is no modality")
