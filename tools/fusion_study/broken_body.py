"""How broken body signals are noticed, on what the packages say of real recordings.

EEGMAT (EEG) and Stress-Predict (pulse and skin) run for three minutes each; the packages were
trained on these people. Faults are simulated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fusion_study.unseen import labelled

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.decode import decode_clip
from edge_emo.estimators.create import create_estimator
from edge_emo.fusion.base import Vote
from edge_emo.fusion.steadiness import SteadinessWatch
from edge_emo.manifest import find_package
from edge_emo.types import Modality, Posterior, Prediction

FAULTS = ("random", "stuck", "always aroused")
CORPORA: dict[Modality, str] = {"eeg": "eegmat", "physio": "stress-predict"}
HOP_S: dict[Modality, float] = {"eeg": 1.0, "physio": 10.0}
SECONDS = 180.0
_SECOND = 1_000_000_000


def recordings(modality: Modality, have: Path) -> list[list[Prediction]]:
    """Return what the default package says of each person's clips, one after the other."""
    estimator = create_estimator(find_package(modality).id, MonotonicClock())
    people: dict[str, list[Prediction]] = {}
    for clip in labelled(have, CORPORA[modality]):
        info, chunk = decode_clip(clip, have)
        estimator.start(info)
        said = people.setdefault(clip.speaker or "", [])
        said += [estimator.predict(window) for window in estimator.windows_of(chunk)]
    estimator.close()
    answered = [[one for one in said if one.posterior is not None] for said in people.values()]
    return [said for said in answered if len(said) > 1]


def paced(said: Sequence[Prediction], hop_s: float) -> list[Prediction]:
    """Return predictions one after another, ``hop_s`` apart, for three minutes; it begins again."""
    count = round(SECONDS / hop_s)
    return [
        dataclasses.replace(said[n % len(said)], t_ns=round(n * hop_s * _SECOND))
        for n in range(count)
    ]


def spoiled(
    said: Sequence[Prediction], fault: str, random: np.random.Generator
) -> list[Prediction]:
    """Return the same predictions of a sensor that is broken."""
    names = said[0].posterior.names if said[0].posterior is not None else ()
    held = random.uniform(0.05, 0.95)
    share = {
        "random": lambda: random.uniform(0.02, 0.98),
        "stuck": lambda: held,
        "always aroused": lambda: random.uniform(0.85, 0.95),
    }[fault]
    result = []
    for one in said:
        aroused = float(share())
        posterior = Posterior(names, (1.0 - aroused, aroused))
        result.append(dataclasses.replace(one, posterior=posterior, arousal=aroused - 0.5))
    return result


def first_doubt(stream: Sequence[Prediction]) -> float:
    """Return when a stream was first doubted, in seconds; infinity for never."""
    watch, newest = SteadinessWatch(), 0
    for step in range(round(SECONDS * 2)):
        t_ns = step * _SECOND // 2
        while newest + 1 < len(stream) and stream[newest + 1].t_ns <= t_ns:
            newest += 1
        watch.look([Vote(stream[newest], 1.0)], t_ns)
        if watch.doubts:
            return step / 2
    return np.inf


def study(have: Path) -> dict[str, Any]:
    """Return, by modality and fault, how many streams were doubted, and after how long."""
    random, result = np.random.default_rng(0), dict[str, Any]()
    for modality, hop_s in HOP_S.items():
        streams = [paced(said, hop_s) for said in recordings(modality, have)]
        rows = {"none": [first_doubt(one) for one in streams]}
        for fault in FAULTS:
            rows[fault] = [first_doubt(spoiled(one, fault, random)) for one in streams]
        result[modality] = {name: _summary(times) for name, times in rows.items()}
    return result


def _summary(times: Sequence[float]) -> dict[str, float | None]:
    found = [t for t in times if np.isfinite(t)]
    return {
        "streams": len(times),
        "within_30_s": float(np.mean([t <= 30.0 for t in times])),
        "ever": len(found) / len(times),
        "median_s": float(np.median(found)) if found else None,
    }
