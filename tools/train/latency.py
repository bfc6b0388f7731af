"""Time of one run of each file of a package on each backend, for the card."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo.manifest import read_package
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import Candidate, load_candidate

ROUNDS = 60
TURNS = 20
RUNS = {"tflite": "litert", "onnx": "onnx", "openvino-ir": "openvino"}
"""Backend that runs the files of a format here."""
WORDS = (
    "One run of the network alone on one thread of a shared x86-64 machine: medians over series "
    "of 20 runs, files by turns. Compare the rows; the times themselves say little of yours."
)


def table(folder: Path) -> list[dict[str, Any]]:
    """Time a package on one thread, backends by turns so that load on the machine hits all.

    Returns:
        Rows of backend, precision, ``p50_ms`` and ``least_ms``: of the means of short series.
    """
    package = read_package(folder)
    files = [file for file in package.files if file.format in RUNS and file.target != "jetson"]
    pairs = [(RUNS[file.format], file.precision) for file in files]
    models = [
        load_candidate(package, Candidate(backend, file.path, file.precision))
        for file, (backend, _) in zip(files, pairs, strict=True)
    ]
    rng = np.random.default_rng(0)
    inputs = {t.name: rng.standard_normal(t.shape, np.float32) for t in package.inputs}
    series = [[_mean_ms(model, inputs) for model in models] for _ in range(ROUNDS + 1)][1:]
    for model in models:
        model.close()
    return [
        {
            "backend": backend,
            "precision": precision,
            "p50_ms": round(float(np.median(column)), 4),
            "least_ms": round(float(np.min(column)), 4),
        }
        for (backend, precision), column in zip(pairs, zip(*series, strict=True), strict=True)
    ]


def _mean_ms(model: LoadedModel, inputs: dict[str, np.ndarray]) -> float:
    began_ns = time.perf_counter_ns()
    for _ in range(TURNS):
        model.run(inputs)
    return (time.perf_counter_ns() - began_ns) / TURNS / 1e6
