from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.errors import ConfigError
from edge_emo.sync.window import Windower
from edge_emo.types import Chunk

RATE_HZ = 100.0
SAMPLE_NS = 10_000_000


def chunk_of(seq: int, n: int, t_ns: int | None = None, channels: int = 2) -> Chunk:
    column = np.arange(seq, seq + n, dtype=np.float32)
    data = np.repeat(column[:, None], channels, axis=1)
    return Chunk("eeg", seq, seq * SAMPLE_NS if t_ns is None else t_ns, RATE_HZ, data)


def first_and_last(windower: Windower, chunk: Chunk) -> list[tuple[int, float, float]]:
    return [(w.seq, float(w.data[0, 0]), float(w.data[-1, 1])) for w in windower.push(chunk)]


@settings(deadline=None)
@given(
    length=st.integers(1, 30),
    hop=st.integers(1, 50),
    sizes=st.lists(st.integers(0, 120), max_size=15),
)
def test_chunk_sizes_do_not_change_the_windows(length: int, hop: int, sizes: list[int]) -> None:
    windower = Windower(length / RATE_HZ, hop / RATE_HZ, RATE_HZ, 2)
    found: list[tuple[int, int]] = []
    seq = 0
    for size in sizes:
        for window in windower.push(chunk_of(seq, size)):
            expected = np.arange(window.seq, window.seq + length, dtype=np.float32)
            np.testing.assert_array_equal(window.data, np.stack([expected, expected], axis=1))
            found.append((window.seq, window.t_ns))
        seq += size
    starts = range(0, seq - length + 1, hop)
    assert found == [(start, start * SAMPLE_NS) for start in starts]
    assert windower.gaps == 0


def test_counts_from_the_stamp_of_the_chunk_that_holds_the_first_sample() -> None:
    windower = Windower(0.05, 0.03, RATE_HZ, 2)
    list(windower.push(chunk_of(0, 4, t_ns=1_000)))
    stamps = [(w.seq, w.t_ns) for w in windower.push(chunk_of(4, 8, t_ns=777_000_000))]
    assert stamps == [
        (0, 1_000),
        (3, 1_000 + 3 * SAMPLE_NS),
        (6, 777_000_000 + 2 * SAMPLE_NS),
    ]


def test_no_window_spans_a_gap() -> None:
    windower = Windower(0.05, 0.05, RATE_HZ, 2)
    assert first_and_last(windower, chunk_of(0, 4)) == []
    assert first_and_last(windower, chunk_of(6, 6)) == [(6, 6.0, 10.0)]
    assert windower.gaps == 1


def test_a_stream_that_starts_again_resets() -> None:
    windower = Windower(0.05, 0.05, RATE_HZ, 2)
    list(windower.push(chunk_of(500, 7)))
    assert first_and_last(windower, chunk_of(0, 5)) == [(0, 0.0, 4.0)]
    assert windower.gaps == 1


def test_reset_counts_no_gap() -> None:
    windower = Windower(0.05, 0.05, RATE_HZ, 2)
    list(windower.push(chunk_of(0, 4)))
    windower.reset()
    assert first_and_last(windower, chunk_of(40, 5)) == [(40, 40.0, 44.0)]
    assert windower.gaps == 0


def test_nan_passes_through() -> None:
    windower = Windower(0.03, 0.03, RATE_HZ, 2)
    chunk = chunk_of(0, 3)
    chunk.samples[1, 1] = np.nan
    (window,) = windower.push(chunk)
    assert np.isnan(window.data[1, 1])
    assert np.isfinite(window.data).sum() == 5


def test_a_window_stays_until_the_next_is_cut() -> None:
    windower = Windower(0.05, 0.05, RATE_HZ, 2)
    (window,) = windower.push(chunk_of(0, 5))
    list(windower.push(chunk_of(5, 4)))
    assert window.data[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_windows_not_iterated_are_skipped_and_lose_no_samples() -> None:
    windower = Windower(0.05, 0.05, RATE_HZ, 2)
    windower.push(chunk_of(0, 12))
    assert first_and_last(windower, chunk_of(12, 3)) == [(10, 10.0, 14.0)]


def test_a_long_recording_in_one_chunk_gives_every_window() -> None:
    windower = Windower(1.0, 0.5, RATE_HZ, 2)
    assert len(list(windower.push(chunk_of(0, 100_000)))) == 1 + (100_000 - 100) // 50


def test_refuses_another_rate_or_channels() -> None:
    windower = Windower(0.05, 0.05, RATE_HZ, 2)
    with pytest.raises(ConfigError, match=r"3\)"):
        windower.push(chunk_of(0, 4, channels=3))
    with pytest.raises(ConfigError, match=r"50\.0 Hz"):
        windower.push(Chunk("eeg", 0, 0, 50.0, np.zeros((1, 2), np.float32)))


@pytest.mark.parametrize(
    ("length_s", "hop_s", "rate_hz"), [(0.001, 1.0, 4.0), (1.0, 0.0, 4.0), (1.0, 1.0, 0.0)]
)
def test_refuses_windows_that_cannot_be_cut(length_s: float, hop_s: float, rate_hz: float) -> None:
    with pytest.raises(ConfigError, match="can be cut"):
        Windower(length_s, hop_s, rate_hz, 1)


def test_duration_and_rounding_to_whole_samples() -> None:
    windower = Windower(0.32, 0.16, 25.0, 1)
    assert (windower.n_samples, windower.hop_samples) == (8, 4)
    (window,) = windower.push(Chunk("eeg", 0, 0, 25.0, np.zeros((8, 1), np.float32)))
    assert window.duration_ns == 320_000_000
