"""The packaged heads as torch modules for export: real arithmetic, votes of face and voice.

Complex numbers become real 2 × 2 blocks: a + bi is [[a, −b], [b, a]], so that products, conjugate
transposes and sums of complex matrices are those of real ones twice as large. Input: shares
(1, 2, n) of voice and face, and exponents (1, 2); output: logits, the logarithm of the posterior.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from fusion_study.votes import Floats
from torch import Tensor, nn

from edge_emo.fusion.heads import FLOOR

SENSES = ("voice", "face")


def blocks(matrix: np.ndarray[Any, np.dtype[np.complex128]]) -> Floats:
    """Return the real form of a complex square, shape (2 n, 2 n), numbers side by side."""
    return np.block([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])


def _buffer(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


class QuantumModule(nn.Module):
    """``edge_emo.fusion.quantum`` for fresh votes of voice and face over the learned labels.

    diag(ρ) of ρ = K_f K_v K_v† K_f† needs the amplitudes A = K_f K_v alone: p_c ∝ Σ_d |A_cd|².
    """

    def __init__(self, heads: Mapping[str, Any]) -> None:
        super().__init__()
        head = heads["quantum"]
        self.n = len(heads["labels"])
        self.register_buffer("weights", _buffer([head["weights"][s] for s in SENSES])[None])
        for sense in SENSES:
            basis = head["bases"][sense]
            square = blocks(np.asarray(basis["real"]) + 1j * np.asarray(basis["imag"]))
            self.register_buffer(sense, _buffer(square))

    def forward(self, shares: Tensor, exponents: Tensor) -> Tensor:
        """Return logits, shape (1, n)."""
        logs = shares.clamp(min=FLOOR).log()
        logs = logs - logs.mean(-1, keepdim=True)
        roots = (0.5 * exponents[:, :, None] * self.weights * logs).exp()
        twice = torch.cat([roots, roots], -1)
        voice = (self.voice * twice[:, 0, None, :]) @ self.voice.T
        face = (self.face * twice[:, 1, None, :]) @ self.face.T
        amplitudes = face @ voice
        left = amplitudes[:, :, : self.n] ** 2  # the first column of each block holds a and b
        chances = left[:, : self.n].sum(-1) + left[:, self.n :].sum(-1)
        return (chances / chances.sum(-1, keepdim=True)).log()


class ChannelModule(nn.Module):
    """``edge_emo.fusion.channel`` for votes of voice and face over the learned labels."""

    def __init__(self, heads: Mapping[str, Any]) -> None:
        super().__init__()
        head = heads["channel"]
        self.register_buffer("weights", _buffer([head["weights"][s] for s in SENSES])[None])
        self.register_buffer("heard", _buffer(head["heard"]))
        self.register_buffer("said", _buffer(head["said"]))

    def forward(self, shares: Tensor, exponents: Tensor) -> Tensor:
        """Return logits, shape (1, n)."""
        logs = (shares @ self.heard).log()
        logs = logs - logs.mean(-1, keepdim=True)
        scores = (exponents[:, :, None] * self.weights * logs).sum(1)
        return (scores.softmax(-1) @ self.said).log()
