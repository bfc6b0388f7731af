"""Fusion heads as functions of one parameter vector, fitted by L-BFGS.

Each head gives the logarithm of the posterior after both votes (``joint``) and after each alone
(``alone``). Those with an overlap are fitted on both tasks: it is what lets one set of exponents
serve one vote and two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fusion_study.votes import LABELS, Votes, smoothed
from torch import Tensor

N = len(LABELS)
_GENERATORS = N * (N - 1) // 2
Senses = tuple[Tensor, Tensor]


def centred_logs(shares: Tensor) -> Tensor:
    """Return the centred log-ratio of each row."""
    logs = shares.log()
    return logs - logs.mean(-1, keepdim=True)


def unitary(generators: Tensor) -> Tensor:
    """Return exp of the skew-Hermitian matrix of 30 numbers: 15 real, then 15 imaginary."""
    rows, columns = torch.triu_indices(N, N, 1)
    empty = torch.zeros(N, N, dtype=torch.float64)
    real = empty.index_put((rows, columns), generators[:_GENERATORS])
    imag = empty.index_put((rows, columns), generators[_GENERATORS:])
    return torch.matrix_exp(torch.complex(real - real.T, imag + imag.T))


def rotation(generators: Tensor) -> Tensor:
    """Return exp of the skew-symmetric matrix of 15 numbers."""
    return unitary(torch.cat([generators, torch.zeros_like(generators)]))


def normalised_logs(chances: Tensor) -> Tensor:
    """Return the logarithm of rows made to sum to 1."""
    return (chances / chances.sum(-1, keepdim=True)).log()


class Head(ABC):
    """One method of fusion.

    Attributes:
        name: As the table shows it.
        parameters: How many numbers are free.
        subsets: Weight of the single-vote tasks in the fit; 0 fits both votes only.
    """

    name: str
    parameters: int
    subsets = 0.0

    @abstractmethod
    def start(self) -> Tensor:
        """Return the parameters to begin from; the fit is drawn to them weakly."""

    @abstractmethod
    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes, shape (n, 6)."""

    def alone(self, theta: Tensor, shares: Senses) -> Senses:
        """Return log posteriors of voice alone and of face alone."""
        flat = torch.full_like(shares[0], 1.0 / N)
        return self.joint(theta, (shares[0], flat)), self.joint(theta, (flat, shares[1]))


def _numbers(*parts: Any) -> Tensor:
    return torch.cat([torch.as_tensor(part, dtype=torch.float64).flatten() for part in parts])


def _eye(scale: float) -> Tensor:
    return scale * torch.eye(N, dtype=torch.float64)


def _noise(count: int, seed: int) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(0.3 * random.standard_normal(count))


class LinearHead(Head):
    """Weighted mean."""

    name, parameters = "linear pool", 1

    def start(self) -> Tensor:
        """Return the parameters to begin from."""
        return _numbers([0.0])

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        voice = theta.sigmoid()
        return (voice * shares[0] + (1 - voice) * shares[1]).log()


class LogLinearHead(Head):
    """Weighted geometric mean: a reliability for each vote."""

    name, parameters = "log-linear, reliabilities", 2

    def start(self) -> Tensor:
        """Return the parameters to begin from."""
        return _numbers([0.5, 1.0])

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        return (theta[0] * shares[0].log() + theta[1] * shares[1].log()).log_softmax(-1)


class FullHead(Head):
    """A 6 × 6 matrix on the logarithms of each vote, and a bias."""

    name, parameters = "full log-linear", 2 * N * N + N

    def start(self) -> Tensor:
        """Return the parameters to begin from."""
        return _numbers(_eye(0.5), _eye(1.0), [0.0] * N)

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        voice, face = theta[: 2 * N * N].view(2, N, N)
        return (shares[0].log() @ voice + shares[1].log() @ face + theta[-N:]).log_softmax(-1)


class FullPoolHead(Head):
    """The full log-linear head as it is packaged: centred logs, no bias, overlap."""

    name, parameters, subsets = "full log-linear, any subset", 2 * N * N + 2, 0.3

    def start(self) -> Tensor:
        """Return the parameters to begin from."""
        return _numbers(_eye(1.0), _eye(1.0), [0.0, 0.0])

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        voice, face = self._scores(theta, shares)
        parts = 1 + theta[-2:].exp()
        return (voice / parts[0] + face / parts[1]).log_softmax(-1)

    def alone(self, theta: Tensor, shares: Senses) -> Senses:
        """Return log posteriors of each vote alone."""
        voice, face = self._scores(theta, shares)
        return voice.log_softmax(-1), face.log_softmax(-1)

    def _scores(self, theta: Tensor, shares: Senses) -> Senses:
        voice, face = theta[: 2 * N * N].view(2, N, N)
        return centred_logs(shares[0]) @ voice, centred_logs(shares[1]) @ face

    def export(self, theta: Tensor) -> Mapping[str, Any]:
        """Return what ``edge_emo.fusion.full`` reads."""
        voice, face = theta[: 2 * N * N].view(2, N, N).tolist()
        return {"matrices": {"voice": voice, "face": face}, "overlap": _overlap(theta[-2:])}


