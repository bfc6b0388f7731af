"""A real Cyton recording: 8 electrodes in wet skin, 60 Hz hum, offsets of tens of millivolts.

By the trace of the recording: blinks at 2 … 6 s and 14 … 18 s, jaw clenches at 7 … 13 s, eyes
open and still at 18 … 21 s, closed at 28 … 56 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.estimators.eeg import EegEstimator
from edge_emo.features.eeg import montage_of, spectrum
from edge_emo.features.eeg_artefacts import artefact_shares
from edge_emo.features.eeg_filter import StreamFilter
from edge_emo.features.eeg_mains import MainsFinder
from edge_emo.manifest import find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, Prediction, StreamInfo

RATE_HZ = 250.0
CHANNELS = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")


@pytest.fixture(scope="module")
def recording(shared_data: Path) -> npt.NDArray[np.float32]:
    path = shared_data / "eeg" / "openbci_cyton_v6_blinks_jawclench_alpha.txt"
    with path.open(encoding="utf-8") as lines:
        rows = [line.split(",")[1:9] for line in lines if line[0].isdigit()]
    return np.array(rows, dtype=np.float32)


@pytest.fixture(scope="module")
def predictions(recording: npt.NDArray[np.float32]) -> Iterator[list[Prediction]]:
    """One prediction per second; number i ends at i + 4 s and is 4 to 10 s long."""
    package = find_package("eeg-load-small")
    estimator = EegEstimator(package, load_model(package), ManualClock())
    estimator.start(StreamInfo("eeg", RATE_HZ, CHANNELS, "uv", "Cyton", live=False))
    made = [
        estimator.predict(features)
        for seq in range(0, len(recording), 10)
        for features in estimator.features(
            Chunk("eeg", seq, round(seq * 4e6), RATE_HZ, recording[seq : seq + 10])
        )
    ]
    yield made
    estimator.close()


def qualities(predictions: list[Prediction], first_s: int, last_s: int) -> list[float]:
    return [one.quality for one in predictions[first_s:last_s]]


def test_every_second_gives_a_window(predictions: list[Prediction]) -> None:
    assert len(predictions) == 86


def test_blinks_and_jaw_clenches_lower_the_quality(predictions: list[Prediction]) -> None:
    still = qualities(predictions, 36, 52)
    assert min(still) > 0.97
    assert max(qualities(predictions, 7, 10)) < 0.95
    assert min(predictions[9].channels.values()) < 0.8
    assert set(predictions[9].channels) == set(CHANNELS)


def test_blinks_and_clenches_are_told_apart(recording: npt.NDArray[np.float32]) -> None:
    filtered = StreamFilter(RATE_HZ, 8).process(recording)

    def shares(first_s: int, last_s: int) -> Mapping[str, float]:
        part = filtered[first_s * 250 : last_s * 250]
        return artefact_shares(part, RATE_HZ, montage_of(CHANNELS))

    blinking, clenching, still = shares(4, 7), shares(8, 14), shares(40, 56)
    assert blinking["blink"] >= 0.8
    assert blinking["jaw clench"] == 0.0
    assert clenching["jaw clench"] >= 0.4
    assert clenching["blink"] < 0.2
    assert max(still.values()) == 0.0


def test_its_hum_of_60_hz_is_found_and_kept(recording: npt.NDArray[np.float32]) -> None:
    finder = MainsFinder(RATE_HZ, 8)
    found = []
    for first in range(0, len(recording) - finder.room, finder.room):
        finder.push(recording[first : first + finder.room])
        found.append(finder.found)
    assert found[3:] == [(60.0,)] * (len(found) - 3)


def test_clean_windows_are_estimated(predictions: list[Prediction]) -> None:
    assert all(one.abstained is None for one in predictions[28:52])


def test_closed_eyes_raise_alpha_at_the_back(recording: npt.NDArray[np.float32]) -> None:
    filtered = StreamFilter(RATE_HZ, 8).process(recording)

    def alpha_uv2(first_s: int, last_s: int) -> float:
        part = filtered[first_s * 250 : last_s * 250, 6:8]
        return float(spectrum(part, RATE_HZ).power(8.0, 13.0).mean())

    assert alpha_uv2(28, 56) > 2 * alpha_uv2(18, 22)
