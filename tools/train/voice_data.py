"""The four speech corpora: file names, labels, speakers held out; their log-mel frames."""

from __future__ import annotations

import hashlib
import json
import re
import wave
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo.datasets.clips import Clip as ManifestClip
from edge_emo.datasets.clips import write_clips
from edge_emo.features.audio import MelSpec, log_mel

Floats = npt.NDArray[np.float32]

SPEC = MelSpec()


@dataclass(frozen=True)
class Clip:
    """One labelled sound file."""

    path: Path
    corpus: str
    speaker: str
    split: str
    label: str


@dataclass(frozen=True)
class Corpus:
    """How one corpus names its files, and which of its speakers are held out.

    RAVDESS "calm" and EmoDB "boredom" have no category here and are left out.
    """

    name: str
    pattern: str
    grammar: str
    labels: dict[str, str]
    validation: frozenset[str]
    test: frozenset[str]
    language: str
    licence: str


def _ids(text: str) -> frozenset[str]:
    return frozenset(text.split())


CORPORA = (
    Corpus(
        "ravdess",
        "ravdess/Actor_*/*.wav",
        r"03-01-(?P<label>\d\d)-\d\d-\d\d-\d\d-(?P<speaker>\d\d)",
        dict(
            zip(
                ("01", "03", "04", "05", "06", "07", "08"),
                ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise"),
                strict=True,
            )
        ),
        _ids("15 16"),
        _ids("17 18 19 20"),
        "en",
        "CC-BY-NC-SA-4.0",
    ),
    Corpus(
        "emodb",
        "emodb/wav/*.wav",
        r"(?P<speaker>\d\d)[ab]\d\d(?P<label>[WLEAFTN])[a-z]",
        dict(
            zip(
                "WEAFTN",
                ("anger", "disgust", "fear", "happiness", "sadness", "neutral"),
                strict=True,
            )
        ),
        _ids("03"),
        _ids("12 14"),
        "de",
        "CC0-1.0",
    ),
    Corpus(
        "nemo",
        "nemo/samples/*.wav",
        r"(?P<speaker>[A-Z]+\d)_(?P<label>[a-z]+)_\d+",
        {name: name for name in ("anger", "fear", "happiness", "neutral", "sadness")}
        | {"surprised": "surprise"},
        _ids("MP0"),
        _ids("EB0 TP0"),
        "pl",
        "CC-BY-NC-SA-4.0",
    ),
    Corpus(
        "ased",
        "ased/*/*.wav",
        r"(?P<label>[nfhsaNFHSA])\d-\d\d-\d\d-\d\d-(?P<speaker>\d\d)",
        dict(zip("nfhsa", ("neutral", "fear", "happiness", "sadness", "anger"), strict=True)),
        _ids("01 11 21 31 41 51"),
        _ids("05 10 15 20 25 30 35 40 45 50 55"),
        "am",
        "none stated: research",
    ),
)


def read_corpora(data: Path) -> list[Clip]:
    """List every clip with a category, in a fixed order."""
    return [clip for corpus in CORPORA for clip in _read_corpus(data, corpus)]


def write_manifest(clips: list[Clip], data: Path, file: Path) -> None:
    """Write a manifest of clips whose paths are relative to ``data``."""
    licences = {corpus.name: (corpus.language, corpus.licence) for corpus in CORPORA}
    rows = []
    for clip in clips:
        language, licence = licences[clip.corpus]
        row = ManifestClip(
            clip=f"{clip.corpus}/{clip.path.stem}",
            modality="voice",
            corpus=clip.corpus,
            path=clip.path.relative_to(data).as_posix(),
            speaker=f"{clip.corpus}/{clip.speaker}",
            split=clip.split,
            language=language,
            label=clip.label,
            perspective="expressed",
            licence=licence,
        )
        rows.append(row)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_clips(file, rows)


def _read_corpus(data: Path, corpus: Corpus) -> Iterator[Clip]:
    for path in sorted(data.glob(corpus.pattern)):
        match = re.fullmatch(corpus.grammar, path.stem)
        if match is None:
            raise SystemExit(f"{path}: not a file name of {corpus.name}")
        code = match["label"].lower() if corpus.name == "ased" else match["label"]
        if label := corpus.labels.get(code):
            yield Clip(path, corpus.name, match["speaker"], _split(corpus, match), label)


def _split(corpus: Corpus, match: re.Match[str]) -> str:
    if match["speaker"] in corpus.test:
        return "test"
    return "validation" if match["speaker"] in corpus.validation else "train"


def read_wav(path: Path) -> Floats:
    """Read a 16 kHz mono 16-bit WAV file, full scale −1 … 1."""
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (16000, 1, 2):
            raise SystemExit(f"{path}: not 16 kHz mono 16 bit")
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm.astype(np.float32) / np.float32(32768)


def cached_features(paths: list[Path], cache: Path) -> list[Floats]:
    """Return the log-mel frames of each file, from the cache when it holds them."""
    key = hashlib.sha256(json.dumps([asdict(SPEC), [str(p) for p in paths]]).encode()).hexdigest()
    file = cache / f"logmel-{key[:16]}.npz"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        frames = [log_mel(read_wav(path)) for path in paths]
        lengths = np.array([len(f) for f in frames])
        np.savez(file, frames=np.concatenate(frames).astype(np.float16), lengths=lengths)
    with np.load(file) as held:
        return np.split(held["frames"], np.cumsum(held["lengths"])[:-1])
