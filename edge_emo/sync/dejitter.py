"""Originating times from arrival times: a running fit of a device's sample clock.

A radio link delivers samples late by a varying amount, never early. So among the stamps of a
stream those with the smallest delay tell when samples happened, and a line drawn under all of
them is the device's clock on the session clock: its height is the offset, its slope the drift.
The line is the one under all points with the smallest sum of distances to them, which is the
edge of their lower convex hull above their mean (Moon, Skelly, Towsley: Estimation and removal
of clock skew from network delay measurements, INFOCOM 1999).

Convention of latency: a delay that never falls below some minimum looks the same as a clock
that is off by that minimum. Stamps given here are therefore late by the smallest delay of the
link, which only a measurement outside of the stream can tell.
"""

from __future__ import annotations

import math
from collections import deque

from edge_emo.errors import ConfigError
from edge_emo.types import Chunk, StreamInfo

JUMP_NS = 250_000_000
"""A stamp off by more than this is not jitter: the device or the host was suspended."""

_CONFIRM_NS = 1_000_000_000
_CONFIRM_CHUNKS = 4
_SLEW_NS = 500_000_000
_FASTEST = -0.5  # of a device's clock at twice its nominal rate; one of −1 takes no time at all


def needs_dejitter(info: StreamInfo) -> bool:
    """Tell whether a stream's stamps are arrival times that a clock fit improves.

    Stamps of files are exact, frames are stamped when captured and at no steady rate, and
    lines of text have no rate.
    """
    return info.live and info.rate_hz > 0 and info.kind in ("microphone", "eeg", "physio")


