"""How old a sample is that was stamped with the wall clock."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_PLAUSIBLE_AGE_S = 5.0
_OLDEST_S = 60.0


class SampleAges:
    """Turns BrainFlow's stamps into ages, which the session clock can be reckoned back by.

    The stamps are unix time of the host, but a streaming board's are of its sender, whose clock
    may be elsewhere, and either clock may be set while a session runs: whenever the newest of
    them is implausible, it counts as new. No sample is older than BrainFlow's buffer is long.
    """

    def __init__(self) -> None:
        self._skew_s = 0.0

    def of(self, unix_s: npt.NDArray[np.float64], now_unix_s: float) -> npt.NDArray[np.int64]:
        """Return the age of each sample in nanoseconds, never below 0; shape (n,) as given."""
        ages_s = now_unix_s - unix_s
        newest_s = float(ages_s[-1])
        if abs(newest_s - self._skew_s) >= _PLAUSIBLE_AGE_S:
            self._skew_s = 0.0 if abs(newest_s) < _PLAUSIBLE_AGE_S else newest_s
        since_s = (ages_s - self._skew_s).clip(0.0, _OLDEST_S)
        ages: npt.NDArray[np.int64] = np.rint(since_s * 1e9).astype(np.int64)
        return ages
