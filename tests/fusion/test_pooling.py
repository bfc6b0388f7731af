from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.fusion.base import Trust, Vote
from edge_emo.fusion.divergence import MEDIAN_GAP, calibrated
from edge_emo.fusion.pooling import LogLinearPool, PooledFusion
from edge_emo.fusion.smoothing import Smoothing
from edge_emo.types import CATEGORIES, Modality, Posterior, Prediction, abstention

SECOND = 1_000_000_000


def posterior(**given: float) -> Posterior:
    rest = (1 - sum(given.values())) / (len(CATEGORIES) - len(given))
    return Posterior(CATEGORIES, tuple(given.get(name, rest) for name in CATEGORIES))


def prediction(
    modality: Modality,
    shares: Posterior,
    t_s: float = 0.0,
    quality: float = 1.0,
    arousal: float | None = None,
    valence: float | None = None,
) -> Prediction:
    return Prediction(
        modality, round(t_s * SECOND), 0, shares, valence, arousal, None, quality, "m", 0
    )


def vote(shares: Posterior, weight: float = 1.0) -> Vote:
    return Vote(prediction("face", shares), weight)


def test_one_full_vote_is_itself() -> None:
    shares = posterior(anger=0.7)
    pooled = LogLinearPool().pool([vote(shares)])
    assert pooled.probabilities == pytest.approx(shares.probabilities)


def test_agreeing_votes_sharpen_and_a_weak_vote_is_flat() -> None:
    shares = posterior(anger=0.6)
    both = LogLinearPool().pool([vote(shares), vote(shares)])
    weak = LogLinearPool().pool([vote(shares, 0.1)])
    assert both["anger"] > 0.6 > weak["anger"] > 1 / 7


def test_the_formula_is_the_weighted_geometric_mean() -> None:
    one, two = Posterior(("a", "b"), (0.9, 0.1)), Posterior(("a", "b"), (0.2, 0.8))
    pooled = LogLinearPool().pool([vote(one, 0.5), vote(two, 2.0)])
    a, b = 0.9**0.5 * 0.2**2, 0.1**0.5 * 0.8**2
    assert pooled["a"] == pytest.approx(a / (a + b))


def test_a_label_that_a_vote_does_not_name_is_neither_helped_nor_harmed_by_it() -> None:
    full = Posterior(("a", "b", "c"), (0.2, 0.2, 0.6))
    part = Posterior(("a", "b"), (0.5, 0.5))
    pooled = LogLinearPool().pool([vote(full), vote(part)])
    assert pooled["c"] == pytest.approx(0.6)


shares_of_two = st.floats(0.0, 1.0).map(lambda p: Posterior(("a", "b"), (p, 1.0 - p)))


@given(st.lists(st.tuples(shares_of_two, st.floats(0.001, 3.0)), min_size=1, max_size=5))
def test_any_votes_give_a_posterior(votes: list[tuple[Posterior, float]]) -> None:
    pooled = LogLinearPool().pool([vote(shares, weight) for shares, weight in votes])
    assert sum(pooled.probabilities) == pytest.approx(1.0)
    assert all(math.isfinite(p) for p in pooled.probabilities)


def fusion(**trust: Trust) -> PooledFusion:
    return PooledFusion(trust)  # type: ignore[arg-type]


def test_nothing_known_is_unknown_with_a_reason() -> None:
    fused = fusion().fuse(0)
    assert (fused.expressed, fused.felt, fused.divergence) == (None, None, None)
    assert fused.reason == "no evidence yet"


def test_expressed_and_felt_stay_apart() -> None:
    both = fusion()
    both.update(prediction("face", posterior(happiness=0.8), arousal=0.5))
    both.update(prediction("eeg", Posterior(("rest", "load"), (0.9, 0.1)), arousal=-0.5))
    fused = both.fuse(0)
    assert fused.expressed is not None
    assert fused.felt is not None
    assert fused.expressed.label == "happiness"
    assert fused.felt.label == "rest"
    assert fused.divergence == pytest.approx(calibrated(0.5, MEDIAN_GAP["arousal",]))


def test_brain_and_body_that_both_rest_are_of_little_intensity() -> None:
    both = fusion()
    both.update(prediction("eeg", Posterior(("rest", "load"), (0.9, 0.1))))
    both.update(prediction("physio", Posterior(("baseline", "stress"), (0.9, 0.1))))
    felt = both.fuse(0).felt
    assert felt is not None
    assert felt.intensity == pytest.approx(0.1)


