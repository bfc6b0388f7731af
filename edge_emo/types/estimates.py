"""What is estimated of them: posteriors, predictions, and the fused state with its health."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edge_emo.types.signals import Modality


@dataclass(frozen=True, slots=True)
class Posterior(Mapping[str, float]):
    """Probabilities that never part from their names; behaves as a read-only mapping.

    Attributes:
        names: Label names.
        probabilities: One per name, each in 0 … 1, summing to 1.
    """

    names: tuple[str, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse probabilities that do not match the names.

        Raises:
            ValueError: Lengths differ, or a value is outside 0 … 1 or not a number.
        """
        if len(self.names) != len(self.probabilities):
            raise ValueError(f"{len(self.names)} names for {len(self.probabilities)} probabilities")
        if not all([0.0 <= p <= 1.0 for p in self.probabilities]):  # noqa: C419  # half the time
            raise ValueError(f"probabilities outside 0 … 1: {self.probabilities}")

    def __getitem__(self, name: str) -> float:
        """Return the probability of ``name``; raises KeyError for an unknown name."""
        try:
            return self.probabilities[self.names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a label."""
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in order."""
        return iter(self.names)

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(self.names)

    @property
    def label(self) -> str:
        """Name of the most probable label; the first one on a tie."""
        return self.names[self.probabilities.index(max(self.probabilities))]

    @property
    def confidence(self) -> float:
        """Probability of the most probable label."""
        return max(self.probabilities)


@dataclass(frozen=True, slots=True)
class Tags:
    """Labels of which several may apply at once; scores never part from their names.

    Attributes:
        names: Label names.
        scores: One per name, 0 … 1, each by itself; they do not sum to 1.
        thresholds: The score from which a label counts as present, chosen on validation data.
    """

    names: tuple[str, ...]
    scores: tuple[float, ...]
    thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse scores that do not match the names.

        Raises:
            ValueError: Lengths differ, or a score is outside 0 … 1 or not a number.
        """
        if not len(self.names) == len(self.scores) == len(self.thresholds):
            raise ValueError(f"{len(self.names)} names for {len(self.scores)} scores")
        if not all(0.0 <= score <= 1.0 for score in self.scores):
            raise ValueError(f"scores outside 0 … 1: {self.scores}")

    @property
    def present(self) -> tuple[str, ...]:
        """Names whose score reaches its threshold, the clearest first."""
        rows = zip(self.names, self.scores, self.thresholds, strict=True)
        over = [(score / max(least, 1e-9), name) for name, score, least in rows if score >= least]
        return tuple(name for _, name in sorted(over, key=lambda pair: -pair[0]))


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one estimator says of one window of one modality.

    Attributes:
        modality: Where the evidence comes from.
        t_ns: Originating time of the window's first sample.
        duration_ns: Length of the window; 0 for a frame or a line of text without word times.
        posterior: Probabilities by name; None when ``abstained``.
        valence: −1 (unpleasant) … +1 (pleasant), or None when the model does not give it.
        arousal: −1 (calm) … +1 (aroused), or None.
        dominance: −1 (submissive) … +1 (dominant), or None.
        quality: 0 (useless) … 1 (clean) input, judged before the model runs.
        model_id: Package that made it; empty when none ran.
        inference_ns: Time inside the backend on the session clock; 0 in replay.
        abstained: None, or the reason in words why there is no estimate.
        tags: Multi-label scores by the name of the model's output, where it has such.
        channels: Quality of each channel of a body or brain signal, 0 … 1; empty for the others.
    """

    modality: Modality
    t_ns: int
    duration_ns: int
    posterior: Posterior | None
    valence: float | None
    arousal: float | None
    dominance: float | None
    quality: float
    model_id: str
    inference_ns: int
    abstained: str | None = None
    tags: Mapping[str, Tags] = field(default_factory=dict)
    channels: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a prediction that both abstains and estimates, or does neither.

        Raises:
            ValueError: ``abstained`` and ``posterior`` contradict each other.
        """
        if (self.abstained is None) == (self.posterior is None):
            raise ValueError("a prediction has either a posterior or a reason to abstain")

    @property
    def end_ns(self) -> int:
        """Originating time of the newest evidence in it."""
        return self.t_ns + self.duration_ns


def abstention(
    modality: Modality,
    t_ns: int,
    duration_ns: int,
    reason: str,
    quality: float = 0.0,
    channels: Mapping[str, float] | None = None,
) -> Prediction:
    """Return a prediction that gives no estimate, and the reason in words."""
    return Prediction(
        modality=modality,
        t_ns=t_ns,
        duration_ns=duration_ns,
        posterior=None,
        valence=None,
        arousal=None,
        dominance=None,
        quality=quality,
        model_id="",
        inference_ns=0,
        abstained=reason,
        channels=channels or {},
    )


@dataclass(frozen=True, slots=True)
class Affect:
    """One side of the fused state: what is expressed, or what is felt.

    Attributes:
        posterior: Fused and smoothed probabilities by name.
        label: The label that tracking holds; not always the most probable one at this instant.
        confidence: Probability of ``label``.
        valence: −1 … +1, or None when no modality gives it.
        arousal: −1 … +1, or None.
        dominance: −1 … +1, or None.
        intensity: 0 … 1, how far the posterior is from the resting labels.
        age_ns: Age of the newest evidence when the state was made.
        entropy: 0 (certain) … 1 (flat): entropy of what was pooled at this instant, before
            smoothing, over its largest value. None in recordings that lack it.
        conflict: 0 (the modalities say the same) … 1 (nothing in common), or None when fewer than
            two modalities vote, or not all over the same labels.
        coherence: 0 … 1, share of the quantum state off the basis in which labels are read;
            None with other methods.
    """

    posterior: Posterior
    label: str
    confidence: float
    valence: float | None
    arousal: float | None
    dominance: float | None
    intensity: float
    age_ns: int
    entropy: float | None = None
    conflict: float | None = None
    coherence: float | None = None


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """Condition of one stream.

    Attributes:
        stream: Name of the stream.
        alive: Samples arrived lately.
        rate_ok: They arrive at about the nominal rate.
        valid: They are finite and not flat, and the fusion does not doubt what they say.
        age_ns: Time since the newest sample; None before the first one.
        rate_hz: Measured rate; 0.0 before it is known.
        drops: Samples lost so far, by the device or by a full queue.
        drift_ppm: The device clock's drift against the session clock, parts per million.
        reconnects: How often the device was opened again.
        reason: Why one of the flags is False; empty when all are True.
    """

    stream: str
    alive: bool
    rate_ok: bool
    valid: bool
    age_ns: int | None
    rate_hz: float
    drops: int
    drift_ppm: float
    reconnects: int
    reason: str

    @property
    def ok(self) -> bool:
        """True when alive, at its rate and valid."""
        return self.alive and self.rate_ok and self.valid


@dataclass(frozen=True, slots=True)
class EmotionState:
    """The fused result: an estimate of expressed and of felt emotion at one instant.

    Attributes:
        t_ns: The instant that it describes.
        seq: Number of the state since the pipeline started.
        latency_ns: Publication minus originating time of the newest evidence; 0 without evidence.
        expressed: From face, voice and words: what others can perceive. None when unknown.
        felt: From body signals: the inner state. None when unknown.
        divergence: 0 (same) … 1 (opposite) between expressed and felt, 0.5 as between two people
            who have nothing to do with each other; None when either is.
        by_modality: The newest prediction of each modality, abstentions included.
        health: Condition of each stream.
        reason: Why there is neither an expressed nor a felt estimate; empty when there is.
    """

    t_ns: int
    seq: int
    latency_ns: int
    expressed: Affect | None
    felt: Affect | None
    divergence: float | None
    by_modality: Mapping[Modality, Prediction] = field(default_factory=dict)
    health: Mapping[str, StreamHealth] = field(default_factory=dict)
    reason: str = ""

    @property
    def affect(self) -> Affect | None:
        """``expressed``, else ``felt``, else None."""
        return self.expressed or self.felt

    @property
    def label(self) -> str | None:
        """Label of :attr:`affect`; None when unknown (which is not "neutral")."""
        return self.affect.label if self.affect else None

    @property
    def confidence(self) -> float | None:
        """Confidence of :attr:`affect`."""
        return self.affect.confidence if self.affect else None

    @property
    def valence(self) -> float | None:
        """Valence of :attr:`affect`."""
        return self.affect.valence if self.affect else None

    @property
    def arousal(self) -> float | None:
        """Arousal of :attr:`affect`."""
        return self.affect.arousal if self.affect else None
