"""Rate conversion: tones keep their time and size, and what cannot be kept is removed."""

from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.errors import ConfigError
from edge_emo.features.audio import RateConverter

Floats = npt.NDArray[np.float32]
RATES = [8000, 11025, 22050, 32000, 44100, 48000, 96000]


def tone(hz: float, rate_hz: int, seconds: float = 1.0) -> Floats:
    times_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.sin(2 * np.pi * hz * times_s).astype(np.float32)


def inner(made: Floats) -> Floats:
    """Leave out both ends, where the tone begins and stops."""
    return made[200:-200]


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_tone_keeps_time_and_size(rate_hz: int) -> None:
    made = RateConverter(rate_hz).push(tone(1000.0, rate_hz))
    expected = tone(1000.0, 16000)[: len(made)]
    np.testing.assert_allclose(inner(made), inner(expected), atol=1e-3)


@pytest.mark.parametrize(("rate_hz", "hz"), [(44100, 9000), (48000, 10000), (96000, 20000)])
def test_what_lies_over_the_new_band_is_removed(rate_hz: int, hz: float) -> None:
    made = RateConverter(rate_hz).push(tone(hz, rate_hz))
    assert np.abs(inner(made)).max() < 1e-3


def test_upsampling_adds_no_mirror_tone() -> None:
    made = inner(RateConverter(8000).push(tone(1500.0, 8000)))
    spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made))))
    hz = np.arange(len(spectrum)) * 16000 / len(made)
    mirror = spectrum[np.abs(hz - 6500) < 50].max()
    assert mirror < 1e-3 * spectrum.max()


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_constant_stays_what_it_is(rate_hz: int) -> None:
    made = RateConverter(rate_hz).push(np.full(rate_hz, 0.25, np.float32))
    np.testing.assert_allclose(inner(made), 0.25, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [*RATES, 16000])
def test_chunks_of_any_length_give_the_same_samples(rate_hz: int) -> None:
    rng = np.random.default_rng(rate_hz)
    signal = rng.standard_normal(rate_hz // 8).astype(np.float32)
    whole = RateConverter(rate_hz).push(signal)
    for longest in (9, 500, 20000):
        converter, parts, start = RateConverter(rate_hz), [], 0
        while start < len(signal):
            length = int(rng.integers(0, longest))
            parts.append(converter.push(signal[start : start + length]))
            start += length
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [*RATES, 16000])
@pytest.mark.parametrize("outputs", [1, 7, 8000])
def test_inputs_for_is_exact(rate_hz: int, outputs: int) -> None:
    converter = RateConverter(rate_hz)
    needed = converter.inputs_for(outputs)
    assert len(converter.push(np.zeros(needed - 1, np.float32))) < outputs
    converter.reset()
    assert len(converter.push(np.zeros(needed, np.float32))) >= outputs


def test_no_samples_give_no_samples() -> None:
    assert RateConverter(48000).push(np.empty(0, np.float32)).shape == (0,)
    assert RateConverter(16000).push(np.empty(0, np.float32)).shape == (0,)


def test_nan_passes_and_does_not_stay() -> None:
    signal = tone(500.0, 48000)
    signal[24000] = np.nan
    bad = np.flatnonzero(np.isnan(RateConverter(48000).push(signal)))
    assert bad.size
    assert np.all(np.abs(bad - 8000) <= 25)


@pytest.mark.parametrize("rate_hz", [0.0, 100.0, 44100.5, 1e6, float("nan")])
def test_a_rate_that_makes_no_sense_is_refused(rate_hz: float) -> None:
    with pytest.raises(ConfigError, match="cannot be converted"):
        RateConverter(rate_hz)


def test_a_rate_without_a_common_divisor_takes_no_more_memory_than_its_table() -> None:
    tracemalloc.start()
    try:
        converter = RateConverter(44101)
        kept_bytes, peak_bytes = tracemalloc.get_traced_memory()
        assert converter.inputs_for(16000) > 44000
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1.3 * kept_bytes + 4_000_000
