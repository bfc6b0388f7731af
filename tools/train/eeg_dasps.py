"""What EEG tells of felt arousal and valence in DASPS, by subject: reported, not exported.

Eighteen people relived anxious situations; two trials of 15 s share the rating of a situation.
There is no calm pole and no pleasant one, so this measures what can be told, and how surely:
by models trained on the other people, and by the package of mental load, which has seen none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import personal
from eeg_data import HIGHPASS_HZ
from personal import Table

from edge_emo.clock import MonotonicClock
from edge_emo.estimators.create import build_estimator
from edge_emo.estimators.personal import PersonalEstimator
from edge_emo.features import eeg
from edge_emo.features.eeg_filter import StreamFilter
from edge_emo.features.eeg_quality import judge
from edge_emo.manifest import read_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, StreamInfo

FOLDS, INNER = 9, 5
LENGTH_S, HOP_S = 10.0, 5.0
SCALES = ("valence", "arousal")
LOW, HIGH = 4.0, 6.0
ONLY_PERSONAL = [eeg.FEATURES.index(name) for name in eeg.PERSONAL]


def figures(path: Path) -> Iterator[dict[str, Any]]:
    """Yield balanced recall per situation of each scale, its interval and permutation test.

    Args:
        path: ``dasps_raw.npz``: arrays SNN_data (trials, samples, channels), SNN_labels (valence
            and arousal, 1 … 9, by trial), ``channels``, ``rate_hz``, ``unit_uv``.
    """
    for scale in SCALES:
        table = read_table(path, scale)
        for seed in (0, 1, 2):
            score = np.zeros(len(table))
            for out in personal.folds(table.subject, FOLDS, seed):
                is_out = np.isin(table.subject, out)
                train = table.take(~is_out)
                setup = personal.choose(train, ONLY_PERSONAL, INNER, seed)
                net = personal.fit_net(train, setup, ONLY_PERSONAL)
                score[is_out] = personal.evidence(net, table.take(is_out), told=False)
            who = f"trained on the other people, {FOLDS} folds, seed {seed}"
            yield {"scale": scale, "by": who, **_row(*personal.parts(table, score))}


def transferred(path: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield how well a package of mental load tells high from low arousal, per situation.

    With a baseline, that of each person is the mean of all trials, whose ratings it does not see:
    these recordings have no rest.

    Args:
        path: As for :func:`figures`.
        folder: The package.
    """
    package, clock = read_package(folder), MonotonicClock()
    estimator = build_estimator(package, load_model(package), clock)
    with contextlib.closing(estimator):
        if not isinstance(estimator, PersonalEstimator):
            raise TypeError(f"{folder} reads no baseline")
        for told in (False, True):
            rows = [row for one in _people(path) for row in _situations(estimator, one, told=told)]
            score, label, subject = (np.array(column) for column in zip(*rows, strict=True))
            rest = "the person's mean of all trials as baseline" if told else "without baseline"
            yield {"scale": "arousal", "by": f"{package.id}, {rest}", **_row(score, label, subject)}


