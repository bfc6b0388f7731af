"""What happens inside PortAudio's callback: stamp, number, enqueue. Nothing else may.

Times are mapped from the stream clock of ``PaStreamCallbackTimeInfo`` to the session clock.
"""

from __future__ import annotations

import queue
from collections import deque
from dataclasses import dataclass
from itertools import islice

from edge_emo.clock import Clock

_OFFSETS = 100
_RECENT = 10
_STEP_NS = 200_000_000
"""What no callback waits for the interpreter ten times in a row: a clock was set back."""
_OLDEST_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Block:
    """Samples as PortAudio delivered them.

    Attributes:
        seq: Number of the first sample since the stream was opened.
        t_ns: Originating time of the first sample, on the session clock.
        data: Interleaved 16-bit samples.
    """

    seq: int
    t_ns: int
    data: bytes


class Intake:
    """Takes blocks in PortAudio's thread, gives them in the driver's.

    Args:
        clock: The session clock.
        rate_hz: Samples per second.
        capacity: How many blocks wait at most; further ones are dropped and counted.
    """

    def __init__(self, clock: Clock, rate_hz: float, capacity: int) -> None:
        self.dropped = 0
        self.newest_ns = clock.now_ns()
        self._clock = clock
        self._rate_hz = rate_hz
        self._seq = 0
        self._end_ns: int | None = None
        self._offsets_ns: deque[int] = deque(maxlen=_OFFSETS)
        self._blocks: queue.Queue[Block] = queue.Queue(capacity)

    def take(
        self, data: bytes, n_samples: int, adc_s: float, current_s: float, *, overflow: bool
    ) -> None:
        """Enqueue one block; the argument of PortAudio's callback, in its thread.

        Args:
            data: Interleaved 16-bit samples.
            n_samples: Samples per channel.
            adc_s: Stream time at which the first sample was captured; 0 when unknown.
            current_s: Stream time at which the callback was called.
            overflow: PortAudio says that samples before these were lost.
        """
        self.newest_ns = self._clock.now_ns()
        t_ns = self._stamp(self.newest_ns, n_samples, adc_s, current_s)
        if overflow:
            self._lose(self._missing_before(t_ns))
        block = Block(self._seq, t_ns, data)
        self._seq += n_samples
        self._end_ns = t_ns + self._length_ns(n_samples)
        try:
            self._blocks.put_nowait(block)
        except queue.Full:
            self.dropped += n_samples

    def get(self, timeout_s: float) -> Block | None:
        """Return the next block, or None when none came in time."""
        try:
            return self._blocks.get(timeout=timeout_s) if timeout_s > 0 else self._blocks.get(False)
        except queue.Empty:
            return None

    def _stamp(self, now_ns: int, n_samples: int, adc_s: float, current_s: float) -> int:
        """Return the originating time of a block's first sample; never before the last one's.

        The callback waits for the interpreter lock before it can look at the session clock, so
        each offset between the clocks is too large by that wait; the smallest one is the
        truth. The first sample is at least as old as the block is long.
        """
        latest_ns = now_ns - self._length_ns(n_samples)
        mapped_ns = round(adc_s * 1e9) + self._offset_ns(now_ns - round(current_s * 1e9))
        plausible = adc_s > 0 and now_ns - _OLDEST_NS <= mapped_ns <= now_ns
        t_ns = min(mapped_ns, latest_ns) if plausible else latest_ns
        if self._end_ns is None:
            return t_ns
        return max(t_ns, self._end_ns - self._length_ns(n_samples))

    def _offset_ns(self, newest_ns: int) -> int:
        """Return the smallest of the last offsets; those before a step of a clock are forgotten."""
        self._offsets_ns.append(newest_ns)
        least_ns = min(self._offsets_ns)
        recent_ns = min(islice(reversed(self._offsets_ns), _RECENT))
        if recent_ns <= least_ns + _STEP_NS:
            return least_ns
        while len(self._offsets_ns) > _RECENT:
            self._offsets_ns.popleft()
        return recent_ns

    def _missing_before(self, t_ns: int) -> int:
        """Return how many samples fit into the gap; at least 1, as PortAudio does not say."""
        if self._end_ns is None:
            return 1
        return max(1, round((t_ns - self._end_ns) * self._rate_hz / 1e9))

    def _lose(self, n_samples: int) -> None:
        self._seq += n_samples
        self.dropped += n_samples

    def _length_ns(self, n_samples: int) -> int:
        return round(n_samples * 1e9 / self._rate_hz)