def _overlap(logs: Tensor) -> dict[str, float]:
    return dict(zip(("voice", "face"), logs.exp().tolist(), strict=True))


class ChannelHead(Head):
    """Log-linear pooling between two confusion tables: see ``edge_emo.fusion.channel``.

    A row of a table has five free numbers; the vector holds six, one of them redundant.
    """

    name, parameters = "noisy channel", 2 * N + 2 * N * (N - 1)

    def start(self) -> Tensor:
        """Return the parameters to begin from."""
        return _numbers([1.0] * (2 * N), _eye(3.0), _eye(3.0), [0.0, 0.0])

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        return self._said(theta, sum(self._scores(theta, shares), torch.zeros(())))

    def alone(self, theta: Tensor, shares: Senses) -> Senses:
        """Return log posteriors of each vote alone."""
        voice, face = self._scores(theta, shares)
        return self._said(theta, voice), self._said(theta, face)

    def _tables(self, theta: Tensor) -> Tensor:
        return theta[2 * N : 2 * N + 2 * N * N].view(2, N, N).softmax(-1)

    def _scores(self, theta: Tensor, shares: Senses) -> Senses:
        heard = self._tables(theta)[0]
        voice, face = theta[: 2 * N].view(2, N)
        return centred_logs(shares[0] @ heard) * voice, centred_logs(shares[1] @ heard) * face

    def _said(self, theta: Tensor, scores: Tensor) -> Tensor:
        return (scores.softmax(-1) @ self._tables(theta)[1]).log()


class ChannelPoolHead(ChannelHead):
    """The noisy channel as it is packaged: with overlap, for any subset."""

    name, parameters, subsets = "noisy channel, any subset", ChannelHead.parameters + 2, 0.3

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        voice, face = self._scores(theta, shares)
        parts = 1 + theta[-2:].exp()
        return self._said(theta, voice / parts[0] + face / parts[1])

    def export(self, theta: Tensor) -> Mapping[str, Any]:
        """Return what ``edge_emo.fusion.channel`` reads."""
        heard, said = self._tables(theta).tolist()
        voice, face = theta[: 2 * N].view(2, N).tolist()
        return {
            "heard": heard,
            "said": said,
            "weights": {"voice": voice, "face": face},
            "overlap": _overlap(theta[-2:]),
        }


@dataclass(frozen=True)
class Measured:
    """One generalised measurement: roots of the effect's eigenvalues, and its basis."""

    root: Tensor
    basis: Tensor


class QuantumHead(Head):
    """Two measurements on a density matrix: see ``edge_emo.fusion.quantum``.

    Two unitaries of 30 generators, a weight for each category and vote, and a diagonal prior:
    78 numbers, as many as the full log-linear head has.
    """

    name, parameters = "quantum", 2 * N + 4 * _GENERATORS + N

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def start(self) -> Tensor:
        """Return the parameters to begin from."""
        noise = _noise(4 * _GENERATORS, self.seed)
        return _numbers([0.5] * N, [1.0] * N, noise, [0.0] * N)

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        return self._read(self._steps(theta, shares), self._prior(theta))

    def _prior(self, theta: Tensor) -> Tensor:
        return theta[-N:].exp()

    def _roots(self, theta: Tensor, shares: Senses) -> Senses:
        voice, face = theta[: 2 * N].view(2, N)
        return (
            (0.5 * voice * centred_logs(shares[0])).exp(),
            (0.5 * face * centred_logs(shares[1])).exp(),
        )

    def _bases(self, theta: Tensor) -> Tensor:
        size = 2 * _GENERATORS
        first, second = theta[2 * N : 2 * N + 2 * size].view(2, size)
        return torch.stack([unitary(first), unitary(second)])

    def _steps(self, theta: Tensor, shares: Senses) -> list[Measured]:
        roots, bases = self._roots(theta, shares), self._bases(theta)
        return [Measured(root, basis) for root, basis in zip(roots, bases, strict=True)]

    def _read(self, steps: list[Measured], prior: Tensor) -> Tensor:
        """Return log diag(M M†) with M = K_last … K_first √prior, normalised."""
        amplitudes = torch.eye(N, dtype=torch.complex128).expand(len(steps[0].root), N, N)
        for step in reversed(steps):  # from the left, so that each product is one flat matmul
            amplitudes = (amplitudes @ step.basis) * step.root[:, None, :] @ step.basis.mH
        return normalised_logs((amplitudes.abs() ** 2 * prior).sum(-1))


