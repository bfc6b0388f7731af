"""Which sound belongs to which corpus: labels, speakers, and who is held out of which run.

Clips are named by their path below the data folder without its ending, so that a corpus reads
alike from a tree of WAV files and from an archive of Opus files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pad import PAD

from edge_emo.types import CATEGORIES

SPEECH, BURST, OTHER = 0, 1, 2
KINDS = ("speech", "vocal burst", "other sound")

# Arousal without a category is a judgement: the levels of baved, and calm and boredom.
LEVELS = {"level0": -0.5, "level1": 0.0, "level2": 0.6, "calm": -0.3, "boredom": -0.5}
INTENSITY = {"01": 0.8, "02": 1.2}


@dataclass(frozen=True)
class Corpus:
    """How one corpus names its clips.

    Attributes:
        name: Folder below the data.
        grammar: Pattern of a clip's name with the groups ``label`` and ``speaker``.
        labels: Its codes; a value that is no category gives arousal or a kind only.
        weight: Share of the research runs' draws.
        validation: Speakers on which a package's temperature is fitted.
        language: Code of the language.
        licence: Licence of the corpus.
    """

    name: str
    grammar: str
    labels: dict[str, str]
    weight: float
    validation: frozenset[str]
    language: str
    licence: str
    commercial: bool = False


@dataclass(frozen=True)
class Sound:
    """One clip: name, corpus, speaker, label (a category or a word of its own), and targets.

    ``category`` is −1, ``arousal`` and ``valence`` are NaN, ``kind`` is −1 where unknown.
    """

    name: str
    corpus: str
    speaker: str
    label: str
    category: int
    arousal: float
    valence: float
    kind: int


def _ids(text: str) -> frozenset[str]:
    return frozenset(text.split())


CORPORA = (
    Corpus(
        "ravdess",
        r"ravdess/Actor_\d\d/03-01-(?P<label>\d\d)-(?P<intensity>\d\d)-\d\d-\d\d-(?P<speaker>\d\d)",
        dict(
            zip(
                ("01", "02", "03", "04", "05", "06", "07", "08"),
                ["neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"],
                strict=True,
            )
        ),
        0.19,
        _ids("15 16"),
        "en",
        "CC-BY-NC-SA-4.0",
    ),
    Corpus(
        "emodb",
        r"emodb/wav/(?P<speaker>\d\d)[ab]\d\d(?P<label>[WLEAFTN])[a-z]",
        dict(
            zip(
                "WLEAFTN",
                ["anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"],
                strict=True,
            )
        ),
        0.14,
        _ids("03"),
        "de",
        "CC0-1.0",
        commercial=True,
    ),
    Corpus(
        "nemo",
        r"nemo/samples/(?P<speaker>[A-Z]+\d)_(?P<label>[a-z]+)_\d+",
        {name: name for name in ("anger", "fear", "happiness", "neutral", "sadness")}
        | {"surprised": "surprise"},
        0.24,
        _ids("MP0"),
        "pl",
        "CC-BY-NC-SA-4.0",
    ),
    Corpus(
        "ased",
        r"ased/\d\d[A-Za-z]+/(?P<label>[nfhsaNFHSA])\d-\d\d-\d\d-\d\d-(?P<speaker>\d\d)",
        dict(zip("nfhsa", ("neutral", "fear", "happiness", "sadness", "anger"), strict=True)),
        0.17,
        _ids("01 11 21 31 41 51"),
        "am",
        "none stated: research",
    ),
    Corpus(
        "tess",
        r"tess/[A-Za-z_]+/(?P<speaker>OAF)_[a-z]+_(?P<label>[a-z]+)",
        dict(
            zip(
                ["angry", "disgust", "fear", "happy", "neutral", "sad", "ps"],
                ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"],
                strict=True,
            )
        ),
        0.06,
        _ids(""),
        "en",
        "CC-BY-NC-ND-4.0",
    ),
    Corpus(
        "baved",
        r"baved/\d/(?P<speaker>\d+)-[mf]-\d+-\d-(?P<label>[012])-\d+",
        {"0": "level0", "1": "level1", "2": "level2"},
        0.05,
        _ids("7 15 23 31 39 47"),
        "ar",
        "none stated: research",
    ),
    Corpus(
        "emogator",
        r"emogator/data/mp3/(?P<speaker>\d{6})-(?P<label>\d\d)-\d",
        {},
        0.07,
        _ids(""),
        "none",
        "Apache-2.0",
        commercial=True,
    ),
    Corpus(
        "noise",
        r"noise/(?P<label>(?P<speaker>esc10_[a-z_]+|speech_commands_[a-z_]+))_?[^/]*",
        {},
        0.08,
        _ids(""),
        "none",
        "ESC-10 CC-BY-3.0, Speech Commands CC-BY-4.0",
        commercial=True,
    ),
)
BY_NAME = {corpus.name: corpus for corpus in CORPORA}
TARGETS = ("ravdess", "emodb", "nemo", "ased")
"""The corpora that are left out whole, one at a time."""

FOLDS = 8
COMMERCIAL_FOLDS = 4


def read_sound(name: str) -> Sound | None:
    """Read a clip's name; None when it is of no corpus here."""
    corpus = BY_NAME.get(name.split("/")[0])
    match = re.fullmatch(corpus.grammar, name) if corpus else None
    if corpus is None or match is None:
        return None
    code = match["label"].lower() if corpus.name == "ased" else match["label"]
    label = corpus.labels.get(code, code)
    scale = INTENSITY[match["intensity"]] if corpus.name == "ravdess" else 1.0
    valence, arousal, _ = PAD.get(label, (float("nan"), LEVELS.get(label, float("nan")), 0.0))
    category = CATEGORIES.index(label) if label in CATEGORIES else -1
    kind = _kind(corpus.name, label)
    return Sound(name, corpus.name, match["speaker"], label, category, arousal * scale,
                 valence * scale, kind)  # fmt: skip


