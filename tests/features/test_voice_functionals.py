"""Functionals of a window of speech: what they are of, and what does not change them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.features.audio import MelSpec, log_mel, normalised, padded
from edge_emo.features.voice_functionals import BANDS, CONTOURS, SIZE, functionals
from tests.estimators.test_voice import babble

SPEC = MelSpec(bands=64, n_fft=1024)
Floats = npt.NDArray[np.float32]


def window(seconds: float, end: int = 298, level: float = 0.3) -> Floats:
    """Return a window of babble that ends at a frame, its own quiet around it."""
    frames = log_mel(babble(seconds, level=level), SPEC)[:end]
    return normalised(padded(frames, 298, end), 13.8)


def test_they_are_finite_numbers_of_one_size() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((298, 64)).astype(np.float32)
    still = np.zeros((298, 64), np.float32)
    click = still.copy()
    click[-1] = 9.0
    for one in (window(2.9), window(1.0), noise, still, click):
        found = functionals(one)
        assert found.shape == (SIZE,)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


def test_the_place_in_the_window_does_not_count() -> None:
    late, early = functionals(window(1.5, end=298)), functionals(window(1.5, end=200))
    np.testing.assert_allclose(late, early, atol=0.02)


def test_another_gain_does_not_count() -> None:
    frames = window(2.0)
    np.testing.assert_allclose(functionals(frames), functionals(2 * frames + 1), atol=0.02)


def test_quantiles_and_moments_are_those_of_numpy() -> None:
    rng = np.random.default_rng(1)
    frames = rng.standard_normal((298, 64)).astype(np.float32) * 0.01
    frames[:, 3] += np.linspace(-1, 1, 298, dtype=np.float32)
    found = functionals(frames)
    loudness = frames.mean(axis=1)
    active = np.flatnonzero(loudness >= loudness.max() - 0.55 * np.ptp(loudness))
    kept = frames[max(0, active[0] - 5) : active[-1] + 6]
    speech = (kept - kept.mean()) / (kept.std() + 1e-3)
    band = 32 + 3  # the fourth of the low bands, behind the cepstrum
    for place, wanted in enumerate(
        (
            speech[:, 3].mean(),
            speech[:, 3].std(),
            *np.percentile(speech[:, 3], [5, 25, 50, 75, 95]),
            np.abs(np.diff(speech[:, 3])).mean(),
            (speech[4:, 3] - speech[:-4, 3]).std(),
        )
    ):
        assert found[place * CONTOURS + band] == pytest.approx(wanted, abs=2e-3)


def test_a_slower_movement_has_its_power_in_lower_modulation() -> None:
    def moving(hz: float) -> Floats:
        times_s = np.arange(298) / 100
        frames = np.zeros((298, 64), np.float32)
        frames[:, :20] = (1 + 0.3 * np.sin(2 * np.pi * hz * times_s))[:, None]
        return functionals(frames)

    start = 10 * CONTOURS + 2 * BANDS
    slow, fast = (moving(hz)[start : start + 84].reshape(6, 14)[:, 0] for hz in (1.5, 12.0))
    assert np.argmax(slow) == 1
    assert np.argmax(fast) == 4
