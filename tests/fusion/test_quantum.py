"""What makes a density matrix a state, under any sequence of updates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fusion.votes import (
    FEW,
    centred_logs,
    posteriors,
    random_unitary,
    sharp,
    to_vote,
    vote_lists,
)
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.fusion.base import Vote
from edge_emo.fusion.heads import read_heads, strength
from edge_emo.fusion.pooling import LogLinearPool
from edge_emo.fusion.quantum import DensityState, QuantumPool
from edge_emo.types import Posterior

COMMUTING = {
    "labels": read_heads()["labels"],
    "reference": {"voice": 1.0, "face": 1.0},
    "quantum": {
        "bases": {},
        "weights": {"voice": [1.0] * 6, "face": [1.0] * 6},
        "overlap": {"voice": 0.0, "face": 0.0},
    },
}

steps = st.one_of(
    st.tuples(posteriors(), st.floats(0.0, 5.0), st.none() | st.integers(0, 20)),
    st.floats(0.0, 1.0),
)


def is_state(state: DensityState) -> bool:
    matrix = state.matrix
    return bool(
        np.isfinite(matrix).all()
        and np.allclose(matrix, matrix.conj().T, atol=1e-12)
        and abs(np.trace(matrix).real - 1.0) < 1e-9
        and np.linalg.eigvalsh(matrix).min() > -1e-12
        and 0.0 <= state.entropy <= 1.0
        and 0.0 <= state.coherence <= 1.0
    )


@FEW
@given(st.lists(steps, max_size=12))
def test_any_sequence_leaves_it_hermitian_positive_and_of_trace_one(
    sequence: list[tuple[Posterior, float, int | None] | float],
) -> None:
    state = DensityState(7)
    for step in sequence:
        if isinstance(step, float):
            state.depolarise(step)
        else:
            posterior, exponent, seed = step
            basis = None if seed is None else random_unitary(seed)
            row = centred_logs(np.array(posterior.probabilities))
            state.measure(exponent * row, basis)
        assert is_state(state)
        assert state.probabilities.sum() == pytest.approx(1.0)


def test_it_starts_maximally_mixed_and_knows_nothing() -> None:
    state = DensityState(7)
    assert state.probabilities == pytest.approx([1 / 7] * 7)
    assert state.entropy == pytest.approx(1.0)
    assert state.coherence == 0.0


@FEW
@given(posteriors(), st.integers(0, 20))
def test_absent_evidence_changes_nothing(posterior: Posterior, seed: int) -> None:
    state = DensityState(7)
    state.measure(centred_logs(np.array(posterior.probabilities)), random_unitary(seed))
    before = state.matrix
    state.measure(np.zeros(7), random_unitary(seed + 1))
    state.depolarise(0.0)
    assert np.allclose(state.matrix, before, atol=1e-12)


def test_depolarising_fully_forgets() -> None:
    state = DensityState(3)
    state.measure(np.array([2.0, 0.0, -2.0]), random_unitary(1, 3))
    state.depolarise(1.0)
    assert np.allclose(state.matrix, np.eye(3) / 3)


@FEW
@given(posteriors(), posteriors(), posteriors(), st.floats(0.001, 2.0))
def test_with_commuting_bases_it_is_log_linear_pooling(
    voice: Posterior, face: Posterior, text: Posterior, weight: float
) -> None:
    votes = [
        to_vote(voice, weight, "voice"),
        to_vote(face, 1.0, "face"),
        to_vote(text, 0.5, "text"),
    ]
    pooled, plain = QuantumPool(COMMUTING).pool(votes), LogLinearPool().pool(votes)
    assert pooled.probabilities == pytest.approx(plain.probabilities, abs=1e-9)


def test_with_other_bases_the_order_matters_and_coherence_shows() -> None:
    rows = centred_logs(np.array([sharp("anger", 0.8).probabilities] * 2))
    one, two = random_unitary(3), random_unitary(4)
    forth, back = DensityState(7), DensityState(7)
    for state, bases in ((forth, (one, two)), (back, (two, one))):
        for row, basis in zip(rows, bases, strict=True):
            state.measure(row, basis)
    assert not np.allclose(forth.probabilities, back.probabilities, atol=1e-3)
    assert forth.coherence > 0.01


def test_the_unit_vector_of_a_measured_basis_is_pure() -> None:
    state = DensityState(2)
    state.measure(np.array([0.0, -60.0]), np.array([[1, 1], [1, -1]]) / math.sqrt(2) + 0j)
    assert state.entropy == pytest.approx(0.0, abs=1e-9)
    assert state.probabilities == pytest.approx([0.5, 0.5])
    assert state.coherence == pytest.approx(0.5)


def test_the_learned_bases_are_unitary() -> None:
    for basis in read_heads()["quantum"]["bases"].values():
        matrix = np.array(basis["real"]) + 1j * np.array(basis["imag"])
        assert np.allclose(matrix.conj().T @ matrix, np.eye(6), atol=1e-7)


def test_a_stale_vote_depolarises_towards_the_flat_posterior() -> None:
    pool = QuantumPool()
    told = sharp("happiness", 0.8)
    sure = [
        pool.pool([to_vote(told, 0.6 * fresh, "face", fresh)])["happiness"]
        for fresh in (1.0, 0.5, 0.1, 0.001)
    ]
    assert sure == sorted(sure, reverse=True)
    assert sure[-1] == pytest.approx(1 / 7, abs=0.01)
    mixed = sharp("happiness", 0.5 * 0.8 + 0.5 / 7)
    assert sure[1] == pytest.approx(pool.pool([to_vote(mixed, 0.6, "face")])["happiness"])


def test_votes_that_disagree_leave_more_entropy_than_votes_that_agree() -> None:
    pool = QuantumPool()
    face = to_vote(sharp("happiness", 0.7), 0.6, "face")
    same = to_vote(sharp("happiness", 0.7), 0.4, "voice")
    other = to_vote(sharp("anger", 0.7), 0.4, "voice")
    assert pool.measure([face, other]).entropy > pool.measure([face, same]).entropy


@FEW
@given(vote_lists())
def test_the_pool_reads_the_state_that_it_measures(votes: list[Vote]) -> None:
    pool = QuantumPool()
    state, read = pool.measure(votes), pool.read(votes)
    assert is_state(state)
    assert read.coherence == pytest.approx(state.coherence, abs=1e-9)
    named = {name for vote in votes for name in vote.prediction.posterior or ()}
    if len(state.probabilities) == len(read.posterior) == len(named):
        assert read.posterior.probabilities == pytest.approx(state.probabilities, abs=1e-9)


def test_the_pool_applies_the_measurements_one_after_another() -> None:
    heads = read_heads()
    own, labels = heads["quantum"], tuple(heads["labels"])
    one, two = sharp("anger", 0.6, labels), sharp("fear", 0.7, labels)
    votes = [to_vote(two, 0.5, "face"), to_vote(one, 0.3, "voice")]
    exponents = strength(heads, "quantum").exponents(votes, [0.5, 0.3])
    state = DensityState(6)
    for modality, exponent, said in (("voice", exponents[1], one), ("face", exponents[0], two)):
        basis = own["bases"][modality]
        row = centred_logs(np.array(said.probabilities)) * np.array(own["weights"][modality])
        state.measure(exponent * row, np.array(basis["real"]) + 1j * np.array(basis["imag"]))
    assert np.allclose(QuantumPool().measure(votes).matrix, state.matrix, atol=1e-12)


def test_votes_that_rule_each_other_out_leave_a_state() -> None:
    votes = [
        to_vote(sharp("anger", 1.0), 50.0, "voice"),
        to_vote(sharp("fear", 1.0), 50.0, "face"),
        to_vote(sharp("happiness", 1.0), 50.0, "text"),
    ]
    assert is_state(QuantumPool().measure(votes))
    assert sum(QuantumPool().pool(votes).probabilities) == pytest.approx(1.0)
