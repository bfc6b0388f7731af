from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.sync.ring import Ring


def numbered(start: int, n: int, channels: int = 2) -> np.ndarray:
    column = np.arange(start, start + n, dtype=np.float32)
    return np.stack([column * (10**c) for c in range(channels)], axis=1)


@settings(deadline=None)
@given(
    capacity=st.integers(1, 40),
    sizes=st.lists(st.integers(0, 90), max_size=30),
)
def test_holds_the_newest_samples_of_any_sequence_of_chunks(
    capacity: int, sizes: list[int]
) -> None:
    ring = Ring(capacity, 2)
    total = 0
    for size in sizes:
        ring.extend(numbered(total, size))
        total += size
        held = min(total, capacity)
        assert (ring.start_seq, ring.end_seq, len(ring)) == (total - held, total, held)
        for n in {0, held // 2, held}:
            np.testing.assert_array_equal(ring.last(n), numbered(total - n, n))


def test_views_are_contiguous_and_share_the_buffer() -> None:
    ring = Ring(5, 2)
    ring.extend(numbered(0, 7))
    first, second = ring.last(5), ring.last(5)
    assert first.flags.c_contiguous
    assert np.shares_memory(first, second)


def test_a_view_survives_as_many_samples_as_there_is_room() -> None:
    ring = Ring(8, 1)
    ring.extend(numbered(0, 8, 1))
    view = ring.last(5)
    ring.extend(numbered(8, 3, 1))
    np.testing.assert_array_equal(view, numbered(3, 5, 1))


def test_a_view_cannot_be_written() -> None:
    ring = Ring(4, 1)
    ring.extend(numbered(0, 4, 1))
    with pytest.raises(ValueError, match="read-only"):
        ring.last(2)[0, 0] = 1.0


def test_clear_numbers_the_next_sample() -> None:
    ring = Ring(4, 1)
    ring.extend(numbered(0, 3, 1))
    ring.clear(100)
    assert len(ring) == 0
    ring.extend(numbered(7, 2, 1))
    assert (ring.start_seq, ring.end_seq) == (100, 102)
    np.testing.assert_array_equal(ring.last(2), numbered(7, 2, 1))


def test_refuses_what_does_not_fit() -> None:
    ring = Ring(4, 2)
    ring.extend(numbered(0, 1))
    with pytest.raises(ValueError, match="2 samples asked for, 1"):
        ring.last(2)
    with pytest.raises(ValueError, match="does not fit"):
        ring.extend(numbered(0, 1, 3))
    with pytest.raises(ValueError, match="holds nothing"):
        Ring(0, 2)


def test_keeps_the_type_asked_for() -> None:
    ring = Ring(3, 1, np.int16)
    ring.extend(np.array([[-32768], [32767]], np.int16))
    assert ring.last(2).dtype == np.int16
    assert ring.last(2).ravel().tolist() == [-32768, 32767]
