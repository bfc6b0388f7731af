"""What EEG tells of felt arousal and valence in DASPS, by subject: reported, not exported.

Eighteen people relived anxious situations; two trials of 15 s share the rating of a situation.
There is no calm pole and no pleasant one, so this measures what can be told, and how surely.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import personal
from eeg_data import HIGHPASS_HZ
from personal import Table

from edge_emo.features import eeg
from edge_emo.features.eeg_filter import StreamFilter
from edge_emo.features.eeg_quality import judge

FOLDS, INNER = 9, 5
LENGTH_S, HOP_S = 10.0, 5.0
STRENGTHS = (3.0, 10.0, 30.0, 100.0)
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
                choice = personal.choose(train, ONLY_PERSONAL, INNER, seed, STRENGTHS)
                net = personal.train_net(train, choice, ONLY_PERSONAL)
                score[is_out] = personal.evidence(net, table.take(is_out), told=False)
            mean, label, subject = personal.parts(table, score)
            yield {
                "scale": scale,
                "seed": seed,
                "subjects": len(np.unique(subject)),
                "situations": len(label),
                "share high": round(float(label.mean()), 3),
                "balanced": round(personal.balanced(mean, label), 3),
                "balanced_interval": personal.interval(personal.balanced, mean, label, subject),
                "auc": round(personal.area(mean, label), 3),
                "permutation_p": round(personal.by_luck(personal.area, mean, label, subject), 4),
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
    nothing = np.zeros_like(values)
    return Table(
        values, masks, nothing, nothing, np.array(labels), np.array(subjects), np.array(parts)
    )


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
