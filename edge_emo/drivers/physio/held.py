"""Samples of one clock and rate, read at the instants of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

HELD_S = 2.0
"""How long a sample stands for those that have not come yet, or were lost."""

Rows = npt.NDArray[np.float64]


class Held:
    """Keeps the samples of a preset until the stream that leads has passed them.

    Args:
        preset: Number of the preset that they are taken from.
        rows: Rows of its data matrix that are read.
        stamp_row: Row of its stamps, in seconds.
    """

    def __init__(self, preset: int, rows: Sequence[int], stamp_row: int) -> None:
        self.preset = preset
        self._rows = [stamp_row, *rows]
        self._kept: Rows = np.empty((len(self._rows), 0))

    def add(self, taken: Rows) -> None:
        """Take samples in; when their clock was set back, those before it are forgotten.

        Args:
            taken: Shape (rows of the preset, n), n may be 0.
        """
        new = taken[self._rows]
        if new.shape[1] and self._kept.shape[1] and new[0, 0] < self._kept[0, -1] - HELD_S:
            self._kept = self._kept[:, :0]
        self._kept = np.concatenate([self._kept, new], axis=1)
        self._kept[0] = np.maximum.accumulate(self._kept[0])

    def at(self, stamps_s: Rows) -> npt.NDArray[np.float32]:
        """Return the signals at some instants, and forget what lies before the last of them.

        Args:
            stamps_s: Shape (n,), n at least 1, by the same clock, ascending.

        Returns:
            Shape (n, n_signals): interpolated, or the newest sample; not a number before the first
            and more than :data:`HELD_S` after the one before.
        """
        own_s, values = self._kept[0], self._kept[1:]
        if not len(own_s):
            return np.full((len(stamps_s), len(values)), np.nan, np.float32)
        before = np.searchsorted(own_s, stamps_s, side="right") - 1
        is_old = stamps_s - own_s[before.clip(min=0)] > HELD_S
        columns = np.stack([np.interp(stamps_s, own_s, one) for one in values], axis=1)
        self._kept = self._kept[:, max(0, int(before[-1])) :]
        return np.where((is_old | (before < 0))[:, None], np.nan, columns).astype(np.float32)
