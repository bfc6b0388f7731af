"""Scoring a recipe by ``edge-emo evaluate`` on subjects that no fold's net has seen.

Each fold's net is exported to a package of its own and run over the clips of its left-out
subjects by the same code as ``edge-emo evaluate``; what was said of all clips is pooled.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import personal

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.clips import Clip, read_clips
from edge_emo.estimators.calibration import expected_calibration_error
from edge_emo.estimators.create import build_estimator
from edge_emo.evaluation.evaluate import Outcome, Run, TimedModel, run_clips, summarise
from edge_emo.manifest import ModelPackage, read_package
from edge_emo.runtime.choose import load_model

BASELINE = "baseline"
"""Name of the split that holds each subject's rest."""


@dataclass(frozen=True)
class Fold:
    """One exported fold.

    Attributes:
        folder: Its package.
        speakers: Those whose clips it is scored on.
    """

    folder: Path
    speakers: frozenset[str]


def score_folds(
    folds: Sequence[Fold], manifest: Path, split: str, *, told: bool, backend: str = "litert"
) -> dict[str, Any]:
    """Return one entry of ``evaluations`` and the intervals of its figures.

    Args:
        folds: The packages.
        manifest: Clips of all subjects; those of the split ``baseline`` are their rest.
        split: The clips in words.
        told: With the baselines.
        backend: What runs the packages.
    """
    outcomes: list[Outcome] = []
    runs_ns: list[int] = []
    baselines = left_out = 0
    for fold in folds:
        package = read_package(fold.folder)
        ran, took_ns = _run(package, manifest, fold.speakers, told=told, backend=backend)
        outcomes += ran.outcomes
        runs_ns += took_ns
        baselines += ran.n_baselines
        left_out += ran.n_left_out
    package = read_package(folds[0].folder)
    report = summarise(package, Run(outcomes, left_out, baselines), runs_ns, backend=backend)
    words = f"{split}, {'with' if told else 'without'} baseline"
    return {"split": words, **report.to_json(), **_intervals(outcomes, package.labels)}


def _run(
    package: ModelPackage, manifest: Path, speakers: frozenset[str], *, told: bool, backend: str
) -> tuple[Run, list[int]]:
    clips = [one for one in read_clips(manifest) if one.speaker in speakers]
    if not told:
        clips = [one for one in clips if one.split != BASELINE]
    clock = MonotonicClock()
    model = TimedModel(load_model(package, backend=backend), clock)
    estimator = build_estimator(package, model, clock)
    try:
        split = BASELINE if told else None
        ran = run_clips(estimator, package, clips, manifest.parent, baseline_split=split)
    finally:
        estimator.close()
    return ran, model.runs_ns


def _intervals(outcomes: Sequence[Outcome], labels: Sequence[str]) -> Mapping[str, Any]:
    """Return the area's 95 % interval over bootstrapped subjects, and a permutation test within.

    The permutation exchanges the labels of whole recordings and periods.
    """
    answered = [one for one in outcomes if one.prediction.posterior is not None]
    chance = np.array([one.prediction.posterior[labels[1]] for one in answered])
    score = np.log(np.clip(chance, 1e-9, 1.0)) - np.log(np.clip(1.0 - chance, 1e-9, 1.0))
    label = np.array([labels.index(one.clip.label or "") for one in answered])
    _, subject = np.unique([one.clip.speaker or "" for one in answered], return_inverse=True)
    recording = np.array(_recordings([one.clip for one in answered]))
    luck = personal.by_luck(personal.area, score, label, subject, recording, 1000)
    return {
        "roc_auc_interval": personal.interval(personal.area, score, label, subject),
        "calibration_error_by_luck": round(_calibration_by_luck(chance), 3),
        "permutation_p": round(luck, 4),
    }


def _recordings(clips: Sequence[Clip]) -> list[int]:
    """Number the stretches of clips of one file with one label, in the order of their time."""
    order = sorted(range(len(clips)), key=lambda n: (clips[n].path or "", clips[n].start_s or 0.0))
    numbers = [0] * len(clips)
    for before, now in itertools.pairwise(order):
        same = (clips[before].path, clips[before].label) == (clips[now].path, clips[now].label)
        numbers[now] = numbers[before] + (not same)
    return numbers


def _calibration_by_luck(chance: personal.Array, draws: int = 1000) -> float:
    """Return the mean calibration error of so few clips if every posterior were true."""
    random = np.random.default_rng(0)
    sure, guess = np.maximum(chance, 1.0 - chance), chance > 0.5
    hits = (random.random((draws, len(chance))) < chance) == guess
    return float(np.mean([expected_calibration_error(sure, row) for row in hits]))
