from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.features.eeg_filter import StreamFilter, highpass, hold_last, notch

Samples = npt.NDArray[np.float32]


def noise(n_samples: int, channels: int, offset_uv: float = 0.0) -> Samples:
    values = np.random.default_rng(5).normal(size=(n_samples, channels)) * 20.0 + offset_uv
    return values.astype(np.float32)


def sine(
    frequency_hz: float, rate_hz: float, seconds: float, amplitude_uv: float = 10.0
) -> Samples:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude_uv * np.sin(2 * math.pi * frequency_hz * t))[:, None].astype(np.float32)


def in_chunks(samples: Samples, sizes: Sequence[int], rate_hz: float = 250.0) -> Samples:
    stream = StreamFilter(rate_hz, samples.shape[1])
    cuts = np.cumsum([size for size in sizes if size])
    return np.concatenate([stream.process(part) for part in np.split(samples, cuts)])


def sample_by_sample(samples: Samples, rate_hz: float) -> npt.NDArray[np.float64]:
    """The difference equation itself, with no state-space algebra."""
    values = (samples - samples[0]).astype(np.float64)
    for section in (highpass(0.5, rate_hz), notch(50.0, rate_hz), notch(60.0, rate_hz)):
        out = np.zeros_like(values)
        for i in range(len(values)):
            x1, x2 = (values[i - k] if i >= k else 0.0 for k in (1, 2))
            y1, y2 = (out[i - k] if i >= k else 0.0 for k in (1, 2))
            (b0, b1, b2), (a1, a2) = section.b, section.a
            out[i] = b0 * values[i] + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
        values = out
    return values


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 500.0])
def test_blocks_give_what_the_difference_equation_gives(rate_hz: float) -> None:
    samples = noise(700, 3, offset_uv=40_000.0)
    block = StreamFilter(rate_hz, 3).process(samples)
    np.testing.assert_allclose(block, sample_by_sample(samples, rate_hz), atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=20))
def test_any_chunking_gives_the_same_output(sizes: list[int]) -> None:
    samples = noise(1000, 2, offset_uv=60_000.0)
    sizes = [size for i, size in enumerate(sizes) if sum(sizes[: i + 1]) < 1000]
    np.testing.assert_allclose(in_chunks(samples, sizes), in_chunks(samples, []), atol=1e-5)


def test_the_same_chunking_gives_the_same_bits() -> None:
    samples = noise(1000, 8)
    sizes = [10] * 99
    assert in_chunks(samples, sizes).tobytes() == in_chunks(samples, sizes).tobytes()


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 500.0, 1000.0])
@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_takes_mains_out_and_leaves_the_bands(rate_hz: float, mains_hz: float) -> None:
    settled = round(2 * rate_hz)
    hum = StreamFilter(rate_hz, 1).process(sine(mains_hz, rate_hz, 4.0, 1000.0))[settled:]
    alpha = StreamFilter(rate_hz, 1).process(sine(10.0, rate_hz, 4.0))[settled:]
    assert np.abs(hum).max() < 1.0
    assert np.std(alpha) * math.sqrt(2) == pytest.approx(10.0, rel=0.03)


def test_an_electrode_offset_makes_no_step() -> None:
    level = np.full((500, 1), 62_000.0, dtype=np.float32)
    assert np.abs(StreamFilter(250.0, 1).process(level)).max() == 0.0


def test_the_delay_is_that_of_a_real_packet() -> None:
    rate_hz = 1000.0
    t = np.arange(4000) / rate_hz
    packet = np.exp(-(((t - 2.0) / 0.15) ** 2)) * np.cos(2 * math.pi * 10 * (t - 2.0)) * 50
    stream = StreamFilter(rate_hz, 1)
    out = stream.process(packet[:, None].astype(np.float32))[:, 0]
    power_before, power_after = packet**2, out.astype(np.float64) ** 2
    centres = [float((t * p).sum() / p.sum()) for p in (power_before, power_after)]
    assert centres[1] - centres[0] == pytest.approx(stream.delay_ns / 1e9, abs=3e-4)


def test_nan_does_not_outlive_its_samples() -> None:
    samples = noise(1000, 2)
    broken = samples.copy()
    broken[300:310, 1] = np.nan
    clean, mended = in_chunks(samples, [100] * 9), in_chunks(broken, [100] * 9)
    assert np.isfinite(mended).all()
    np.testing.assert_array_equal(mended[:, 0], clean[:, 0])
    np.testing.assert_allclose(mended[900:, 1], clean[900:, 1], atol=2.0)


def test_held_values_come_from_the_chunk_before() -> None:
    samples = np.array([[np.nan, 1.0], [2.0, np.inf], [np.nan, 3.0]])
    held = hold_last(samples, np.array([7.0, 8.0]))
    np.testing.assert_array_equal(held, [[7.0, 1.0], [2.0, 1.0], [2.0, 3.0]])


def test_an_empty_chunk_changes_nothing() -> None:
    samples = noise(100, 2)
    np.testing.assert_array_equal(in_chunks(samples, [0, 50, 0]), in_chunks(samples, [50]))


@pytest.mark.parametrize("late", [1, 63, 200])
def test_an_electrode_that_is_connected_late_makes_no_step(late: int) -> None:
    samples = noise(600, 2, offset_uv=40_000.0)
    whole = in_chunks(samples, [])
    samples[:late, 1] = np.nan
    out = in_chunks(samples, [50] * 11)
    np.testing.assert_allclose(out[:, 0], whole[:, 0], atol=1e-3)
    assert not out[:late, 1].any()
    np.testing.assert_allclose(out[late:, 1], in_chunks(samples[late:, 1:], [])[:, 0], atol=1e-3)
