"""How old a sample is that was stamped with the wall clock."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

_JUMP_S = 5.0
_SAME_HOST_S = 0.25
_REMEMBERED_S = 60.0
_OLDEST_S = 60.0


class SampleAges:
    """Turns BrainFlow's stamps into ages, which the session clock can be reckoned back by.

    The stamps are unix time of the host, but a streaming board's are of its sender, whose clock
    may be elsewhere. So the smallest age of an arrival's newest sample in the last minute counts
    as the difference of the clocks, unless it is below a quarter of a second: then they are one.
    Either clock may be set while a session runs: where the newest age jumps by seconds, that
    minute begins anew. No sample is older than BrainFlow's buffer is long.
    """

    def __init__(self) -> None:
        self._newest: deque[tuple[float, float]] = deque()

    def of(self, unix_s: npt.NDArray[np.float64], now_unix_s: float) -> npt.NDArray[np.int64]:
        """Return the age of each sample in nanoseconds, never below 0; shape (n,) as given."""
        ages_s = now_unix_s - unix_s
        skew_s = self._skew_s(float(ages_s[-1]), now_unix_s)
        since_s = (ages_s - skew_s).clip(0.0, _OLDEST_S)
        ages: npt.NDArray[np.int64] = np.rint(since_s * 1e9).astype(np.int64)
        return ages

    def _skew_s(self, newest_s: float, now_unix_s: float) -> float:
        """Take the newest age of one more arrival; return the difference of the clocks."""
        newest = self._newest
        if newest and abs(newest_s - newest[-1][1]) >= _JUMP_S:
            newest.clear()
        while newest and not 0 <= now_unix_s - newest[0][0] <= _REMEMBERED_S:
            newest.popleft()
        while newest and newest[-1][1] >= newest_s:
            newest.pop()  # the smallest is first; one that is larger and older never counts again
        newest.append((now_unix_s, newest_s))
        least_s = newest[0][1]
        return least_s if abs(least_s) >= _SAME_HOST_S else 0.0
