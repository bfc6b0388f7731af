"""Whether a baseline of rest helps: recall of people and places before and after.

What a package says of every window is asked once; baselines are learned from and applied to these
predictions by the code of ``edge_emo.estimators.resting``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pad import PAD

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.clips import Clip
from edge_emo.datasets.decode import decode_clip
from edge_emo.estimators.baseline import Baseline
from edge_emo.estimators.calibration import expected_calibration_error, mean_posterior
from edge_emo.estimators.create import create_estimator
from edge_emo.estimators.resting import STRENGTH, learned, moved
from edge_emo.types import Chunk, Prediction

REST = "neutral"
REST_S = 30.0
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
_PLACE_WINDOWS = 64

Spoil = Callable[[Any, np.random.Generator], Any]
"""Makes the samples or the picture of a clip worse, as a place does."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a package says of the windows of one clip."""

    speaker: str
    label: str
    duration_s: float
    windows: Sequence[Prediction]


@dataclasses.dataclass(frozen=True)
class Judged:
    """One scored clip: who, the true label, and the mean of its moved windows."""

    speaker: str
    label: str
    guess: str
    confidence: float
    arousal: float | None


def ask(
    package: str, clips: Iterable[Clip], root: Path, spoil: Spoil | None = None
) -> list[Answer]:
    """Run a package over labelled clips; those of which every window abstains are left out."""
    estimator = create_estimator(package, MonotonicClock())
    random, answers = np.random.default_rng(7), []
    for clip in clips:
        info, chunk = decode_clip(clip, root)
        estimator.start(info)
        if spoil is not None:
            chunk = _spoiled(chunk, spoil, random)
        said = [estimator.predict(window) for window in estimator.windows_of(chunk)]
        windows = [one for one in said if one.posterior is not None]
        if windows and clip.label in (windows[0].posterior or ()):
            duration_s = (chunk.end_ns - chunk.t_ns) / 1e9
            answers.append(Answer(clip.speaker or "", clip.label or "", duration_s, windows))
    estimator.close()
    return answers


def _spoiled(chunk: Chunk, spoil: Spoil, random: np.random.Generator) -> Chunk:
    data = chunk.samples[:, 0] if chunk.data.ndim == 2 else chunk.image  # type: ignore[union-attr]
    worse = spoil(data, random)
    return dataclasses.replace(chunk, data=worse[:, None] if worse.ndim == 1 else worse)


def judge(answer: Answer, baseline: Baseline | None, strength: float) -> Judged:
    """Return the mean answer of a clip's windows, moved by a baseline."""
    windows = list(answer.windows)
    if baseline is not None:
        windows = [moved(one, baseline, strength) for one in windows]
    mean = mean_posterior([one.posterior for one in windows if one.posterior is not None])
    known = [one.arousal for one in windows if one.arousal is not None]
    arousal = float(np.mean(known)) if known else None
    return Judged(answer.speaker, answer.label, mean.label, mean.confidence, arousal)


def of_people(answers: Sequence[Answer], strength: float) -> dict[str, list[Judged]]:
    """Judge each person by a baseline of that person, before and after.

    One half of the person's resting clips is the baseline, at most half a minute of it; the other
    half and half of all other clips are scored. Then the halves change places, so that each clip
    is scored once.
    """
    judged: dict[str, list[Judged]] = {"before": [], "after": []}
    for speaker in sorted({answer.speaker for answer in answers}):
        own = [answer for answer in answers if answer.speaker == speaker]
        halves = _halves([n for n, one in enumerate(own) if one.label == REST])
        for turn, resting in enumerate(halves):
            baseline = _of([own[n] for n in resting])
            scored = [
                one
                for n, one in enumerate(own)
                if n not in resting and (one.label == REST or n % len(halves) == turn)
            ]
            judged["before"] += [judge(one, None, strength) for one in scored]
            judged["after"] += [judge(one, baseline, strength) for one in scored]
    return judged


