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


class AskedClock(ManualClock):
    """Never lets anybody wait, and keeps until when they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_ns: list[int] = []

    def wait_until_ns(self, t_ns: int, stop: threading.Event) -> bool:
        self.asked_ns.append(t_ns)
        return True


def test_a_replay_counts_real_time_from_when_it_first_waits() -> None:
    wall, stop = AskedClock(), threading.Event()
    clock = ReplayClock(2.0, wall)
    wall.advance_to(9_000)
    clock.due(0, stop)
    wall.advance_to(9_020)
    clock.due(100, stop)
    assert wall.asked_ns == [9_000, 9_050]


def test_no_driver_waits_on_a_replay_whatever_its_speed() -> None:
    assert ReplayClock(1.0, ManualClock()).wait_until_ns(10**15, threading.Event())


def test_stopping_ends_the_wait_of_a_replay() -> None:
    stop = threading.Event()
    stop.set()
    assert not ReplayClock(1.0, ManualClock()).due(10**15, stop)
    assert not ReplayClock().due(0, stop)
