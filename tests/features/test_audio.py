"""Log-mel frames: the same however the stream is cut, and right for known signals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.errors import ConfigError
from edge_emo.features.audio import LogMel, MelSpec, log_mel, normalised, padded, window_tensor

Floats = npt.NDArray[np.float32]
SPEC = MelSpec()


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Floats:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(samples)).astype(np.float32)


def tone(hz: float, samples: int = 16000, rate_hz: int = 16000, level: float = 0.5) -> Floats:
    return (level * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9000), max_size=12), st.integers(0, 2**32 - 1))
def test_chunks_of_any_length_give_bit_identical_frames(lengths: list[int], seed: int) -> None:
    signal = noise(sum(lengths), seed)
    mel, parts, start = LogMel(), [], 0
    for length in lengths:
        parts.append(mel.push(signal[start : start + length]))
        start += length
    streamed = np.concatenate(parts) if parts else np.empty((0, SPEC.bands), np.float32)
    whole = log_mel(signal)
    assert whole.shape == (SPEC.frames_in(len(signal)), SPEC.bands)
    np.testing.assert_array_equal(streamed, whole)


def test_one_sample_at_a_time_gives_the_same_frames() -> None:
    signal = noise(900)
    mel = LogMel()
    frames = np.concatenate([mel.push(signal[i : i + 1]) for i in range(900)])
    np.testing.assert_array_equal(frames, log_mel(signal))


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (48000, 298)]
)
def test_a_frame_is_complete_with_its_last_sample(samples: int, frames: int) -> None:
    assert log_mel(noise(samples)).shape == (frames, 48)


def test_a_frame_depends_on_its_own_samples_only() -> None:
    signal = noise(4000)
    changed = signal.copy()
    changed[10 * 160 + 400] += 0.5
    differ = np.flatnonzero(np.any(log_mel(changed) != log_mel(signal), axis=1))
    assert differ.tolist() == [11, 12]


@pytest.mark.parametrize("hz", [200.0, 440.0, 1000.0, 3000.0, 6000.0])
def test_a_tone_is_loudest_in_the_band_around_it(hz: float) -> None:
    edges = SPEC.edges_hz()
    band = int(log_mel(tone(hz)).mean(axis=0).argmax())
    assert edges[band] < hz < edges[band + 2]


def test_white_noise_has_its_power_density_in_every_band() -> None:
    bands = np.exp(log_mel(noise(160000))).mean(axis=0)
    np.testing.assert_allclose(bands, 0.01, rtol=0.1)


def test_frames_agree_with_a_plain_fourier_transform() -> None:
    signal = noise(400)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    spectrum = np.fft.rfft((signal - signal.mean()) * hann, 512)
    power = np.abs(spectrum) ** 2 / np.sum(hann**2)
    hz, edges = np.arange(257) * 31.25, SPEC.edges_hz()
    for band in (0, 20, 47):
        low, middle, high = edges[band : band + 3]
        weights = np.clip(
            np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)), 0, None
        )
        expected = np.log(np.sum(power * weights) / np.sum(weights))
        assert log_mel(signal)[0, band] == pytest.approx(expected, abs=1e-4)


def test_an_offset_changes_nothing() -> None:
    signal = noise(8000)
    np.testing.assert_allclose(log_mel(signal + np.float32(0.3)), log_mel(signal), atol=2e-3)


def test_digital_silence_is_the_floor() -> None:
    assert np.all(log_mel(np.zeros(1000, np.float32)) == np.log(np.float32(SPEC.floor)))


def test_nan_stays_in_the_frames_that_hold_it() -> None:
    signal = noise(4000)
    signal[1000] = np.nan
    bad = np.isnan(log_mel(signal)).any(axis=1)
    assert np.flatnonzero(bad).tolist() == [4, 5, 6]


def test_reset_forgets_the_unfinished_frame() -> None:
    mel = LogMel()
    mel.push(noise(300))
    mel.reset()
    assert mel.push(noise(399)).shape == (0, 48)


def test_bands_too_narrow_for_the_transform_are_refused() -> None:
    with pytest.raises(ConfigError, match="too narrow"):
        LogMel(MelSpec(bands=128))


def test_a_window_does_not_depend_on_the_gain() -> None:
    quiet, loud = noise(48000, level=0.002), noise(48000, level=0.2)
    one, two = (window_tensor(log_mel(signal), 298, 13.8) for signal in (quiet, loud))
    assert one.shape == (1, 1, 298, 48)
    assert one.dtype == np.float32
    np.testing.assert_allclose(one, two, atol=1e-3)
    assert abs(float(one.mean())) < 1e-4
    assert float(one.std()) == pytest.approx(1.0, abs=0.01)


def test_a_short_window_is_padded_in_front_with_its_own_quiet() -> None:
    frames = log_mel(noise(16000))
    window = padded(frames, 298, 298)
    np.testing.assert_array_equal(window[-len(frames) :], frames)
    quiet = np.sort(frames, axis=0)[len(frames) // 10]
    np.testing.assert_array_equal(window[0], quiet)
    np.testing.assert_array_equal(window[: 298 - len(frames)], np.tile(quiet, (200, 1)))


def test_a_long_window_keeps_the_newest_frames() -> None:
    frames = log_mel(noise(64000))
    np.testing.assert_array_equal(
        window_tensor(frames, 298, 13.8), window_tensor(frames[-298:], 298, 13.8)
    )


def test_the_dynamic_range_is_limited() -> None:
    window = np.zeros((298, 48), np.float32)
    window[0, 0] = 20.0
    window[1, 1] = 9.0
    limited = normalised(window, 10.0)
    assert limited[1, 1] == limited[2, 2]
