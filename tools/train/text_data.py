"""Sentences of seven corpora, each in the layout in which it is published, with split and labels.

Validation is cut from the training part, whole dialogues, comments or people at a time; ``dev``
is what the corpus publishes as such, and a test part is not read. XED and ISEAR publish none: a
tenth is cut, by text and by person.
A training or validation sentence that is a copy of a dev sentence is left out. Copies have the
same words; a phrase that everybody says ("Oh my God!") is one only with the same signs.
"""

from __future__ import annotations

import csv
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from leakage import spelled

from edge_emo.datasets.clips import Clip

Before = tuple[tuple[bool, str], ...]
"""Utterances before a sentence, oldest first: whether the same speaker said it, and the text."""

CONTEXT = 3
PHRASE = 4
"""Texts of fewer words ("Oh my God!") are said by many: their words tell of no common source."""

EMOTIONS = (
    *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion"),
    *("curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment"),
    *("excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism"),
    *("pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral"),
)
"""The labels of GoEmotions, in the order of its ``labels.txt``."""

_EKMAN = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
_PLUTCHIK = {
    "1": "anger",
    "3": "disgust",
    "4": "fear",
    "5": "happiness",
    "6": "sadness",
    "7": "surprise",
    "9": "neutral",
}
"""XED's numbers; 2 (anticipation) and 8 (trust) have no category."""
_DAILY = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
_WORDS = {name: name for name in _EKMAN} | {"joy": "happiness"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with what its corpus says of it.

    Attributes:
        corpus: Its corpus.
        name: Unique within the corpus; the part before the last slash is the dialogue.
        split: train, validation or dev.
        text: As published.
        before: Up to three utterances before it.
        emotions: Labels of GoEmotions, or None when the corpus has none.
        categories: The seven categories that apply, or None.
        affect: Valence, arousal, dominance in −1 … +1, or None.
        person: Who wrote or said it, where that is a person and not a part in a play.
        part: Who says it in the play.
    """

    corpus: str
    name: str
    split: str
    text: str
    before: Before = ()
    emotions: frozenset[str] | None = None
    categories: frozenset[str] | None = None
    affect: tuple[float, float, float] | None = None
    person: str | None = None
    part: str | None = None


@dataclass(frozen=True)
class Corpus:
    """How to read a corpus, and what may be done with it."""

    name: str
    licence: str
    commercial: bool
    perspective: str
    read: Callable[[Path], Iterator[Sentence]]


def read_corpora(data: Path, commercial: bool) -> list[Sentence]:
    """Read the corpora that a package may use, without copies of what any dev part has."""
    chosen = {corpus.name for corpus in CORPORA if corpus.commercial or not commercial}
    every = [s for corpus in CORPORA for s in corpus.read(data / corpus.name)]
    kept_back = {copied(s.text) for s in every if s.split == "dev"}
    mine = [s for s in every if s.corpus in chosen]
    kept = [s for s in mine if s.split == "dev" or copied(s.text) not in kept_back]
    validation = {plain(s.text) for s in kept if s.split == "validation"}
    validation = {text for text in validation if text.count(" ") >= PHRASE - 1}
    return [s for s in kept if s.split != "train" or plain(s.text) not in validation]


def copied(text: str) -> str:
    """Return that by which a text is a copy: its words, and of a short phrase its signs too."""
    words = plain(text)
    return words if words.count(" ") >= PHRASE - 1 else spelled(text)


def plain(text: str) -> str:
    """Return the letters and digits of a text."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip() or text.strip()


def clips(sentences: Iterable[Sentence], truth: str | None, *, context: bool = False) -> list[Clip]:
    """Return sentences as clips of a manifest.

    Args:
        sentences: Of any corpora.
        truth: ``label``: the one category, sentences with several left out; ``categories`` or
            ``emotions``: all labels that apply, as votes; ``affect``; None for no labels.
        context: Whether to tell what was said before.
    """
    facts = {corpus.name: corpus for corpus in CORPORA}
    made = []
    for one in sentences:
        values = _truth(one, truth)
        if values is None:
            continue
        clip = Clip(
            clip=f"{one.corpus}/{one.name}",
            modality="text",
            corpus=one.corpus,
            speaker=one.person,
            split=one.split,
            language="en",
            text=one.text,
            perspective=facts[one.corpus].perspective,  # type: ignore[arg-type]  # from CORPORA
            licence=facts[one.corpus].licence,
        )
        if context:
            who = _speaker(one)
            said = ({"speaker": who if same else "other", "text": t} for same, t in one.before)
            values = {**values, "speaker": who, "context": list(said)}
        made.append(replace(clip, **values))
    return made


def _speaker(one: Sentence) -> str | None:
    """Return who says a line; DailyDialog's letters mean other people in each dialogue."""
    is_letter = one.corpus == "dailydialog" and one.part is not None
    return f"{one.name.rpartition('/')[0]}/{one.part}" if is_letter else one.part


def dialogue(clip: Clip) -> str | None:
    """Return the dialogue of a clip, from its name; None when it is of none."""
    return clip.clip.rpartition("/")[0] if clip.corpus in _WHOLE else None


SPOKEN = ("meld", "emotionlines")
"""Corpora of what people say to each other, not of what was written to be read."""

_WHOLE = ("meld", "emotionlines", "dailydialog")


def _truth(one: Sentence, truth: str) -> Mapping[str, object] | None:
    if truth is None:
        return {}
    if truth == "affect":
        names = ("valence", "arousal", "dominance")
        return one.affect and dict(zip(names, one.affect, strict=True))
    labels = one.emotions if truth == "emotions" else one.categories
    if not labels or (truth == "label" and len(labels) > 1):
        return None
    return {"label": min(labels)} if truth == "label" else {"votes": dict.fromkeys(labels, 1.0)}


def _part(key: str, split: str, dev: int = 0) -> str:
    """Return the split of something: of 100 parts of the training data ``dev`` and 8 are cut."""
    if split != "train":
        return "dev"
    place = zlib.crc32(f"split {key}".encode()) % 100
    if place < dev:
        return "dev"
    return "validation" if place < dev + 8 else "train"


def _goemotions(folder: Path) -> Iterator[Sentence]:
    for split in ("train", "dev"):
        ekman = {key: ids for _, ids, key in _rows(folder / "ekman" / f"{split}.tsv")}
        for text, ids, key in _rows(folder / "original" / f"{split}.tsv"):
            yield Sentence(
                "goemotions",
                f"{split}/{key}",
                _part(key, split),
                text,
                emotions=frozenset(EMOTIONS[int(n)] for n in ids.split(",")),
                categories=frozenset(_EKMAN[int(n)] for n in ekman[key].split(",")),
            )


def _rows(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [line.split("\t") for line in lines]


def _xed(folder: Path) -> Iterator[Sentence]:
    annotated = _rows(folder / "AnnotatedData" / "en-annotated.tsv")
    neutral = [[" ".join(text), n] for n, *text in _rows(folder / "AnnotatedData" / "neu_en.txt")]
    for number, (text, ids) in enumerate(annotated + neutral):
        found = {_PLUTCHIK.get(label.strip()) for label in ids.split(",")} - {None}
        categories = frozenset(name for name in found if name)
        if categories and any(map(str.isalpha, text)):
            split = _part(plain(text), "train", dev=10)
            yield Sentence("xed", f"{number}", split, text, categories=categories)


def _emobank(folder: Path) -> Iterator[Sentence]:
    with (folder / "corpus" / "emobank.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            v, a, d = ((float(row[axis]) - 3.0) / 2.0 for axis in "VAD")
            document = row["id"].rsplit("_", 2)[0]
            if row["split"] != "test":
                split = _part(document, row["split"])
                yield Sentence(
                    "emobank", f"{document}/{row['id']}", split, row["text"], affect=(v, a, d)
                )


def _meld(folder: Path) -> Iterator[Sentence]:
    for split in ("train", "dev"):
        path = folder / "data" / "MELD" / f"{split}_sent_emo.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        talks: dict[str, list[tuple[str, str, str]]] = {}
        for row in rows:
            line = (row["Speaker"], row["Utterance"], _WORDS[row["Emotion"]])
            talks.setdefault(row["Dialogue_ID"], []).append(line)
        for talk, lines in talks.items():
            yield from _talk("meld", f"{split}-{talk}", split, lines)


def _emotionlines(folder: Path) -> Iterator[Sentence]:
    for split in ("train", "dev"):
        path = folder / "Friends" / f"friends_{split}.json"
        for number, talk in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            lines = [(u["speaker"], u["utterance"], _WORDS.get(u["emotion"], "")) for u in talk]
            yield from _talk("emotionlines", f"{split}-{number}", split, lines)


def _dailydialog(folder: Path) -> Iterator[Sentence]:
    for folder_name, split in (("train", "train"), ("validation", "dev")):
        texts = (folder / folder_name / f"dialogues_{folder_name}.txt").read_text("utf-8")
        labels = (folder / folder_name / f"dialogues_emotion_{folder_name}.txt").read_text("utf-8")
        both = zip(texts.strip().split("\n"), labels.strip().split("\n"), strict=True)
        for number, (line, numbers) in enumerate(both):
            said = [part.strip() for part in line.split("__eou__")[:-1]]
            names = [_DAILY[int(n)] for n in numbers.split()]
            if len(said) == len(names):
                talk = [
                    ("AB"[i % 2], t, n) for i, (t, n) in enumerate(zip(said, names, strict=True))
                ]
                yield from _talk("dailydialog", f"{split}-{number}", split, talk)


def _talk(
    corpus: str, name: str, split: str, lines: list[tuple[str, str, str]]
) -> Iterator[Sentence]:
    """Yield the utterances of a dialogue; those without a category are context only."""
    part = _part(f"{corpus} {name}", split)
    for number, (speaker, text, label) in enumerate(lines):
        if label and text.strip():
            before = tuple(
                (who == speaker, t) for who, t, _ in lines[max(0, number - CONTEXT) : number]
            )
            yield Sentence(
                *(corpus, f"{name}/{number}", part, text, before),
                categories=frozenset([label]),
                part=speaker,
            )


def _isear(folder: Path) -> Iterator[Sentence]:
    text = (folder / "isear.csv").read_text(encoding="utf-8", errors="replace")
    for number, row in enumerate(
        csv.DictReader(text.splitlines(), delimiter="|", quoting=csv.QUOTE_NONE)
    ):
        label, said = _WORDS.get(row["Field1"] or ""), re.sub(r"\s*á\s*", " ", row["SIT"] or "")
        if label and not said.startswith("[") and len(said) > 10:
            person = row["ID"][:5]
            split = _part(f"isear {person}", "train", dev=10)
            yield Sentence(
                *("isear", f"{number}", split, said.strip()),
                categories=frozenset([label]),
                person=f"isear/{person}",
            )


CORPORA = (
    Corpus("goemotions", "Apache-2.0", True, "expressed", _goemotions),
    Corpus("xed", "CC-BY-4.0", True, "expressed", _xed),
    Corpus("emobank", "CC-BY-SA-4.0", True, "reader", _emobank),
    Corpus(
        "meld",
        "GPL-3.0 for the labels, the scripts are not free: research",
        False,
        "expressed",
        _meld,
    ),
    Corpus("emotionlines", "research only", False, "expressed", _emotionlines),
    Corpus("dailydialog", "CC-BY-NC-SA-4.0", False, "expressed", _dailydialog),
    Corpus("isear", "none stated: research", False, "felt", _isear),
)
"""Every corpus that a package may be trained on."""
