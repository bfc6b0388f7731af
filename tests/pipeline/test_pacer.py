from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from edge_emo.pipeline.pacer import Pacer

MS = 1_000_000


def play(evidence_ms: Iterable[int], until_ms: int = 0) -> list[tuple[int, bool]]:
    """Times in ms of the states of a 10 Hz pacer, and whether evidence made them."""
    pacer, made = Pacer(10), []

    def deadlines(t_ns: int) -> None:
        while pacer.deadline_ns < t_ns:
            deadline = pacer.deadline_ns
            made.append((deadline // MS, False))
            pacer.starved(deadline)

    for t_ms in evidence_ms:
        deadlines(t_ms * MS)
        if pacer.evidence(t_ms * MS):
            made.append((t_ms, True))
    deadlines(until_ms * MS)
    return made


def test_steady_evidence_makes_every_state_whatever_its_phase() -> None:
    for phase in range(0, 100, 7):
        states = play(range(phase, 5000, 100))
        assert all(by_evidence for _, by_evidence in states[2:])
        assert len(states) in (49, 50, 51)


def test_jitter_of_a_frame_does_not_lose_the_pace() -> None:
    times = [100 * n + (8 if n % 2 else -8) + 40 for n in range(50)]
    assert [t for t, by_evidence in play(times) if by_evidence] == times[-len(play(times)) :]


def test_without_evidence_states_come_at_the_same_rate() -> None:
    states = play([], until_ms=1000)
    assert [t for t, _ in states] == [50 + 100 * n for n in range(10)]


def test_rare_evidence_makes_a_state_at_once() -> None:
    states = play([333, 833, 1333], until_ms=1500)
    assert {333, 833, 1333} <= {t for t, by_evidence in states if by_evidence}


def test_dense_evidence_does_not_exceed_the_rate() -> None:
    assert len(play(range(0, 10_000, 33))) <= 101
    assert len(play(range(0, 10_000, 80))) <= 101


def test_a_long_stall_does_not_cause_a_burst() -> None:
    pacer = Pacer(10)
    pacer.starved(5_030 * MS)
    assert pacer.deadline_ns > 5_030 * MS
    assert not Pacer(10, 5_000 * MS).evidence(4_900 * MS)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=100))
def test_the_rate_holds_over_time(gaps_ms: list[int]) -> None:
    times = [sum(gaps_ms[:n]) for n in range(1, len(gaps_ms) + 1)]
    states = play(times, until_ms=times[-1] + 1)
    assert len(states) <= times[-1] / 100 + 3
    gaps = [b[0] - a[0] for a, b in itertools.pairwise(states)]
    assert all(gap <= 200 for gap in gaps)
