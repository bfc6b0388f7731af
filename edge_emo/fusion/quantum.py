"""Quantum-inspired pooling: votes as generalised measurements on one density matrix.

Decision fusion with incompatible observables (Gkoumas et al., AAAI 2021, arXiv 2101.04406). The
state starts maximally mixed, ρ = I / n. Vote m, with exponent e_m and weights a_m, is an effect in
that modality's own orthonormal basis U_m:

    K_m = U_m diag(exp(½ e_m a_m ∘ clr(p_m))) U_m†;   ρ ← K_m ρ K_m† / tr(K_m ρ K_m†)

Probabilities are read on the diagonal, the basis in which labels are named. Where all bases are
the same as it, the effects commute and the result is log-linear pooling; where they are not, the
order matters, and the votes go in the fixed order of :data:`ORDER`: the learned bases first, then
those that commute with the read-out, in one step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.fusion.base import Pool, Pooled, Vote
from edge_emo.fusion.heads import (
    FLOOR,
    Floats,
    Names,
    is_categorical,
    read_head,
    rows,
    widened_row,
)
from edge_emo.fusion.pooling import union
from edge_emo.fusion.signs import entropy
from edge_emo.types import CATEGORIES, Modality, Posterior

Complex = npt.NDArray[np.complex128]

ORDER: tuple[Modality, ...] = ("voice", "face", "text", "physio", "eeg")
"""Order in which votes are measured."""

_TURNS = {modality: turn for turn, modality in enumerate(ORDER)}

_WIDEST = 60.0
"""Largest spread of an effect's logarithm; beyond it a probability is 0 in float64 anyway."""
_CONTRADICTED = 1e-3
"""Share of a state below which what an effect leaves of it is mostly rounding."""


class DensityState:
    """A density matrix over labels: Hermitian, positive, of trace one.

    Args:
        size: Number of labels.

    Attributes:
        matrix: Shape (size, size), complex128.
    """

    def __init__(self, size: int) -> None:
        self.matrix: Complex = np.eye(size, dtype=np.complex128) / size

    @classmethod
    def of(cls, amplitudes: Complex) -> DensityState:
        """Return the state A A† / tr(A A†).

        Args:
            amplitudes: Shape (size, any), not all 0.
        """
        state = cls.__new__(cls)
        matrix = amplitudes @ amplitudes.conj().T
        matrix *= 1.0 / np.vdot(amplitudes, amplitudes).real
        state.matrix = matrix
        return state

    def measure(self, evidence: Floats, basis: Complex | None = None) -> None:
        """Update by an effect that is diagonal in ``basis`` (Lüders' rule).

        Args:
            evidence: Shape (size,): logarithms of the effect, up to a constant.
            basis: Unitary, shape (size, size), a column per label; None is the read-out basis.
        """
        root = _roots(0.5 * evidence[None])[0]
        if basis is None:
            self._set(self.matrix * root[:, None] * root)
            return
        kraus = (basis * root) @ basis.conj().T
        self._set(kraus @ self.matrix @ kraus)

    def depolarise(self, share: float) -> None:
        """Mix with the maximally mixed state: ρ ← (1 − share) ρ + share · I / size.

        Args:
            share: 0 (nothing happens) … 1 (everything is forgotten).
        """
        size = len(self.matrix)
        self.matrix = (1.0 - share) * self.matrix + share * np.eye(size) / size

    @property
    def probabilities(self) -> Floats:
        """Probability of each label: the diagonal, shape (size,)."""
        diagonal = np.maximum(self.matrix.diagonal().real, 0.0)
        return np.asarray(diagonal / diagonal.sum())

    @property
    def entropy(self) -> float:
        """Von Neumann entropy over its largest value: 0 (pure) … 1 (maximally mixed)."""
        return entropy(np.linalg.eigvalsh(self.matrix).tolist())

    @property
    def coherence(self) -> float:
        """Share of the state off the read-out basis: 1 − Σ ρ_cc² / Σ |ρ_cd|², 0 … 1.

        0 when all votes were measured in the read-out basis. With the learned bases it hardly
        tells whether modalities disagree: see ``docs/concepts/fusion.md``.
        """
        diagonal = self.matrix.diagonal()
        on = np.vdot(diagonal, diagonal).real / np.vdot(self.matrix, self.matrix).real
        return float(min(max(1.0 - on, 0.0), 1.0))

    def _set(self, matrix: Complex) -> None:
        """Take an updated matrix; where little of it is left, rounding is taken out first."""
        left = matrix.trace().real
        matrix = (matrix + matrix.conj().T) * (0.5 / left)
        self.matrix = matrix if left > _CONTRADICTED else _positive(matrix)