class RealHead(QuantumHead):
    """Ablation: real bases, and twice as many measurements for as many parameters."""

    name = "quantum, real-valued"

    def _bases(self, theta: Tensor) -> Tensor:
        parts = theta[2 * N : 2 * N + 4 * _GENERATORS].view(4, _GENERATORS)
        return torch.stack([rotation(part) for part in parts])

    def _steps(self, theta: Tensor, shares: Senses) -> list[Measured]:
        roots, bases = self._roots(theta, shares), self._bases(theta)
        twice = [roots[0].sqrt(), roots[1].sqrt()] * 2
        return [Measured(root, basis) for root, basis in zip(twice, bases, strict=True)]


class TiedHead(QuantumHead):
    """Ablation: both votes share a basis, measured twice in two shared bases."""

    name = "quantum, bases tied"

    def _steps(self, theta: Tensor, shares: Senses) -> list[Measured]:
        voice, face = (root.sqrt() for root in self._roots(theta, shares))
        one, two = self._bases(theta)
        return [
            Measured(voice, one),
            Measured(face, one),
            Measured(voice, two),
            Measured(face, two),
        ]


class DephasedHead(QuantumHead):
    """Ablation: off-diagonals are removed after every update, so that nothing interferes."""

    name = "quantum, off-diagonals removed"

    def _read(self, steps: list[Measured], prior: Tensor) -> Tensor:
        chances = prior.expand(len(steps[0].root), N)
        for step in steps:
            kraus = (step.basis * step.root[:, None, :]) @ step.basis.mH
            chances = (kraus.abs() ** 2 * chances[:, None, :]).sum(-1)
        return normalised_logs(chances)


class PhaselessHead(QuantumHead):
    """Ablation: phases removed; each basis becomes a stochastic table of as many numbers."""

    name = "quantum, phases removed"

    def start(self) -> Tensor:
        """Return the parameters to begin from."""
        return _numbers([0.5] * N, [1.0] * N, _eye(3.0), _eye(3.0), [0.0] * N)

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        voice, face = theta[: 2 * N].view(2, N)
        tables = theta[2 * N : 2 * N + 2 * N * N].view(2, N, N).softmax(-1)
        scores = (shares[0] @ tables[0]).log() * voice + (shares[1] @ tables[1]).log() * face
        return (scores + theta[-N:]).log_softmax(-1)


class QuantumPoolHead(QuantumHead):
    """The quantum head as it is packaged: maximally mixed at first, overlap, any subset."""

    name, parameters, subsets = "quantum, any subset", 2 * N + 4 * _GENERATORS + 2, 0.3

    def start(self) -> Tensor:
        """Return the parameters to begin from."""
        noise = _noise(4 * _GENERATORS, self.seed)
        return _numbers([1.0] * (2 * N), noise, [0.0, 0.0])

    def _prior(self, theta: Tensor) -> Tensor:
        return torch.ones(N, dtype=torch.float64)

    def joint(self, theta: Tensor, shares: Senses) -> Tensor:
        """Return log posteriors of both votes."""
        parts = (1 + theta[-2:].exp()).repeat_interleave(N)
        shared = torch.cat([theta[: 2 * N] / parts, theta[2 * N :]])
        return super().joint(shared, shares)

    def alone(self, theta: Tensor, shares: Senses) -> Senses:
        """Return log posteriors of each vote alone."""
        roots, bases = self._roots(theta, shares), self._bases(theta)
        voice, face = (
            normalised_logs(root**2 @ (basis.abs() ** 2).T)
            for root, basis in zip(roots, bases, strict=True)
        )
        return voice, face

    def export(self, theta: Tensor) -> Mapping[str, Any]:
        """Return what ``edge_emo.fusion.quantum`` reads."""
        voice, face = theta[: 2 * N].view(2, N).tolist()
        bases = {
            name: {"real": basis.real.tolist(), "imag": basis.imag.tolist()}
            for name, basis in zip(("voice", "face"), self._bases(theta), strict=True)
        }
        return {
            "bases": bases,
            "weights": {"voice": voice, "face": face},
            "overlap": _overlap(theta[-2:]),
        }


def fit(head: Head, votes: Votes, decay: float = 1e-4, steps: int = 200) -> Tensor:
    """Return the parameters of least cross-entropy with the smoothed votes of both senses."""
    start = head.start()
    theta = start.clone().requires_grad_()
    shares = to_shares(votes)
    wanted = torch.from_numpy(smoothed(votes.both))
    search = torch.optim.LBFGS(
        [theta], max_iter=steps, history_size=20, line_search_fn="strong_wolfe",
        tolerance_grad=1e-6, tolerance_change=1e-9,
    )  # fmt: skip

    def loss() -> Tensor:
        search.zero_grad()
        total = -(wanted * head.joint(theta, shares)).sum(-1).mean()
        total = total + decay * ((theta - start) ** 2).sum()
        if head.subsets:
            for log in head.alone(theta, shares):
                total = total - head.subsets * (wanted * log).sum(-1).mean()
        total.backward()
        return total

    search.step(loss)
    return theta.detach()


def to_shares(votes: Votes) -> Senses:
    """Return the smoothed votes of voice and face."""
    return torch.from_numpy(smoothed(votes.voice)), torch.from_numpy(smoothed(votes.face))
