from __future__ import annotations

import dataclasses

import pytest
from fusion.votes import sharp, to_vote

from edge_emo.fusion.baseline import Baseline
from edge_emo.types import Posterior, Prediction, abstention

SECOND = 1_000_000_000


def said(posterior: Posterior, t_s: float, valence: float | None = None) -> Prediction:
    prediction = to_vote(posterior).prediction
    return dataclasses.replace(prediction, t_ns=round(t_s * SECOND), valence=valence)


def rested(resting: Posterior, **given: float) -> Baseline:
    """A baseline that saw ten seconds of one answer."""
    baseline = Baseline(**given)
    baseline.begin(0, seconds=10.0)
    for t_s in range(10):
        baseline.apply(said(resting, t_s, valence=-0.4))
    baseline.apply(said(resting, 10.0))
    assert not baseline.learning
    return baseline


def test_while_it_learns_nothing_is_shifted() -> None:
    baseline = Baseline()
    baseline.begin(0, seconds=10.0)
    prediction = said(sharp("sadness", 0.6), 1.0)
    assert baseline.apply(prediction) is prediction
    assert baseline.learning


def test_a_face_that_looks_sad_at_rest_becomes_neutral_at_rest() -> None:
    baseline = rested(sharp("sadness", 0.6), strength=1.0)
    at_rest = baseline.apply(said(sharp("sadness", 0.6), 11.0, valence=-0.4))
    assert at_rest.posterior is not None
    assert at_rest.posterior["neutral"] == pytest.approx(0.7)
    assert at_rest.valence == pytest.approx(0.0)
    happy = baseline.apply(said(sharp("happiness", 0.6), 12.0))
    assert happy.posterior is not None
    assert happy.posterior["sadness"] < 0.05


def test_half_strength_goes_half_the_way() -> None:
    shifted = rested(sharp("sadness", 0.6)).apply(said(sharp("sadness", 0.6), 11.0, -0.4))
    assert shifted.posterior is not None
    assert shifted.posterior["neutral"] == pytest.approx(shifted.posterior["sadness"], rel=0.5)
    assert shifted.valence == pytest.approx(-0.2)


def test_somebody_plain_at_rest_is_not_shifted() -> None:
    shifted = rested(sharp("neutral", 0.7), strength=1.0).apply(said(sharp("anger", 0.5), 11.0))
    assert shifted.posterior is not None
    assert shifted.posterior.probabilities == pytest.approx(sharp("anger", 0.5).probabilities)


def test_other_modalities_and_abstentions_stay_as_they_are() -> None:
    baseline = rested(sharp("sadness", 0.6))
    voice = dataclasses.replace(said(sharp("sadness", 0.6), 11.0), modality="voice")
    assert baseline.apply(voice) is voice
    silent = abstention("face", 12 * SECOND, 0, "no face")
    assert baseline.apply(silent) is silent


def test_it_expires() -> None:
    baseline = rested(sharp("sadness", 0.6), lifetime_s=60.0)
    early, late = said(sharp("sadness", 0.6), 69.0), said(sharp("sadness", 0.6), 70.0)
    assert baseline.apply(early) is not early
    assert baseline.apply(late) is late
    assert baseline.rests == {}


def test_it_can_be_erased() -> None:
    baseline = rested(sharp("sadness", 0.6))
    assert baseline.rests["face"].count == 10
    baseline.erase()
    assert baseline.rests == {}
    prediction = said(sharp("sadness", 0.6), 11.0)
    assert baseline.apply(prediction) is prediction


def test_too_few_predictions_teach_nothing() -> None:
    baseline = Baseline()
    baseline.begin(0, seconds=1.0)
    baseline.apply(said(sharp("sadness", 0.9), 0.5))
    baseline.apply(said(sharp("sadness", 0.9), 2.0))
    assert baseline.rests == {}


def test_a_span_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 s"):
        Baseline().begin(0, seconds=0)


def test_labels_without_a_resting_one_are_levelled() -> None:
    baseline = rested(Posterior(("up", "down"), (0.8, 0.2)), strength=1.0)
    shifted = baseline.apply(said(Posterior(("up", "down"), (0.8, 0.2)), 11.0))
    assert shifted.posterior is not None
    assert shifted.posterior.probabilities == pytest.approx((0.5, 0.5))
