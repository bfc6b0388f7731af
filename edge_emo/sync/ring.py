"""The newest samples of a stream, always readable as one contiguous block."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class Ring:
    """A preallocated ring buffer that hands out views without copying.

    Each sample is written twice, one capacity apart, so that any run of up to ``capacity``
    samples lies in one piece somewhere in the memory.

    Args:
        capacity: Most samples held.
        channels: Columns of each sample.
        dtype: Type of the stored samples.

    Attributes:
        capacity: Most samples held.
        channels: Columns of each sample.
        end_seq: Number after the newest sample.

    Raises:
        ValueError: ``capacity`` or ``channels`` is below 1.
    """

    def __init__(self, capacity: int, channels: int, dtype: npt.DTypeLike = np.float32) -> None:
        if capacity < 1 or channels < 1:
            raise ValueError(f"a ring of {capacity} samples by {channels} channels holds nothing")
        self.capacity = capacity
        self.channels = channels
        self.end_seq = 0
        self._held = 0
        self._head = 0
        self._memory: npt.NDArray[Any] = np.zeros((2 * capacity, channels), dtype)

    @property
    def start_seq(self) -> int:
        """Number of the oldest sample held; equal to ``end_seq`` when empty."""
        return self.end_seq - self._held

    def __len__(self) -> int:
        """Return the number of samples held."""
        return self._held

    def clear(self, seq: int = 0) -> None:
        """Forget all samples; the next one gets the number ``seq``."""
        self.end_seq = seq
        self._held = 0

    def extend(self, samples: npt.NDArray[Any]) -> None:
        """Append samples; the oldest are overwritten when there is no room.

        Args:
            samples: Shape (n, channels), any n, 0 included.

        Raises:
            ValueError: The shape is another.
        """
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ValueError(f"shape {samples.shape} does not fit (n, {self.channels})")
        self.end_seq += len(samples)
        kept = samples[-self.capacity :]
        self._held = min(self._held + len(kept), self.capacity)
        room = self.capacity - self._head
        self._write(kept[:room])
        self._write(kept[room:])

    def last(self, n: int) -> npt.NDArray[Any]:
        """Return the newest ``n`` samples, oldest first.

        Returns:
            A contiguous read-only view of shape (n, channels). Its rows are overwritten, oldest
            first, once more than ``capacity - n`` further samples are appended.

        Raises:
            ValueError: Fewer are held.
        """
        if not 0 <= n <= self._held:
            raise ValueError(f"{n} samples asked for, {self._held} are held")
        end = self._head + self.capacity
        view = self._memory[end - n : end]
        view.flags.writeable = False
        return view

    def _write(self, samples: npt.NDArray[Any]) -> None:
        """Write samples that fit before the wrap, and their mirror image."""
        head, end = self._head, self._head + len(samples)
        self._memory[head:end] = samples
        self._memory[head + self.capacity : end + self.capacity] = samples
        self._head = end % self.capacity