class QuantumPool(Pool):
    """Measures votes one after another on a density matrix.

    Staleness is a depolarising channel on the vote: its posterior is mixed with the flat one.
    Labels that are not categories, and modalities that were not learned, are measured in the
    read-out basis.

    The state is worked out by its amplitudes. With R_m = diag(exp(½ e_m a_m ∘ clr(p_m))) and D the
    product of those that commute with the read-out, ρ ∝ A A† for A = D U_f R_f (U_f† U_v) R_v: the
    last unitary cancels, and the diagonal takes one product of matrices.

    Args:
        heads: Parameters by method; the packaged ones by default.
    """

    def __init__(self, heads: Mapping[str, Any] | None = None) -> None:
        mine, labels, self._strength = read_head("quantum", heads)
        self._weights: dict[Modality, Floats] = {
            name: widened_row(labels, row) for name, row in mine["weights"].items()
        }
        self._mean: Floats = np.asarray(np.mean(list(self._weights.values()), axis=0))
        self._bases: dict[Modality, Complex] = {
            name: _widened_basis(labels, basis) for name, basis in mine["bases"].items()
        }
        self._learned = labels
        self._plans: dict[tuple[Names, tuple[Modality, ...]], Plan] = {}

    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine at least one vote; see the module for the formula."""
        names = union(votes)
        space = self._space(names)
        amplitudes = self._amplitudes(votes, space)
        if isinstance(amplitudes, list):
            return _named([value * value for value in amplitudes], space, names)
        parts = amplitudes.view(np.float64)
        return _named(np.einsum("ij,ij->i", parts, parts).tolist(), space, names)

    def read(self, votes: list[Vote]) -> Pooled:
        """Combine at least one vote; with the coherence of the state."""
        names = union(votes)
        space = self._space(names)
        amplitudes = self._amplitudes(votes, space)
        if isinstance(amplitudes, list):
            return Pooled(_named([value * value for value in amplitudes], space, names), 0.0)
        matrix = amplitudes @ amplitudes.conj().T
        diagonal = matrix.diagonal().real.tolist()
        on = sum([value * value for value in diagonal]) / float(np.vdot(matrix, matrix).real)
        return Pooled(_named(diagonal, space, names), min(max(1.0 - on, 0.0), 1.0))

    def measure(self, votes: list[Vote]) -> DensityState:
        """Return the state after all votes, over the categories or the votes' own labels."""
        amplitudes = self._amplitudes(votes, self._space(union(votes)))
        return DensityState.of(
            np.diag(amplitudes).astype(np.complex128)
            if isinstance(amplitudes, list)
            else amplitudes
        )

    def _space(self, names: Names) -> Names:
        if names == CATEGORIES or not is_categorical(names):
            return names
        return self._learned if set(names).issubset(self._learned) else CATEGORIES

    def _amplitudes(self, votes: list[Vote], space: Names) -> Complex | list[float]:
        """Return A of ρ ∝ A A†, shape (n, n); its diagonal alone where it is diagonal."""
        votes = sorted(votes, key=lambda vote: _TURNS[vote.prediction.modality])
        given = [vote.weight / vote.fresh for vote in votes]
        if not is_categorical(space):
            return _commuting(_logs(votes, space, given))
        plan = self.plan(space, tuple([vote.prediction.modality for vote in votes]))
        exponents = self._strength.exponents(votes, given)
        return plan.amplitudes(_logs(votes, space, exponents))

    def plan(self, space: Names, modalities: tuple[Modality, ...]) -> Plan:
        """Return bases and weights for the categories and the votes at hand."""
        key = (space, modalities)
        if key not in self._plans:
            at = [CATEGORIES.index(name) for name in space]
            bases = [
                self._bases[name][np.ix_(at, at)] if name in self._bases else None
                for name in modalities
            ]
            rows = [self._weights.get(name, self._mean)[at] for name in modalities]
            self._plans[key] = Plan.of(bases, rows)
        return self._plans[key]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the same whenever the same modalities vote on the same categories.

    Attributes:
        effects: Shape (n_votes · n, n_steps · n): from logarithms of the votes times their
            exponents to half those of the effects of each step: centring, weights, and which votes
            make up a step; the last step is of all votes that commute with the read-out.
        turns: What leads from the basis of each step to that of the next, the last of which is
            the read-out.
    """

    effects: Floats
    turns: list[Complex]

    @classmethod
    def of(cls, bases: list[Complex | None], rows: list[Floats]) -> Plan:
        """Return the plan of votes in their order, None the basis of those of the read-out."""
        size = rows[0].size
        own = [basis for basis in bases if basis is not None]
        effects = np.zeros((len(rows), size, len(own) + 1, size))
        centring = np.eye(size) - 1.0 / size
        for number, (basis, row) in enumerate(zip(bases, rows, strict=True)):
            before = sum(one is not None for one in bases[:number])
            effects[number, :, len(own) if basis is None else before] = 0.5 * centring * row
        ends = [*(basis.conj().T for basis in own[1:]), np.eye(size)][: len(own)]
        turns = [np.asarray(end @ basis) for end, basis in zip(ends, own, strict=True)]
        return cls(effects.reshape(len(rows) * size, -1), turns)

    def amplitudes(self, evidence: list[list[float]]) -> Complex | list[float]:
        """Return the amplitudes after all steps, shape (n, n); their diagonal without a turn.

        Args:
            evidence: Logarithms of each vote times its exponent, shape (n_votes, n).
        """
        flat = np.array([value for row in evidence for value in row])
        roots = _roots((flat @ self.effects).reshape(-1, len(evidence[0])))
        if not self.turns:
            diagonal: list[float] = roots[0].tolist()
            return diagonal
        state: Complex = self.turns[0] * roots[0]
        for turn, root in zip(self.turns[1:], roots[1:, :, None], strict=False):
            state = turn @ (root * state)
        state *= roots[-1, :, None]
        return state


def _logs(votes: list[Vote], space: Names, exponents: list[float]) -> list[list[float]]:
    """Return logarithms of each vote, mixed with the flat posterior by staleness, weighed."""
    log, result = math.log, []
    for vote, exponent, row in zip(votes, exponents, rows(votes, space), strict=True):
        fresh = vote.fresh
        rest = (1.0 - fresh) / len(space)
        result.append([
            exponent * log(p if (p := rest + fresh * share) > FLOOR else FLOOR) for share in row
        ])  # fmt: skip
    return result


def _commuting(evidence: list[list[float]]) -> list[float]:
    """Return square roots of the product of effects that are diagonal in the read-out basis."""
    logs = [sum(column) for column in zip(*evidence, strict=True)]
    top = max(logs)
    return [math.exp(0.5 * max(value - top, -_WIDEST)) for value in logs]


def _named(row: list[float], space: Names, names: Names) -> Posterior:
    """Return what lies on the diagonal over ``space`` as the posterior over some of its names."""
    if space != names:
        row = [row[space.index(name)] for name in names]
    total = sum(row)
    return Posterior(names, tuple([value / total for value in row]))


def _roots(evidence: Floats) -> Floats:
    """Return square roots of effects, the greatest of each row 1.

    Args:
        evidence: Half the logarithms of effects up to a constant, shape (n_steps, n).
    """
    shifted = evidence - np.maximum.reduce(evidence, 1, keepdims=True)
    np.maximum(shifted, -0.5 * _WIDEST, out=shifted)
    np.exp(shifted, out=shifted)
    return shifted


def _positive(matrix: Complex) -> Complex:
    """Return the state nearest to a Hermitian matrix that rounding made slightly negative."""
    values, vectors = np.linalg.eigh(matrix)
    kept = np.maximum(values, 0.0)
    return np.asarray((vectors * (kept / kept.sum())) @ vectors.conj().T)


def _widened_basis(labels: Names, basis: Mapping[str, Any]) -> Complex:
    """Return a basis over all categories; one that was not learned is its own axis."""
    wide = np.eye(len(CATEGORIES), dtype=np.complex128)
    at = [CATEGORIES.index(name) for name in labels]
    wide[np.ix_(at, at)] = np.asarray(basis["real"]) + 1j * np.asarray(basis["imag"])
    return wide
