"""The packaged heads as torch modules for export: real arithmetic, any subset of five modalities.

Complex numbers become real 2 × 2 blocks: a + bi is [[a, −b], [b, a]], so that products, conjugate
transposes and sums of complex matrices are those of real ones twice as large.

Input: shares (1, 5, 7) over the categories, and exponents (1, 5), both in :data:`ORDER`; the
exponent of a modality that does not vote is 0, and its shares are any. Output: logits (1, 7), the
logarithm of the posterior. :func:`inputs` makes both of votes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edge_emo.fusion.base import Vote
from edge_emo.fusion.channel import ChannelPool
from edge_emo.fusion.heads import FLOOR, shares, strength
from edge_emo.fusion.quantum import ORDER, QuantumPool
from edge_emo.types import CATEGORIES

Floats = np.ndarray[Any, np.dtype[np.float64]]
_WIDEST = 30.0


def inputs(
    heads: Mapping[str, Any], method: str, votes: Sequence[Vote]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return shares and exponents of votes, as a head takes them.

    The quantum head takes staleness as a mixture with the flat posterior, the noisy channel as a
    smaller exponent.
    """
    own = shares(votes, CATEGORIES)
    weights = [vote.weight for vote in votes]
    if method == "quantum":
        fresh = np.array([[vote.fresh] for vote in votes])
        own = fresh * own + (1.0 - fresh) / len(CATEGORIES)
        weights = [vote.weight / vote.fresh for vote in votes]
    at = [ORDER.index(vote.prediction.modality) for vote in votes]
    rows = np.full((1, len(ORDER), len(CATEGORIES)), 1.0 / len(CATEGORIES), np.float32)
    exponents = np.zeros((1, len(ORDER)), np.float32)
    rows[0, at] = own
    exponents[0, at] = strength(heads, method).exponents(votes, weights)
    return rows, exponents


def blocks(matrix: np.ndarray[Any, np.dtype[np.complex128]]) -> Floats:
    """Return the real form of a complex square, shape (2 n, 2 n), numbers side by side."""
    return np.block([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])


def _buffer(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


class QuantumModule(nn.Module):
    """``edge_emo.fusion.quantum``: the amplitudes A of ρ ∝ A A† alone, p_c ∝ Σ_d |A_cd|²."""

    def __init__(self, heads: Mapping[str, Any]) -> None:
        super().__init__()
        plan = QuantumPool(heads).plan(CATEGORIES, ORDER)
        self.n = len(CATEGORIES)
        self.register_buffer("effects", _buffer(plan.effects))
        self.turns = len(plan.turns)
        for number, turn in enumerate(plan.turns):
            self.register_buffer(f"turn{number}", _buffer(blocks(turn)))

    def forward(self, shares: Tensor, exponents: Tensor) -> Tensor:
        """Return logits, shape (1, n)."""
        logs = shares.clamp(min=FLOOR).log() * exponents[:, :, None]
        steps = (logs.reshape(1, -1) @ self.effects).reshape(1, self.turns + 1, self.n)
        shifted = steps - steps.amax(-1, keepdim=True)
        roots = shifted.clamp(min=-_WIDEST).exp()
        twice = torch.cat([roots, roots], -1)
        state = self.turn0 * twice[:, 0, None, :]
        for number in range(1, self.turns):
            state = getattr(self, f"turn{number}") @ (twice[:, number, :, None] * state)
        state = twice[:, -1, :, None] * state
        left = state[:, :, : self.n] ** 2  # the first column of each block holds a and b
        chances = left[:, : self.n].sum(-1) + left[:, self.n :].sum(-1)
        return (chances / chances.sum(-1, keepdim=True)).log()


class ChannelModule(nn.Module):
    """``edge_emo.fusion.channel``."""

    def __init__(self, heads: Mapping[str, Any]) -> None:
        super().__init__()
        heard, said, weights = ChannelPool(heads).tables(CATEGORIES, ORDER)
        self.register_buffer("weights", _buffer(weights)[None])
        self.register_buffer("heard", _buffer(heard))
        self.register_buffer("said", _buffer(said))

    def forward(self, shares: Tensor, exponents: Tensor) -> Tensor:
        """Return logits, shape (1, n)."""
        logs = (shares @ self.heard).log()
        logs = logs - logs.mean(-1, keepdim=True)
        scores = (exponents[:, :, None] * self.weights * logs).sum(1)
        return (scores.softmax(-1) @ self.said).log()


MODULES: Mapping[str, type[nn.Module]] = {"channel": ChannelModule, "quantum": QuantumModule}
