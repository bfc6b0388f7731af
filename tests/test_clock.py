from __future__ import annotations

import threading

from edge_emo.clock import ManualClock, MonotonicClock, ReplayClock


def test_a_session_begins_near_zero() -> None:
    assert 0 <= MonotonicClock().now_ns() < 10**9


def test_manual_time_never_runs_backwards() -> None:
    clock = ManualClock()
    clock.advance(2.0)
    clock.advance_to(5)
    assert clock.now_ns() == 2_000_000_000


def test_a_waiting_thread_wakes_when_time_passes() -> None:
    clock, stop, woken = ManualClock(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: clock.wait_until_ns(10, stop) and woken.set())
    thread.start()
    clock.advance_to(10)
    thread.join(5)
    assert woken.is_set()


def test_stopping_ends_a_wait() -> None:
    stop = threading.Event()
    stop.set()
    assert not MonotonicClock().wait_until_ns(10**12, stop)
    assert not ManualClock().wait_until_ns(10, stop)
    assert not ReplayClock().wait_until_ns(10, stop)


def test_replay_does_not_wait() -> None:
    assert ReplayClock().wait_until_ns(10**15, threading.Event())