def test_an_abstaining_modality_stops_counting_and_says_why() -> None:
    one = fusion()
    one.update(prediction("face", posterior(anger=0.9)))
    assert one.fuse(0).expressed is not None
    one.update(abstention("face", 1, 0, "no face"))
    fused = one.fuse(1)
    assert fused.expressed is None
    assert "face: no face" in fused.reason


def test_a_fresh_vote_without_weight_is_not_called_stale() -> None:
    one = fusion(face=Trust(0.0, 1.0))
    one.update(prediction("face", posterior(anger=0.9)))
    assert one.fuse(SECOND).reason == "face: no weight"
    assert one.fuse(4 * SECOND).reason == "face: nothing for 4.0 s"


def test_a_lost_modality_stops_counting() -> None:
    one = fusion()
    one.update(prediction("voice", posterior(anger=0.9)))
    one.lost("voice")
    assert one.fuse(0).expressed is None


def test_staleness_decays_a_vote_until_it_stops_counting() -> None:
    confidences = []
    for age_s in (0.0, 1.0, 2.0, 2.9):
        one = PooledFusion({"face": Trust(1.0, 1.0)})
        one.update(prediction("face", posterior(anger=0.9)))
        affect = one.fuse(round(age_s * SECOND)).expressed
        assert affect is not None
        assert affect.age_ns == round(age_s * SECOND)
        confidences.append(affect.confidence)
    assert all(later < sooner for sooner, later in itertools.pairwise(confidences))
    one.update(prediction("face", posterior(anger=0.9)))
    assert one.fuse(round(3.1 * SECOND)).expressed is None


def test_quality_and_reliability_weigh_a_vote() -> None:
    def anger(reliability: float, quality: float) -> float:
        two = PooledFusion({"face": Trust(reliability, 1.0), "voice": Trust(1.0, 1.0)})
        two.update(prediction("face", posterior(anger=0.8), quality=quality))
        two.update(prediction("voice", posterior(sadness=0.8)))
        affect = two.fuse(0).expressed
        assert affect is not None
        return affect.posterior["anger"]

    assert anger(1.0, 1.0) > anger(0.5, 1.0) > anger(0.5, 0.5) > anger(0.5, 0.0)


def test_dimensions_are_weighted_means_of_those_who_have_them() -> None:
    three = PooledFusion({"face": Trust(1.0, 1.0), "voice": Trust(0.5, 1.0)})
    three.update(prediction("face", posterior(anger=0.8), valence=-0.6))
    three.update(prediction("voice", posterior(anger=0.8), valence=0.6, arousal=0.4))
    affect = three.fuse(0).expressed
    assert affect is not None
    assert affect.valence == pytest.approx((-0.6 + 0.5 * 0.6) / 1.5)
    assert affect.arousal == pytest.approx(0.4)
    assert affect.dominance is None


def test_the_label_changes_only_after_a_lasting_lead() -> None:
    one = PooledFusion(smoothing=Smoothing("hysteresis", posterior_s=1e-6, margin=0.1, hold_s=0.3))

    def label(t_s: float, shares: Posterior) -> str:
        one.update(prediction("face", shares, t_s))
        affect = one.fuse(round(t_s * SECOND)).expressed
        assert affect is not None
        return affect.label

    happy, angry = posterior(happiness=0.8), posterior(anger=0.8)
    assert label(0.0, happy) == "happiness"
    assert label(0.1, angry) == "happiness"
    assert label(0.2, happy) == "happiness"
    assert label(0.3, angry) == "happiness"
    assert label(0.5, angry) == "happiness"
    assert label(0.7, angry) == "anger"


def test_smoothing_does_not_depend_on_how_often_it_is_asked() -> None:
    def after_one_second(steps: int) -> float:
        one = PooledFusion({"face": Trust(1.0, 1e9)}, smoothing=Smoothing("hysteresis"))
        one.update(prediction("face", posterior(happiness=0.9)))
        one.fuse(0)
        one.update(prediction("face", posterior(anger=0.9)))
        for step in range(1, steps + 1):
            fused = one.fuse(step * SECOND // steps)
        assert fused.expressed is not None
        return fused.expressed.posterior["anger"]

    assert after_one_second(1) == pytest.approx(after_one_second(50), rel=1e-6)
