from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_emo.pipeline.pacer import Pacer

MS = 1_000_000


def test_evidence_after_a_tick_makes_a_state_once() -> None:
    pacer = Pacer(10)
    assert pacer.due(0)
    pacer.made(0)
    assert not pacer.due(99 * MS)
    assert pacer.due(100 * MS)
    pacer.made(130 * MS)
    assert pacer.due(200 * MS)


def test_without_evidence_a_state_is_made_half_a_period_late() -> None:
    pacer = Pacer(10)
    assert pacer.deadline_ns == 50 * MS
    pacer.made(50 * MS)
    assert pacer.deadline_ns == 150 * MS


def test_a_long_stall_does_not_cause_a_burst() -> None:
    pacer = Pacer(10)
    pacer.made(5_030 * MS)
    assert not pacer.due(5_099 * MS)
    assert pacer.due(5_100 * MS)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=100))
def test_there_is_at_most_one_state_in_a_period(gaps_ms: list[int]) -> None:
    pacer, t, made = Pacer(10), 0, []
    for gap in gaps_ms:
        t += gap * MS
        if pacer.due(t):
            pacer.made(t)
            made.append(t // (100 * MS))
    assert len(made) == len(set(made))
