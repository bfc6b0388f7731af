"""The contract of fusion: predictions in, the expressed and the felt side out, at any time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from edge_emo.types import Affect, Modality, Posterior, Prediction


@dataclass(frozen=True, slots=True)
class Trust:
    """How a modality's votes count.

    Attributes:
        reliability: Weight of a fresh vote of full quality, from the model package.
        lifetime_s: Time constant of staleness: a vote's weight falls as exp(−age / lifetime).
            A vote older than three lifetimes does not count at all.
    """

    reliability: float = 1.0
    lifetime_s: float = 1.0


LIFETIME_S: Mapping[Modality, float] = {
    "face": 0.5,
    "voice": 1.5,
    "text": 6.0,
    "eeg": 4.0,
    "physio": 8.0,
}
"""Default staleness: about the span over which one window of the modality stays true."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one modality says at one instant, and how much that counts.

    Attributes:
        prediction: The newest prediction; it does not abstain.
        weight: Reliability × quality × ``fresh``, above 0.
        fresh: Staleness alone: 1 when new, falling to 0 with age.
    """

    prediction: Prediction
    weight: float
    fresh: float = 1.0


@dataclass(frozen=True, slots=True)
class Fused:
    """Both sides of the state at one instant.

    Attributes:
        expressed: From face, voice and words, or None.
        felt: From body signals, or None.
        divergence: Their disagreement, 0 … 1, or None.
        reason: Why both are None; empty otherwise.
    """

    expressed: Affect | None
    felt: Affect | None
    divergence: float | None
    reason: str


class Fusion(ABC):
    """Keeps the newest prediction of each modality and fuses them on request."""

    @abstractmethod
    def update(self, prediction: Prediction) -> None:
        """Take a prediction; it replaces the one before of its modality."""

    @abstractmethod
    def lost(self, modality: Modality) -> None:
        """Stop counting a modality whose stream is gone."""

    def doubts(self) -> Mapping[Modality, str]:
        """Return why modalities are trusted less now: they seem broken. None by default."""
        return {}

    @abstractmethod
    def fuse(self, t_ns: int) -> Fused:
        """Fuse what is known at ``t_ns`` (session clock); times never run backwards."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """What a pool makes of the votes at one instant.

    Attributes:
        posterior: Over all names that any vote has.
        coherence: 0 … 1, share of the state that it is read from off the read-out basis; None
            when there is no such state.
    """

    posterior: Posterior
    coherence: float | None = None


class Pool(ABC):
    """Combines the posteriors of several votes into one."""

    @abstractmethod
    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine at least one vote.

        Args:
            votes: Any number of votes; their posteriors may name different labels.

        Returns:
            A posterior over all names that any vote has.
        """

    def read(self, votes: list[Vote]) -> Pooled:
        """Combine at least one vote, and say what else the state of the pool shows."""
        return Pooled(self.pool(votes))
