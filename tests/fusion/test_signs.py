"""How open a fused posterior is, and whether its votes disagree."""

from __future__ import annotations

import dataclasses

import pytest
from fusion.votes import FEW, posteriors, sharp, to_vote, vote_lists
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.config import FusionMethod, FusionSettings
from edge_emo.fusion.base import Vote
from edge_emo.fusion.methods import METHODS
from edge_emo.fusion.signs import conflict, entropy
from edge_emo.pipeline.plan import make_fusion
from edge_emo.types import CATEGORIES, Affect, Modality, Posterior


def test_entropy_goes_from_certain_to_flat() -> None:
    assert entropy((1.0, 0.0, 0.0)) == 0.0
    assert entropy((0.5, 0.5)) == pytest.approx(1.0)
    assert entropy((1.0,)) == 0.0
    assert 0.0 < entropy(sharp("anger", 0.8).probabilities) < 1.0


@FEW
@given(posteriors(), st.floats(1e-3, 1.0), st.floats(1e-3, 1.0))
def test_votes_that_say_the_same_are_in_no_conflict(
    posterior: Posterior, one: float, other: float
) -> None:
    votes = [to_vote(posterior, one, "face"), to_vote(posterior, other, "voice")]
    assert conflict(votes) == pytest.approx(0.0, abs=1e-9)


def test_the_order_of_labels_is_no_matter() -> None:
    turned = Posterior(CATEGORIES[::-1], sharp("fear", 0.8).probabilities[::-1])
    votes = [to_vote(sharp("fear", 0.8), 1.0, "face"), to_vote(turned, 1.0, "voice")]
    assert conflict(votes) == pytest.approx(0.0, abs=1e-9)
    votes[1] = to_vote(sharp("anger", 1.0, CATEGORIES[::-1]), 1.0, "voice")
    assert conflict(votes) == conflict([votes[0], to_vote(sharp("anger", 1.0), 1.0, "voice")])


@pytest.mark.parametrize("count", [2, 3])
def test_equal_votes_without_a_common_label_are_in_full_conflict(count: int) -> None:
    modalities: tuple[Modality, ...] = ("face", "voice", "text")
    votes = [to_vote(sharp(CATEGORIES[n], 1.0), 0.4, modalities[n]) for n in range(count)]
    assert conflict(votes) == pytest.approx(1.0)


@pytest.mark.parametrize("weight", [5e-324, 1e-200, 1.0, 1e300])
def test_conflict_is_the_same_whatever_all_weigh(weight: float) -> None:
    face, voice = sharp("happiness", 1.0), sharp("anger", 1.0)
    votes = [to_vote(face, weight, "face"), to_vote(voice, weight, "voice")]
    assert conflict(votes) == 1.0


def test_a_vote_of_little_weight_causes_little_conflict() -> None:
    face = to_vote(sharp("happiness", 0.9), 0.6, "face")
    other = sharp("anger", 0.9)
    found = [conflict([face, to_vote(other, 0.6 * share, "voice")]) for share in (1, 0.3, 0.01)]
    assert found == sorted(found, reverse=True)  # type: ignore[type-var]
    assert found[-1] == pytest.approx(0.0, abs=0.05)


@FEW
@given(vote_lists())
def test_conflict_lies_between_0_and_1_whatever_the_order(votes: list[Vote]) -> None:
    found = conflict(votes)
    if found is None:
        assert len(votes) < 2 or len({vote.prediction.posterior for vote in votes}) > 1
    else:
        assert 0.0 <= found <= 1.0
        assert conflict(votes[::-1]) == pytest.approx(found, abs=1e-9)


def test_labels_of_different_packages_cannot_conflict() -> None:
    eeg = to_vote(sharp("rest", 0.9, ("rest", "load")), 1.0, "eeg")
    wrist = to_vote(sharp("stress", 0.9, ("baseline", "stress")), 1.0, "physio")
    assert conflict([eeg, wrist]) is None


def fused(method: FusionMethod, **labels: str) -> Affect:
    fusion = make_fusion(FusionSettings(method=method), dict.fromkeys(labels, 0.6))  # type: ignore[arg-type]
    for modality, label in labels.items():
        said = to_vote(sharp(label, 0.9), 1.0, modality).prediction  # type: ignore[arg-type]
        fusion.update(dataclasses.replace(said, t_ns=0))
    affect = fusion.fuse(0).expressed
    assert affect is not None
    return affect


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_state_carries_the_signs(method: FusionMethod) -> None:
    alike = fused(method, face="anger", voice="anger")
    apart = fused(method, face="anger", voice="happiness")
    assert alike.conflict == pytest.approx(0.0, abs=1e-9)
    assert apart.conflict is not None
    assert apart.conflict > 0.8
    assert alike.entropy is not None
    assert apart.entropy is not None
    assert apart.entropy > alike.entropy
    assert (apart.coherence is None) == (method != "quantum")
    assert fused(method, face="anger").conflict is None
