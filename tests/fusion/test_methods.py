"""The contract that every method of fusion keeps."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from fusion.votes import FEW, posteriors, sharp, to_posterior, to_vote, vote_lists
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.config import FusionMethod, FusionSettings, parse_config
from edge_emo.errors import ConfigError
from edge_emo.fusion.base import Pool, Vote
from edge_emo.fusion.channel import ChannelPool
from edge_emo.fusion.heads import Strength, read_heads, widened_square
from edge_emo.fusion.methods import METHODS, make_pool
from edge_emo.fusion.pooling import LogLinearPool
from edge_emo.pipeline.plan import make_fusion
from edge_emo.types import CATEGORIES, Modality, Posterior, Prediction

POOLS = {name: make_pool(name) for name in METHODS}
LEARNED = ("full-log-linear", "channel", "quantum")
FLAT = to_posterior([1.0] * 7)


@pytest.fixture(params=sorted(POOLS))
def pool(request: pytest.FixtureRequest) -> Pool:
    return POOLS[request.param]


@pytest.fixture(params=LEARNED)
def learned(request: pytest.FixtureRequest) -> Pool:
    return POOLS[request.param]


def test_every_name_of_the_configuration_is_a_method() -> None:
    assert set(METHODS) == set(typing.get_args(FusionMethod))
    assert FusionSettings().method == "channel"
    with pytest.raises(ConfigError, match="quantum"):
        parse_config("[fusion]\nmethod = 'entangled'")


@FEW
@given(votes=vote_lists())
def test_any_votes_give_a_posterior_over_their_names(votes: list[Vote]) -> None:
    named = {name for vote in votes for name in vote.prediction.posterior or ()}
    for pool in POOLS.values():
        pooled = pool.pool(votes)
        assert pooled.names == tuple(name for name in CATEGORIES if name in named)
        assert sum(pooled.probabilities) == pytest.approx(1.0)


@FEW
@given(one=posteriors(("rest", "load")), two=posteriors(("baseline", "stress")))
def test_labels_that_are_no_categories_are_pooled_too(one: Posterior, two: Posterior) -> None:
    votes = [to_vote(one, 0.4, "eeg"), to_vote(two, 0.7, "physio")]
    for pool in POOLS.values():
        pooled = pool.pool(votes)
        assert pooled.names == ("baseline", "load", "rest", "stress")
        assert sum(pooled.probabilities) == pytest.approx(1.0)


@FEW
@given(votes=vote_lists(("voice", "face")))
def test_the_order_of_the_votes_does_not_matter(votes: list[Vote]) -> None:
    for pool in POOLS.values():
        one, other = pool.pool(votes), pool.pool(votes[::-1])
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-9)


def test_what_all_say_is_the_answer(pool: Pool) -> None:
    for name in CATEGORIES:
        votes = [to_vote(sharp(name, 0.8), 0.6, m) for m in typing.get_args(Modality)[:3]]
        assert pool.pool(votes).label == name


def test_a_flat_vote_of_little_weight_changes_little(pool: Pool) -> None:
    told = to_vote(sharp("fear", 0.7), 0.63, "face")
    alone = pool.pool([told])
    with_flat = pool.pool([told, to_vote(FLAT, 1e-9, "voice")])
    assert with_flat.probabilities == pytest.approx(alone.probabilities, abs=1e-6)


@FEW
@given(posterior=posteriors(), weight=st.floats(1e-3, 1.0))
def test_an_added_modality_is_weighed_by_its_reliability(
    posterior: Posterior, weight: float
) -> None:
    for name in ("full-log-linear", "quantum"):
        pool = POOLS[name]
        full, half = (
            np.log(pool.pool([to_vote(posterior, share * weight, "text")]).probabilities)
            for share in (1.0, 0.5)
        )
        assert full - full.mean() == pytest.approx(2.0 * (half - half.mean()), abs=1e-6)


def test_more_weight_gives_a_clearer_answer(learned: Pool) -> None:
    told = sharp("happiness", 0.7)
    sure = [learned.pool([to_vote(told, w, "text")])["happiness"] for w in (0.1, 0.3, 0.6, 1.0)]
    assert 1 / 7 < sure[0] < sure[1] < sure[2] < sure[3]


def test_votes_that_agree_sharpen_each_other(learned: Pool) -> None:
    told = sharp("anger", 0.6)
    one = learned.pool([to_vote(told, 0.63, "face")])
    two = learned.pool([to_vote(told, 0.63, "face"), to_vote(told, 0.37, "voice")])
    assert two["anger"] > one["anger"]


def test_a_category_that_was_not_learned_can_win(learned: Pool) -> None:
    votes = [to_vote(sharp("surprise", 0.7), 0.63, "face"), to_vote(FLAT, 0.37, "voice")]
    assert learned.pool(votes).label == "surprise"


def test_a_wide_table_is_the_learned_one_and_the_average() -> None:
    wide = widened_square(["anger", "fear"], [[0.8, 0.2], [0.4, 0.6]])
    at = [CATEGORIES.index("anger"), CATEGORIES.index("fear")]
    assert wide[np.ix_(at, at)].tolist() == [[0.8, 0.2], [0.4, 0.6]]
    assert wide[6, 6] == pytest.approx(0.7)
    assert wide[6, 0] == wide[0, 6] == pytest.approx(0.3)


def test_exponents_are_discounted_by_overlap() -> None:
    strength = Strength({"face": 0.5, "voice": 0.25}, {"face": 1.0, "voice": 0.0})
    face, voice = to_vote(FLAT, 0.5, "face"), to_vote(FLAT, 0.25, "voice")
    assert strength.exponents([face], [0.5]) == [1.0]
    assert strength.exponents([face, voice], [0.5, 0.25]) == pytest.approx([0.5, 1.0])
    assert strength.exponents([face, voice], [0.5, 0.0025]) == pytest.approx([1.0, 0.01])
    text = to_vote(FLAT, 0.375, "text")
    assert strength.exponents([text], [0.375]) == pytest.approx([1.0])


def test_without_tables_the_channel_is_log_linear_pooling() -> None:
    """Up to the little that H = S = I leaves at the floor."""
    identity = np.eye(6).tolist()
    heads = {
        "labels": read_heads()["labels"],
        "reference": {"voice": 1.0, "face": 1.0},
        "channel": {
            "heard": identity,
            "said": identity,
            "weights": {"voice": [1.0] * 6, "face": [1.0] * 6},
            "overlap": {"voice": 0.0, "face": 0.0},
        },
    }
    votes = [to_vote(sharp("anger", 0.6), 0.4, "face"), to_vote(sharp("fear", 0.5), 0.9, "voice")]
    pooled, plain = ChannelPool(heads).pool(votes), LogLinearPool().pool(votes)
    assert pooled.probabilities == pytest.approx(plain.probabilities, abs=1e-12)


@FEW
@given(votes=vote_lists())
def test_reading_a_pool_gives_the_same_posterior(votes: list[Vote]) -> None:
    for name, pool in POOLS.items():
        read = pool.read(votes)
        expected = pool.pool(votes).probabilities
        assert read.posterior.probabilities == pytest.approx(expected, abs=1e-12)
        assert (read.coherence is None) == (name != "quantum")


def test_the_packaged_parameters_say_where_they_come_from() -> None:
    source = read_heads()["source"]
    assert source["licence"] == "ODbL-1.0"
    assert "CREMA-D" in source["corpus"]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_configuration_chooses_the_method(method: FusionMethod) -> None:
    fusion = make_fusion(FusionSettings(method=method), {"face": 0.6})
    told = sharp("anger", 0.8)
    fusion.update(Prediction("face", 0, 0, told, None, None, None, 1.0, "m", 0))
    affect = fusion.fuse(0).expressed
    assert affect is not None
    expected = POOLS[method].pool([to_vote(told, 0.6, "face")])
    assert affect.posterior.probabilities == pytest.approx(expected.probabilities)