def table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows of :func:`transferred` and :func:`figures` as a table of a card."""
    keys = ("scale", "by", "situations", "share high", "balanced", "balanced_interval", "auc",
            "permutation_p")  # fmt: skip
    head = ["felt", "told by", "situations", "share high", "balanced recall", "its 95 % interval",
            "ROC AUC", "permutation test p"]  # fmt: skip
    return {
        "title": "Felt arousal and valence",
        "what": "DASPS, 14 channels: anxious situations rated at least 6 against at most 4, the "
        "mean of two trials of 15 s. The package has seen none of these people.",
        "head": head,
        "rows": [[row[key] for key in keys] for row in rows],
    }


@dataclass(frozen=True)
class _Person:
    subject: int
    info: StreamInfo
    trials: list[Chunk]
    arousal: list[float]


def _people(path: Path) -> Iterator[_Person]:
    archive = np.load(path)
    names = tuple(str(name) for name in archive["channels"])
    rate_hz, unit_uv = float(archive["rate_hz"]), np.float32(archive["unit_uv"])
    info = StreamInfo("eeg", rate_hz, names, "uv", "DASPS", live=False)
    for key in sorted(name for name in archive if name.endswith("_data")):
        trials = [Chunk("eeg", 0, 0, rate_hz, trial * unit_uv) for trial in archive[key]]
        ratings = archive[key.replace("_data", "_labels")][SCALES.index("arousal")]
        yield _Person(int(key[1:3]), info, trials, ratings.tolist())


def _situations(
    estimator: PersonalEstimator, person: _Person, *, told: bool
) -> Iterator[tuple[float, int, int]]:
    """Yield the mean log odds of load, whether arousal is high, and the subject."""
    estimator.start(person.info)
    estimator.adopt(None)
    windows = [estimator.windows_of(trial) for trial in person.trials]
    if told:
        estimator.adopt(estimator.rest([one for part in windows for one in part]))
    answers = [estimator.clip(trial).posterior for trial in person.trials]
    for i in range(0, len(answers), 2):
        known = [one["load"] for one in answers[i : i + 2] if one is not None]
        rating = person.arousal[i]
        if known and not LOW < rating < HIGH:
            chance = float(np.mean(known))
            yield float(np.log(chance / (1.0 - chance))), int(rating >= HIGH), person.subject


def _row(
    score: personal.Array, label: npt.NDArray[np.int64], subject: npt.NDArray[np.int64]
) -> dict[str, Any]:
    return {
        "subjects": len(np.unique(subject)),
        "situations": len(label),
        "share high": round(float(label.mean()), 3),
        "balanced": round(personal.balanced(score, label), 3),
        "balanced_interval": personal.interval(personal.balanced, score, label, subject),
        "auc": round(personal.area(score, label), 3),
        "permutation_p": round(personal.by_luck(personal.area, score, label, subject), 4),
    }


def read_table(path: Path, scale: str) -> Table:
    """Return windows of the trials rated at most 4 or at least 6; no baseline is known."""
    archive = np.load(path)
    montage = eeg.montage_of([str(name) for name in archive["channels"]])
    rate_hz, unit_uv = float(archive["rate_hz"]), np.float32(archive["unit_uv"])
    rows, labels, subjects, parts = [], [], [], []
    for key in sorted(name for name in archive if name.endswith("_data")):
        ratings = archive[key.replace("_data", "_labels")][SCALES.index(scale)]
        for trial, rating in enumerate(ratings.tolist()):
            if LOW < rating < HIGH:
                continue
            for row in _windows(archive[key][trial] * unit_uv, montage, rate_hz):
                rows.append(row)
                labels.append(int(rating >= HIGH))
                subjects.append(int(key[1:3]))
                parts.append(trial // 2)
    values, masks = (np.stack(column).astype(np.float64) for column in zip(*rows, strict=True))
    nothing, full = np.zeros_like(values), np.ones(len(values), np.bool_)
    columns = (np.array(one) for one in (labels, subjects, parts))
    return Table(values, masks, nothing, nothing, *columns, full)


def _windows(
    trial_uv: npt.NDArray[np.float32], montage: eeg.Montage, rate_hz: float
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    raw = trial_uv[:, montage.columns]
    filtered = StreamFilter(rate_hz, raw.shape[1], highpass_hz=HIGHPASS_HZ).process(raw)
    length, hop = round(LENGTH_S * rate_hz), round(HOP_S * rate_hz)
    for i in range(0, len(raw) - length + 1, hop):
        spectra = eeg.spectrum(filtered[i : i + length], rate_hz)
        fit = judge(raw[i : i + length], spectra, rate_hz).fit
        if fit.any():
            yield eeg.region_features(spectra, montage, fit)
