"""Tracking a label over time by the change-point filter."""

from __future__ import annotations

import pytest
from fusion.votes import FEW, posteriors, sharp
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.fusion.smoothing import AffectSmoother, ChangeFilter, Smoothing
from edge_emo.types import CATEGORIES, Posterior

SECOND = 1_000_000_000


def shown(smoother: AffectSmoother, steps: list[Posterior], start: int = 0) -> list[str]:
    """The label at 10 Hz."""
    return [
        smoother.step(posterior, {}, (start + n) * SECOND // 10, 0).label
        for n, posterior in enumerate(steps)
    ]


def test_strong_evidence_is_followed_sooner_than_weak_evidence() -> None:
    def delay(share: float) -> int:
        smoother = AffectSmoother(Smoothing())
        shown(smoother, [sharp("happiness", 0.8)] * 30)
        return shown(smoother, [sharp("anger", share)] * 60, 30).index("anger")

    assert delay(0.9) < delay(0.5) < delay(0.3)
    assert delay(0.9) <= 6


def test_one_look_that_differs_does_not_switch_the_label() -> None:
    smoother = AffectSmoother(Smoothing())
    steps = [sharp("happiness", 0.7)] * 20 + [sharp("anger", 0.9)] + [sharp("happiness", 0.7)] * 5
    assert set(shown(smoother, steps)) == {"happiness"}


def test_the_posterior_moves_with_the_belief_faster_than_its_time_constant() -> None:
    slow = Smoothing("hysteresis", posterior_s=5.0)
    quick = Smoothing("change-point", posterior_s=5.0)
    after = []
    for settings in (slow, quick):
        smoother = AffectSmoother(settings)
        for n in range(40):
            told = sharp("happiness" if n < 20 else "fear", 0.8)
            affect = smoother.step(told, {}, n * SECOND // 10, 0)
        after.append(affect.posterior["fear"])
    assert after[1] > 0.6 > after[0]


def test_a_time_constant_of_0_follows_at_once() -> None:
    smoother = AffectSmoother(Smoothing("hysteresis", posterior_s=0.0, dimension_s=0.0))
    smoother.step(sharp("happiness", 0.8), {"valence": 0.9}, 0, 0)
    affect = smoother.step(sharp("fear", 0.8), {"valence": -0.5}, SECOND // 10, 0)
    assert affect.posterior.probabilities == pytest.approx(sharp("fear", 0.8).probabilities)
    assert affect.valence == pytest.approx(-0.5)


@FEW
@given(st.lists(st.tuples(posteriors(), st.floats(0.0, 100.0)), min_size=1, max_size=10))
def test_any_posteriors_leave_a_belief_that_can_move_again(
    steps: list[tuple[Posterior, float]],
) -> None:
    belief = ChangeFilter(2.0, 10.0, 0.6)
    for posterior, elapsed_s in steps:
        assert 0.0 <= belief.step(posterior, elapsed_s) <= 1.0
        assert belief.label in posterior
    for _ in range(100):
        belief.step(sharp("fear", 0.9), 0.1)
    assert belief.label == "fear"


@pytest.mark.parametrize("hazard_hz", [0.0, 1e-30])
def test_labels_that_hardly_ever_jump_still_give_way_to_lasting_evidence(hazard_hz: float) -> None:
    belief = ChangeFilter(hazard_hz, 10.0, 0.6)
    for name in ("fear", "anger", "happiness"):
        for elapsed_s in (0.1, 10.0, 100.0):
            assert 0.0 <= belief.step(sharp(name, 1.0), elapsed_s) <= 1.0
        assert belief.label == name


def test_a_belief_that_moves_entirely_leaves_the_posterior_within_its_bounds() -> None:
    smoother = AffectSmoother(Smoothing(posterior_s=1e6, hazard_hz=0.5, evidence_hz=1000.0))
    before = Posterior(CATEGORIES, (0.0, 4 / 11, 1 / 11, 0.0, 2 / 11, 4 / 11, 0.0))
    after = Posterior(CATEGORIES, (1 / 3, 0.0, 0.0, 1 / 3, 0.0, 0.0, 1 / 3))
    smoother.step(before, {}, 0, 0)
    moved = smoother.step(after, {}, SECOND // 10, 0)
    assert moved.posterior.probabilities == pytest.approx(after.probabilities)


def test_other_names_start_it_afresh() -> None:
    belief = ChangeFilter(2.0, 10.0, 0.6)
    belief.step(sharp("fear", 0.9), 0.0)
    assert belief.step(Posterior(("rest", "load"), (0.2, 0.8)), 0.1) == 1.0
    assert belief.label == "load"


def test_a_higher_hazard_changes_sooner() -> None:
    def delay(hazard_hz: float) -> int:
        belief = ChangeFilter(hazard_hz, 10.0, 0.6)
        for _ in range(50):
            belief.step(sharp("happiness", 0.6), 0.1)
        for step in range(50):
            belief.step(sharp("anger", 0.6), 0.1)
            if belief.label == "anger":
                return step
        return 50

    assert delay(10.0) < delay(0.01) < 50
