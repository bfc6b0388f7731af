from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_emo.drivers.eeg.chunker import Chunker

PERIOD = 4_000_000


def samples(count: int) -> npt.NDArray[np.float32]:
    return np.arange(count, dtype=np.float32)[:, None]


def stamps(count: int, first_ns: int = 0) -> npt.NDArray[np.int64]:
    return first_ns + PERIOD * np.arange(count)


def test_cuts_at_the_block_length() -> None:
    chunks = Chunker(250, 10).cut(samples(24), stamps(24, 1000))
    assert [(c.seq, c.n_samples, c.t_ns) for c in chunks] == [
        (0, 10, 1000),
        (10, 10, 1000 + 10 * PERIOD),
        (20, 4, 1000 + 20 * PERIOD),
    ]
    np.testing.assert_array_equal(chunks[1].samples[:, 0], np.arange(10, 20))


def test_a_burst_is_placed_by_its_least_late_sample() -> None:
    arrivals = np.full(25, 500_000_000)
    chunks = Chunker(250, 100).cut(samples(25), arrivals)
    assert chunks[0].t_ns == 500_000_000 - 24 * PERIOD


def test_a_gap_inside_a_burst_splits_it() -> None:
    chunker = Chunker(250, 100)
    numbers = np.array([253, 254, 255, 2, 3])
    chunks = chunker.cut(samples(5), np.full(5, 10 * PERIOD), numbers)
    assert [(c.seq, c.n_samples, c.t_ns) for c in chunks] == [
        (0, 3, 4 * PERIOD),
        (5, 2, 9 * PERIOD),
    ]
    assert chunker.dropped == 2


def test_a_gap_between_bursts_is_skipped_in_the_numbers() -> None:
    chunker = Chunker(250, 100)
    chunker.cut(samples(4), stamps(4), np.arange(4))
    later = chunker.cut(samples(2), stamps(2, 7 * PERIOD), np.array([7, 8]))
    assert [(c.seq, c.t_ns) for c in later] == [(7, 7 * PERIOD)]
    assert chunker.dropped == 3


def test_a_hole_in_time_of_whole_laps_counts() -> None:
    chunker = Chunker(250, 100)
    chunker.cut(samples(4), stamps(4), np.arange(4))
    lost = 2 * 256 + 6
    later = chunker.cut(samples(2), stamps(2, (4 + lost) * PERIOD), (np.array([4, 5]) + lost) % 256)
    assert later[0].seq == 4 + lost
    assert chunker.dropped == lost


def test_late_delivery_is_no_loss() -> None:
    chunker = Chunker(250, 1000)
    chunker.cut(samples(4), stamps(4), np.arange(4))
    held_back = np.full(500, 504 * PERIOD)
    chunks = chunker.cut(samples(500), held_back, np.arange(4, 504) % 256)
    assert [(c.seq, c.n_samples) for c in chunks] == [(4, 500)]
    assert chunker.dropped == 0


def test_without_numbers_nothing_is_lost() -> None:
    chunker = Chunker(250, 100)
    chunker.cut(samples(4), stamps(4))
    assert chunker.cut(samples(4), stamps(4, 900 * PERIOD))[0].seq == 4
    assert chunker.dropped == 0


def test_stamps_never_run_backwards() -> None:
    chunker = Chunker(250, 100)
    first = chunker.cut(samples(4), stamps(4, 100 * PERIOD))[0]
    second = chunker.cut(samples(4), stamps(4, 50 * PERIOD))[0]
    assert second.t_ns == first.t_ns
