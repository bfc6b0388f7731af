"""The board's clock on the session clock: offset and drift, from pings.

A ping leaves at session time s, arrives at board time r, its answer leaves at board time t and
arrives at session time e. Were both ways equally long, (s + e) / 2 would be the session time of
(r + t) / 2; the error is at most half the round trip (Mills: Internet time synchronization: the
network time protocol, IEEE Transactions on Communications 39(10), 1991). So of each two seconds
only the shortest round trip is kept, and a line is fitted through those of the last minute.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

ENOUGH = 4
"""Pings that make an offset."""

_BLOCK_NS = 2_000_000_000
_BLOCKS = 32
_SETTLE_NS = 10_000_000_000
_FLOOR_NS = 100_000.0
_STEP_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class _Point:
    board_ns: int
    offset_ns: float
    round_trip_ns: int


class ClockFit:
    """Turns board times into session times.

    It is known after :data:`ENOUGH` pings, so that the first one may be held up.

    Until the pings span ten seconds the drift is taken as 0 and the newest shortest round trip
    gives the offset. It begins anew with a ping that contradicts those before, by more than round
    trips explain: one of the clocks stood still, as a virtual machine's does while it is moved.
    """

    def __init__(self) -> None:
        self._count = 0
        self._kept: deque[_Point] = deque(maxlen=_BLOCKS)
        self._best: _Point | None = None
        self._block_end_ns = 0
        self._base_ns = 0
        self._offset_ns = 0.0
        self._slope = 0.0

    @property
    def known(self) -> bool:
        """Tells whether enough pings were answered."""
        return self._count >= ENOUGH

    @property
    def drift_ppm(self) -> float:
        """How much faster the board's clock runs than the session's; 0.0 before it is known."""
        return (1.0 / (1.0 + self._slope) - 1.0) * 1e6

    @property
    def round_trip_ns(self) -> int:
        """Shortest round trip of the last minute; 0 before any."""
        return min((point.round_trip_ns for point in self._points()), default=0)

    def add(self, sent_ns: int, received_us: int, answered_us: int, arrived_ns: int) -> None:
        """Take one answered ping: its session times, and the board's times in µs."""
        board_ns = (received_us + answered_us) * 500
        round_trip_ns = arrived_ns - sent_ns - (answered_us - received_us) * 1000
        if round_trip_ns < 0:
            return  # the board's times are wrong
        self._count += 1
        point = _Point(board_ns, (sent_ns + arrived_ns) / 2 - board_ns, round_trip_ns)
        if self._best is not None and self._is_step(point):
            self._kept.clear()
            self._best = None
        if self._best is None or board_ns >= self._block_end_ns:
            self._close_block(point)
        elif round_trip_ns <= self._best.round_trip_ns:
            self._best = point
        self._fit()

    def session_ns(self, board_us: int) -> int:
        """Return the session time of a board time."""
        board_ns = board_us * 1000
        return round(board_ns + self._offset_ns + self._slope * (board_ns - self._base_ns))

    def _is_step(self, point: _Point) -> bool:
        apart_ns = point.offset_ns + point.board_ns - self.session_ns(point.board_ns // 1000)
        return abs(apart_ns) > (point.round_trip_ns + self.round_trip_ns) / 2 + _STEP_NS

    def _close_block(self, point: _Point) -> None:
        if self._best is not None:
            self._kept.append(self._best)
        self._best = point
        self._block_end_ns = point.board_ns + _BLOCK_NS

    def _points(self) -> list[_Point]:
        return [*self._kept, *([self._best] if self._best else [])]

    def _fit(self) -> None:
        points = self._points()
        if points[-1].board_ns - points[0].board_ns < _SETTLE_NS:
            newest = min(points[-2:], key=lambda point: point.round_trip_ns)
            self._base_ns, self._offset_ns, self._slope = newest.board_ns, newest.offset_ns, 0.0
            return
        self._fit_line(points)

    def _fit_line(self, points: list[_Point]) -> None:
        """Least squares, each point weighted by how little its round trip exceeds the shortest."""
        shortest_ns = min(point.round_trip_ns for point in points)
        weights = [(_FLOOR_NS / (p.round_trip_ns - shortest_ns + _FLOOR_NS)) ** 2 for p in points]
        total = sum(weights)
        base_ns = points[0].board_ns
        xs = [float(point.board_ns - base_ns) for point in points]
        x_mean = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
        y_mean = sum(w * p.offset_ns for w, p in zip(weights, points, strict=True)) / total
        spread = sum(w * (x - x_mean) ** 2 for w, x in zip(weights, xs, strict=True))
        common = sum(
            w * (x - x_mean) * (p.offset_ns - y_mean)
            for w, x, p in zip(weights, xs, points, strict=True)
        )
        self._slope = common / spread if spread > 0 else 0.0
        self._base_ns = base_ns
        self._offset_ns = y_mean - self._slope * x_mean