class Dejitter:
    """Replaces arrival stamps by stamps on a straight line, in constant time per chunk.

    A driver stamps a chunk with its arrival minus its nominal length. The fit uses the smallest
    delays of the last minute or so. Corrections are slewed within about a second, and stamps
    never go backwards. The fit settles within 5 s, or within 20 chunks where those are longer;
    the fewer chunks arrive per second, the less it can tell a small delay from a large one.

    The fit begins anew, and stamps may step, when stamps jump by more than :data:`JUMP_NS`: at
    once when they become early; when they become late, after that lasted for a second of
    arrivals and four chunks, because a burst of held-back packets is over sooner. A gap in
    ``seq`` alone leaves the fit as it is: the device's clock ran on, and radio loss comes
    together with bursts. Repeated samples are stamped and teach nothing.

    Args:
        rate_hz: Nominal sampling rate.

    Attributes:
        restarts: How often the fit began anew because of a jump.

    Raises:
        ConfigError: The rate is not positive: an irregular stream has no sample clock.
    """

    def __init__(self, rate_hz: float) -> None:
        if not rate_hz > 0:
            raise ConfigError(
                f"a clock fit needs a sampling rate, not {rate_hz} Hz",
                hint="leave the stamps of irregular streams as they are",
            )
        self.restarts = 0
        self._period_ns = 1e9 / rate_hz
        self._line = _Envelope()
        self._last_ns: int | None = None
        self._expected_seq: int | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the fit, as when the device was opened again; stamps still never go back."""
        self._expected_seq = None
        self._base_seq = 0
        self._base_ns = 0
        self._late_since_ns: int | None = None
        self._late_chunks = 0
        self._carry_ns = 0.0
        self._slewed_ns = 0.0
        self._delay_ns = 0.0

    @property
    def drift_ppm(self) -> float:
        """How much faster the device's clock runs than the session's; 0.0 before it is known."""
        return (1.0 / (1.0 + self._line.slope) - 1.0) * 1e6

    @property
    def offset_ns(self) -> int:
        """Session time of sample 0, counted back at the nominal rate from the newest sample."""
        newest = self._base_seq if self._expected_seq is None else self._expected_seq
        return round(self._time_ns(newest) - newest * self._period_ns)

    @property
    def jitter_ns(self) -> int:
        """Running mean of how much later than the smallest delay samples arrive."""
        return round(self._delay_ns)

    def stamp(self, chunk: Chunk) -> Chunk:
        """Return the chunk with the originating time of its first sample by the fit."""
        end_seq = chunk.seq + chunk.n_samples
        if self._expected_seq is None:
            self._begin(end_seq, chunk.end_ns)
        elif self._jumped(end_seq, chunk.end_ns):
            self.restarts += 1
            self._begin(end_seq, chunk.end_ns)
        elif chunk.seq >= self._expected_seq:
            self._learn(chunk.seq, end_seq, chunk.end_ns)
        t_ns = self._next_stamp_ns(chunk.seq)
        self._expected_seq = max(self._expected_seq or 0, end_seq)
        return Chunk(chunk.stream, chunk.seq, t_ns, chunk.rate_hz, chunk.data)

    def _begin(self, end_seq: int, arrival_ns: int) -> None:
        self.restart()
        self._line = _Envelope()
        self._base_seq, self._base_ns, self._expected_seq = end_seq, arrival_ns, end_seq

    def _position_ns(self, seq: int) -> float:
        """Nominal time of a sample since the base of the fit."""
        return (seq - self._base_seq) * self._period_ns

    def _time_ns(self, seq: int) -> float:
        x_ns = self._position_ns(seq)
        return self._base_ns + x_ns + self._line.at(x_ns)

    def _jumped(self, end_seq: int, arrival_ns: int) -> bool:
        delay_ns = arrival_ns - self._time_ns(end_seq)
        if delay_ns <= JUMP_NS:
            self._late_since_ns = None
            return delay_ns < -JUMP_NS
        if self._late_since_ns is None:
            self._late_since_ns, self._late_chunks = arrival_ns, 0
        self._late_chunks += 1
        lasting = arrival_ns - self._late_since_ns > _CONFIRM_NS
        if not lasting or self._late_chunks < _CONFIRM_CHUNKS:
            return False
        return not self._is_slow(end_seq, arrival_ns)

    def _is_slow(self, end_seq: int, arrival_ns: int) -> bool:
        """Tell whether a device that seems late is slower than its rate; the line rises then."""
        before_ns = self._time_ns(end_seq)
        if not self._line.fit_early() or arrival_ns - self._time_ns(end_seq) > JUMP_NS:
            return False
        self._carry_ns += before_ns - self._time_ns(end_seq)
        self._late_since_ns = None
        return True

    def _learn(self, seq: int, end_seq: int, arrival_ns: int) -> None:
        x_ns, first_ns = self._position_ns(end_seq), self._position_ns(seq)
        y_ns = arrival_ns - self._base_ns - x_ns
        before_ns = self._line.at(first_ns)
        if self._late_since_ns is None:
            self._line.add(x_ns, y_ns)
        self._carry_ns += before_ns - self._line.at(first_ns)
        weight = min(1.0, (x_ns - first_ns) / 1e9)
        self._delay_ns += weight * (y_ns - self._line.at(x_ns) - self._delay_ns)

    def _next_stamp_ns(self, seq: int) -> int:
        x_ns = self._position_ns(seq)
        self._carry_ns *= math.exp(-max(0.0, x_ns - self._slewed_ns) / _SLEW_NS)
        self._slewed_ns = max(self._slewed_ns, x_ns)
        t_ns = round(self._time_ns(seq) + self._carry_ns)
        self._last_ns = t_ns if self._last_ns is None else max(t_ns, self._last_ns)
        return self._last_ns


class _Envelope:
    """The line under the delays of the last minute; positions and delays in nanoseconds.

    Only the smallest delay of each block is kept. Until the blocks span enough time the slope
    is taken as 0, because two delays close to each other say little of it.
    """

    block_ns = 1e9
    blocks = 60
    settle_ns = 8e9
    early_ns = 1e9

    def __init__(self) -> None:
        self.slope = 0.0
        self._height_ns = 0.0
        self._minima: deque[tuple[float, float]] = deque(maxlen=self.blocks)
        self._lowest = (0.0, 0.0)
        self._block_end_ns = self.block_ns

    def at(self, x_ns: float) -> float:
        """Height of the line."""
        return self._height_ns + self.slope * x_ns

    def add(self, x_ns: float, y_ns: float) -> None:
        """Take one delay; the line is lowered at once when it is below."""
        if x_ns >= self._block_end_ns:
            self._close_block(x_ns, y_ns)
        elif y_ns < self._lowest[1]:
            self._lowest = (x_ns, y_ns)
        self._height_ns -= max(0.0, self.at(x_ns) - y_ns)

    def fit_early(self) -> bool:
        """Fit a line that has not settled; False where it has, or too little is known."""
        settled = self._span_ns >= self.settle_ns
        if settled or self._span_ns < self.early_ns:
            return False
        self._fit()
        return True

    @property
    def _span_ns(self) -> float:
        return self._minima[-1][0] - self._minima[0][0] if self._minima else 0.0

    def _close_block(self, x_ns: float, y_ns: float) -> None:
        self._minima.append(self._lowest)
        self._lowest = (x_ns, y_ns)
        self._block_end_ns = x_ns + self.block_ns
        if self._span_ns >= self.settle_ns:
            self._fit()

    def _fit(self) -> None:
        hull = _lower_hull(self._minima)
        mean_ns = sum(x for x, _ in self._minima) / len(self._minima)
        right = next(i for i in range(1, len(hull)) if hull[i][0] >= mean_ns)
        (x0, y0), (x1, y1) = hull[right - 1], hull[right]
        self.slope = max((y1 - y0) / (x1 - x0), _FASTEST)
        self._height_ns = y0 - self.slope * x0


def _lower_hull(points: deque[tuple[float, float]]) -> list[tuple[float, float]]:
    """Lower convex hull of points with growing first coordinate (monotone chain)."""
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], x, y):
            hull.pop()
        hull.append((x, y))
    return hull


def _turns_down(a: tuple[float, float], b: tuple[float, float], x: float, y: float) -> bool:
    return (b[0] - a[0]) * (y - a[1]) <= (b[1] - a[1]) * (x - a[0])