def of_place(answers: Sequence[Answer], strength: float) -> dict[str, list[Judged]]:
    """Judge each person by a baseline of the other people at the place, before and after."""
    judged: dict[str, list[Judged]] = {"before": [], "after": []}
    random = np.random.default_rng(3)
    for group in _groups(answers):
        others = [one for one in answers if one not in group and one.label == REST]
        windows = [window for one in others for window in one.windows]
        chosen = random.permutation(len(windows))[:_PLACE_WINDOWS]
        baseline = learned([windows[n] for n in chosen])
        judged["before"] += [judge(one, None, strength) for one in group]
        judged["after"] += [judge(one, baseline, strength) for one in group]
    return judged


def _groups(answers: Sequence[Answer]) -> list[list[Answer]]:
    """Return the clips of each person; in four parts where nobody is named."""
    speakers = sorted({one.speaker for one in answers})
    if speakers == [""]:
        return [list(answers[n::4]) for n in range(4)]
    return [[one for one in answers if one.speaker == speaker] for speaker in speakers]


def _halves(places: Sequence[int]) -> list[set[int]]:
    mixed = np.random.default_rng(1).permutation(np.array(places, dtype=int)).tolist()
    halves = [set(mixed[::2]), set(mixed[1::2])]
    return [half for half in halves if half]


def _of(resting: Sequence[Answer]) -> Baseline:
    windows: list[Prediction] = []
    heard_s = 0.0
    for answer in resting:
        if heard_s < REST_S:
            windows += answer.windows
        heard_s += answer.duration_s
    return learned(windows)


Pair = tuple[Judged, Judged]


def figures(judged: Mapping[str, Sequence[Judged]], seed: int = 0) -> dict[str, Any]:
    """Return recall, calibration and arousal before and after; intervals over people.

    Recall and its gain are means over people; over all clips where nobody is named, and then the
    interval is over clips.
    """
    pairs = list(zip(judged["before"], judged["after"], strict=True))
    people = _by_speaker(pairs)
    random = np.random.default_rng(seed)
    if len(people) > 1:
        gains = [_gain(own) for own in people]
        draws = [np.mean(random.choice(gains, len(gains))) for _ in range(2000)]
    else:
        draws = [_gain([pairs[n] for n in _drawn(len(pairs), random)]) for _ in range(500)]
        gains = [_gain(pairs)]
    return {
        "people": len(people) if pairs[0][0].speaker else 0,
        "clips": len(pairs),
        "before": _row([[before for before, _ in own] for own in people]),
        "after": _row([[after for _, after in own] for own in people]),
        "gain": float(np.mean(gains)),
        "interval": np.percentile(draws, [2.5, 97.5]).tolist(),
    }


def _drawn(count: int, random: np.random.Generator) -> list[int]:
    drawn: list[int] = random.integers(count, size=count).tolist()
    return drawn


def _by_speaker(pairs: Sequence[Pair]) -> list[list[Pair]]:
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair[0].speaker, []).append(pair)
    return list(groups.values())


def _gain(pairs: Sequence[Pair]) -> float:
    return recall([after for _, after in pairs]) - recall([before for before, _ in pairs])


def recall(judged: Sequence[Judged]) -> float:
    """Return the mean recall of the labels that occur."""
    hits: dict[str, list[bool]] = {}
    for one in judged:
        hits.setdefault(one.label, []).append(one.guess == one.label)
    return float(np.mean([np.mean(found) for found in hits.values()]))


def _row(people: Sequence[Sequence[Judged]]) -> dict[str, float | None]:
    judged = [one for own in people for one in own]
    right = [one.guess == one.label for one in judged]
    known = [(one.arousal, PAD[one.label][1]) for one in judged if one.arousal is not None]
    return {
        "recall": float(np.mean([recall(own) for own in people])),
        "rest": float(np.mean([one.guess == REST for one in judged if one.label == REST])),
        "ece": expected_calibration_error([one.confidence for one in judged], right),
        "arousal_r": float(np.corrcoef(np.array(known).T)[0, 1]) if known else None,
    }


def study(answers: Sequence[Answer], of: str = "people") -> dict[str, Any]:
    """Return figures at the strength in use, and the gain at others."""
    way = of_people if of == "people" else of_place
    return {
        **figures(way(answers, STRENGTH)),
        "strengths": {f"{s:g}": figures(way(answers, s))["gain"] for s in STRENGTHS},
    }
