"""Each exported EEG file must know which of its outputs is which label.

The input is made, not recorded: a window whose features lie at the training mean, moved along
the difference that rest and load are known for: alpha falls and fast activity rises under load.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import EdgeEmoError
from edge_emo.estimators.eeg import EegEstimator
from edge_emo.manifest import find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, Posterior, StreamInfo

CAP = (
    "Fp1",
    "Fp2",
    "F3",
    "F4",
    "F7",
    "F8",
    "T3",
    "T4",
    "C3",
    "C4",
    "T5",
    "T6",
    "P3",
    "P4",
    "O1",
    "O2",
    "Fz",
    "Cz",
    "Pz",
)
RATE_HZ = 128.0
SECONDS = 20.0


@pytest.fixture(params=["litert", "onnx"])
def estimator(request: pytest.FixtureRequest) -> Iterator[EegEstimator]:
    package = find_package("eeg-load-small")
    try:
        model = load_model(package, backend=request.param)
    except EdgeEmoError as error:
        pytest.skip(f"needs the backend {request.param}: {error}; {error.hint}")
    made = EegEstimator(package, model, ManualClock())
    made.start(StreamInfo("eeg", RATE_HZ, tuple(CAP), "uv", "synthetic", live=False))
    yield made
    made.close()


def brain(alpha_uv: float, fast: float) -> npt.NDArray[np.float32]:
    """Synthetic EEG: 1/f noise shared in part, an alpha rhythm strongest at the back."""
    n = round(SECONDS * RATE_HZ)
    rng = np.random.default_rng(11)
    f = np.fft.rfftfreq(n, 1 / RATE_HZ)
    shape = 1 / np.maximum(f, 1.0) ** 0.9 * np.where(f > 13, fast, 1.0)

    def waves(count: int, weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        lines = rng.normal(size=(len(f), count)) + 1j * rng.normal(size=(len(f), count))
        wave = np.fft.irfft(lines * weight[:, None], n, axis=0)
        return np.asarray(wave / wave[:, :1].std())

    noise = 7 * (0.6 * waves(1, shape) + 0.8 * waves(len(CAP), shape))
    rhythm = waves(1, np.exp(-(((f - 10) / 1.0) ** 2)))
    gain = np.array([1.0 if name[0] in "PO" or name in ("T5", "T6") else 0.5 for name in CAP])
    return (noise + alpha_uv * rhythm * gain).astype(np.float32)


def estimate(estimator: EegEstimator, data: npt.NDArray[np.float32]) -> Posterior:
    posterior = estimator.clip(Chunk("eeg", 0, 0, RATE_HZ, data)).posterior
    assert posterior is not None
    return posterior


def test_labels_have_their_names(estimator: EegEstimator) -> None:
    drowsy = estimate(estimator, brain(alpha_uv=14.0, fast=1.0))
    busy = estimate(estimator, brain(alpha_uv=2.0, fast=2.0))
    assert tuple(drowsy) == ("rest", "load")
    assert drowsy.label == "rest"
    assert busy.label == "load"


def test_files_agree() -> None:
    answers = []
    for backend in ("litert", "onnx"):
        package = find_package("eeg-load-small")
        try:
            model = load_model(package, backend=backend)
        except EdgeEmoError as error:
            pytest.skip(f"needs the backend {backend}: {error}; {error.hint}")
        made = EegEstimator(package, model, ManualClock())
        made.start(StreamInfo("eeg", RATE_HZ, tuple(CAP), "uv", "synthetic", live=False))
        answers.append(estimate(made, brain(8.0, 1.0))["load"])
        made.close()
    assert answers[0] == pytest.approx(answers[1], abs=1e-4)


HELD_OUT = (2, 8, 14, 20, 26)


def test_real_people_at_arithmetic_look_more_loaded_than_at_rest(
    estimator: EegEstimator, shared_data: Path
) -> None:
    archive = np.load(shared_data / "eeg" / "eegmat_128hz.npz")
    columns = [list(archive["channels"]).index(name) for name in CAP]

    def load(subject: int, part: int) -> float:
        data = archive[f"Subject{subject:02d}_{part}"][columns] * archive["unit_uv"]
        return estimate(estimator, data.T[: 30 * 128].astype(np.float32))["load"]

    higher = [load(subject, 2) > load(subject, 1) for subject in HELD_OUT]
    assert sum(higher) >= 4
