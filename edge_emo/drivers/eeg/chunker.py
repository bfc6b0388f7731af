"""Cuts what a board delivered into chunks, and counts what it lost by its packet numbers."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from edge_emo.types import Chunk

Stamps = npt.NDArray[np.int64]


class Chunker:
    """Turns arrivals into chunks that hold no gap.

    Args:
        rate_hz: Samples per second.
        block: Most samples in a chunk.
        modulus: The packet number wraps to 0 here.
        stream: Name of the stream that its chunks belong to.
    """

    def __init__(self, rate_hz: float, block: int, modulus: int = 256, stream: str = "eeg") -> None:
        self.dropped = 0
        self._rate_hz = rate_hz
        self._block = block
        self._modulus = modulus
        self._stream = stream
        self._seq = 0
        self._last: tuple[int, int] | None = None
        self._floor_ns = 0

    def cut(
        self, data: npt.NDArray[np.float32], stamps_ns: Stamps, numbers: Stamps | None = None
    ) -> list[Chunk]:
        """Return one chunk for each run without a gap, cut at the block length.

        A stamp can be late (samples arrive in bursts) but not early, so the least late of them
        places the run: ``first = min(stamp[i] - i / rate)``.

        Args:
            data: Consecutive arrivals, shape (n, n_channels), n at least 1.
            stamps_ns: When each happened or arrived, shape (n,), on the session clock.
            numbers: Packet number of each, shape (n,); None when the board sends none.
        """
        lost = self._lost_before(numbers, int(stamps_ns[-1]), len(data))
        self.dropped += int(lost.sum())
        places = np.arange(len(data)) + np.cumsum(lost)
        after_ns = np.rint((places - places[0]) * 1e9 / self._rate_hz).astype(np.int64)
        times_ns = int((stamps_ns - after_ns).min()) + after_ns
        chunks = [
            self._chunk(data[first:end], int(places[first]), int(times_ns[first]))
            for first, end in _runs(lost, self._block)
        ]
        self._seq += int(places[-1]) + 1
        return chunks

    def _chunk(self, data: npt.NDArray[np.float32], place: int, t_ns: int) -> Chunk:
        self._floor_ns = max(self._floor_ns, t_ns)
        return Chunk(self._stream, self._seq + place, self._floor_ns, self._rate_hz, data)

    def _lost_before(self, numbers: Stamps | None, last_ns: int, count: int) -> Stamps:
        lost = np.zeros(count, dtype=np.int64)
        if numbers is None:
            return lost
        lost[1:] = (np.diff(numbers) - 1) % self._modulus
        if self._last is not None:
            span = count + int(lost.sum())
            lost[0] = self._lost_since(self._last, int(numbers[0]), last_ns, span)
        self._last = (int(numbers[-1]), last_ns)
        return lost

    def _lost_since(self, last: tuple[int, int], number: int, last_ns: int, span: int) -> int:
        """Whole laps of the number leave no trace in it; the hole in time tells them."""
        short = (number - last[0] - 1) % self._modulus
        elapsed = (last_ns - last[1]) * self._rate_hz / 1e9
        laps = max(0, round((elapsed - span - short) / self._modulus))
        return short + laps * self._modulus


def _runs(lost: Stamps, block: int) -> list[tuple[int, int]]:
    bounds = [0, *(int(i) for i in np.flatnonzero(lost[1:]) + 1), len(lost)]
    return [
        (first, min(first + block, end))
        for begin, end in itertools.pairwise(bounds)
        for first in range(begin, end, block)
    ]
