"""Waiting for the instant at which a file or a virtual device delivers."""

from __future__ import annotations

import threading

from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, DeviceTimeoutError

_EARLY_NS = 1_000_000


def wait_until_due(
    clock: Clock, due_ns: int, timeout_s: float, stop: threading.Event, device: str
) -> None:
    """Wait until the clock shows ``due_ns``, but no longer than ``timeout_s``.

    A clock that nobody waits on (a replay) returns at once and stands still; then there is no
    time-out either.

    Args:
        clock: The session clock.
        due_ns: When the samples may be handed out.
        timeout_s: Longest wait in seconds.
        stop: Set when the driver is closed.
        device: The device in words, for the errors.

    Raises:
        DeviceTimeoutError: ``due_ns`` lies further away than ``timeout_s``.
        ClosedError: The driver was closed while it waited.
    """
    deadline_ns = clock.now_ns() + round(timeout_s * 1e9)
    if due_ns > deadline_ns:
        _wait(clock, deadline_ns, stop, device)
        if clock.now_ns() >= deadline_ns - _EARLY_NS:
            raise DeviceTimeoutError(f"{device}: nothing is due within {timeout_s:g} s")
    _wait(clock, due_ns, stop, device)


def _wait(clock: Clock, t_ns: int, stop: threading.Event, device: str) -> None:
    if not clock.wait_until_ns(t_ns, stop):
        raise ClosedError(f"{device} was closed")