def _kind(corpus: str, label: str) -> int:
    if corpus == "emogator":
        return BURST
    if corpus != "noise":
        return SPEECH
    human = any(word in label for word in ("baby", "sneeze", "miaowing"))
    return -1 if human else OTHER


def read_sounds(names: Iterable[str]) -> list[Sound]:
    """Read names in a fixed order; those of no corpus are left out."""
    return [sound for name in sorted(set(names)) if (sound := read_sound(name))]


# --- who is held out --------------------------------------------------------------------------


def groups(sounds: Iterable[Sound], folds: int) -> dict[str, int]:
    """Return the fold of each ``corpus/speaker``; RAVDESS actors stay in pairs, man and woman."""
    speakers: dict[str, list[str]] = {}
    for corpus, speaker in sorted({(s.corpus, s.speaker) for s in sounds}):
        speakers.setdefault(corpus, []).append(speaker)
    fold = {}
    for corpus, names in speakers.items():
        step = 2 if corpus == "ravdess" else 1
        for place, name in enumerate(names):
            fold[f"{corpus}/{name}"] = place // step % folds
    return fold


def test_noise(sounds: Iterable[Sound]) -> set[str]:
    """Return the names of the noise that no run sees: every fourth recording, all of its takes."""
    noise = {s.name: re.sub(r"-[A-Z]$", "", s.name) for s in sounds if s.corpus == "noise"}
    quiet = set(sorted(set(noise.values()))[2::4])
    return {name for name, recording in noise.items() if recording in quiet}


STEMS = ("half0", "half1", "without-ravdess-emodb", "without-nemo-ased")
"""Runs that others go on from: together they hold out everybody whom a later run holds out."""


def run_names() -> list[str]:
    """Return every run that is kept: joint folds, one corpus left out, what the packages hold."""
    folds = [f"fold{k}" for k in range(FOLDS)]
    left_out = [f"without-{name}" for name in TARGETS]
    commercial = [f"commercial-fold{k}" for k in range(COMMERCIAL_FOLDS)]
    return [*folds, *left_out, "research", *commercial, "commercial"]


def held_out(run: str, sounds: list[Sound]) -> set[str]:
    """Return the names of the clips that a run must not see.

    ``foldK`` holds out the K-th group of speakers of every corpus at once (TESS has one speaker,
    who is in no test), ``without-X`` a corpus, ``research`` and ``commercial`` their validation
    speakers. ``halfK`` holds out four folds, ``without-X-Y`` two corpora, both the validation
    speakers as well, so that ``research`` may go on from them. Commercial runs see commercial
    corpora only.
    """
    commercial = run.startswith("commercial")
    fold = groups(sounds, COMMERCIAL_FOLDS if commercial else FOLDS)
    hidden = test_noise(sounds)
    for sound in sounds:
        corpus = BY_NAME[sound.corpus]
        foreign = commercial and not corpus.commercial
        if foreign or _hides(run, sound, fold[f"{sound.corpus}/{sound.speaker}"]):
            hidden.add(sound.name)
    return hidden


def _hides(run: str, sound: Sound, group: int) -> bool:
    """Tell whether a run must not see a clip whose speaker is in this fold."""
    if sound.corpus == "noise":
        return False
    judges = sound.speaker in BY_NAME[sound.corpus].validation
    judges |= sound.corpus == "emogator" and group == 3
    if match := re.search(r"fold(\d)$", run):
        return group == int(match[1]) and sound.corpus != "tess"
    if match := re.fullmatch(r"half(\d)", run):
        return judges or (group // (FOLDS // 2) == int(match[1]) and sound.corpus != "tess")
    if run.startswith("without-"):
        without = run.removeprefix("without-").split("-")
        return sound.corpus in without or (judges and len(without) > 1)
    return judges
