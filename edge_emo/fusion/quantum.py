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
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.fusion.base import Pool, Vote
from edge_emo.fusion.heads import (
    Floats,
    Names,
    centred_logs,
    is_categorical,
    read_heads,
    shares,
    strength,
    widened_row,
)
from edge_emo.fusion.pooling import union
from edge_emo.types import CATEGORIES, Modality, Posterior

Complex = npt.NDArray[np.complex128]
Bases = dict[Modality, Complex]
Weights = dict[Modality, Floats]

ORDER: tuple[Modality, ...] = ("voice", "face", "text", "physio", "eeg")
"""Order in which votes are measured."""

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

    def measure(self, evidence: Floats, basis: Complex | None = None) -> None:
        """Update by an effect that is diagonal in ``basis`` (Lüders' rule).

        Args:
            evidence: Shape (size,): logarithms of the effect, up to a constant.
            basis: Unitary, shape (size, size), a column per label; None is the read-out basis.
        """
        shifted = np.maximum(evidence - evidence.max(), -_WIDEST)
        root = np.exp(0.5 * shifted)
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
        values = np.linalg.eigvalsh(self.matrix)
        known = values[values > 0.0]
        return float(min(max(-(known * np.log(known)).sum() / math.log(len(values)), 0.0), 1.0))

    @property
    def coherence(self) -> float:
        """Share of the state off the read-out basis: 1 − Σ ρ_cc² / Σ |ρ_cd|², 0 … 1.

        0 when all votes were measured in the read-out basis. With the learned bases it hardly
        tells whether modalities disagree: see ``docs/concepts/fusion.md``.
        """
        squares = np.abs(self.matrix) ** 2
        return float(min(max(1.0 - np.trace(squares) / squares.sum(), 0.0), 1.0))

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

    Args:
        heads: Parameters by method; the packaged ones by default.
    """

    def __init__(self, heads: Mapping[str, Any] | None = None) -> None:
        heads = heads or read_heads()
        mine, labels = heads["quantum"], heads["labels"]
        self._strength = strength(heads, "quantum")
        self._weights: dict[Modality, Floats] = {
            name: widened_row(labels, row) for name, row in mine["weights"].items()
        }
        self._mean: Floats = np.asarray(np.mean(list(self._weights.values()), axis=0))
        self._bases: dict[Modality, Complex] = {
            name: _widened_basis(labels, basis) for name, basis in mine["bases"].items()
        }
        self._learned: Names = tuple(labels)
        self._spaces: dict[Names, tuple[Bases, Weights, Floats]] = {}

    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine at least one vote; see the module for the formula."""
        names = union(votes)
        space = self._space(names)
        chances = self._measured(votes, space).probabilities
        if space != names:
            chances = chances[[space.index(name) for name in names]]
            chances = chances / chances.sum()
        return Posterior(names, tuple(chances.tolist()))

    def measure(self, votes: list[Vote]) -> DensityState:
        """Return the state after all votes, over the categories or the votes' own labels."""
        return self._measured(votes, self._space(union(votes)))

    def _space(self, names: Names) -> Names:
        if not is_categorical(names):
            return names
        return self._learned if set(names).issubset(self._learned) else CATEGORIES

    def _measured(self, votes: list[Vote], space: Names) -> DensityState:
        votes = sorted(votes, key=lambda vote: ORDER.index(vote.prediction.modality))
        fresh = np.array([[vote.fresh] for vote in votes])
        evidence = centred_logs(fresh * shares(votes, space) + (1.0 - fresh) / len(space))
        if not is_categorical(space):
            return _commuting(evidence, [vote.weight / vote.fresh for vote in votes])
        exponents = self._strength.exponents(votes, [vote.weight / vote.fresh for vote in votes])
        bases, weights, mean = self._restricted(space)
        state = DensityState(len(space))
        commuting = np.zeros(len(space))
        for vote, exponent, row in zip(votes, exponents, evidence, strict=True):
            modality = vote.prediction.modality
            effect = exponent * weights.get(modality, mean) * row
            if modality in bases:
                state.measure(effect, bases[modality])
            else:
                commuting += effect
        state.measure(commuting)
        return state

    def _restricted(self, space: Names) -> tuple[Bases, Weights, Floats]:
        """Return bases and weights for the categories at hand."""
        if space not in self._spaces:
            at = [CATEGORIES.index(name) for name in space]
            self._spaces[space] = (
                {name: basis[np.ix_(at, at)] for name, basis in self._bases.items()},
                {name: row[at] for name, row in self._weights.items()},
                self._mean[at],
            )
        return self._spaces[space]


def _positive(matrix: Complex) -> Complex:
    """Return the state nearest to a Hermitian matrix that rounding made slightly negative."""
    values, vectors = np.linalg.eigh(matrix)
    kept = np.maximum(values, 0.0)
    return np.asarray((vectors * (kept / kept.sum())) @ vectors.conj().T)


def _commuting(evidence: Floats, exponents: list[float]) -> DensityState:
    state = DensityState(evidence.shape[1])
    for exponent, row in zip(exponents, evidence, strict=True):
        state.measure(exponent * row)
    return state


def _widened_basis(labels: list[str], basis: Mapping[str, Any]) -> Complex:
    """Return a basis over all categories; one that was not learned is its own axis."""
    wide = np.eye(len(CATEGORIES), dtype=np.complex128)
    at = [CATEGORIES.index(name) for name in labels]
    wide[np.ix_(at, at)] = np.asarray(basis["real"]) + 1j * np.asarray(basis["imag"])
    return wide
