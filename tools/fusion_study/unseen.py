"""Clips of prepared corpora that the packaged models were not trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from voice_corpora import BY_NAME

from edge_emo.datasets.clips import Clip, read_clips
from edge_emo.types import Modality

VOICES = ("ravdess", "emodb", "nemo", "ased")
_PIECE_S, _LATEST_S = 10.0, 60.0


def labelled(have: Path, corpus: str) -> list[Clip]:
    """Return the labelled clips of ``have/CORPUS.jsonl``."""
    return [clip for clip in read_clips(have / f"{corpus}.jsonl") if clip.label is not None]


def voices(have: Path) -> list[Clip]:
    """Return the clips of people whom the default voice package was not trained on."""
    return [
        clip
        for corpus in VOICES
        for clip in labelled(have, corpus)
        if (clip.speaker or "").partition("/")[2] in BY_NAME[corpus].validation
    ]


def faces(have: Path) -> list[Clip]:
    """Return FER2013's PublicTest, with the majority of FER+."""
    return [clip for clip in labelled(have, "fer2013plus") if clip.split == "validation"]


def texts(have: Path) -> list[Clip]:
    """Return the dev part of GoEmotions, comments of one category."""
    return [clip for clip in labelled(have, "goemotions") if clip.split == "dev"]


def brains(have: Path) -> list[Clip]:
    """Return pieces of ten seconds of EEGMAT: the EEG package was trained on these people."""
    return [
        dataclasses.replace(
            clip, clip=f"{clip.clip}/{begin:g}", start_s=begin, end_s=begin + _PIECE_S
        )
        for clip in labelled(have, "eegmat")
        for begin in range(0, round(_LATEST_S - _PIECE_S), round(_PIECE_S))
    ]


CLIPS: Mapping[Modality, Callable[[Path], list[Clip]]] = {
    "face": faces,
    "voice": voices,
    "text": texts,
    "eeg": brains,
}
