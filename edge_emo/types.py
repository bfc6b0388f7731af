"""The values that flow through a pipeline, from a driver's chunk to the fused state.

All are frozen and slotted. Times are integer nanoseconds on the session clock. This module
imports neither NumPy nor any vendor package, so that ``import edge_emo`` stays light.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CATEGORIES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""The seven expressed-emotion categories, in the order used everywhere."""

Kind = Literal["camera", "microphone", "eeg", "physio", "text"]
"""What a stream carries; a session has at most one stream of each kind."""

Modality = Literal["face", "voice", "text", "eeg", "physio"]
"""What an estimator reads its evidence from."""

KINDS: tuple[Kind, ...] = ("camera", "microphone", "eeg", "physio", "text")
MODALITIES: tuple[Modality, ...] = ("face", "voice", "text", "eeg", "physio")
EXPRESSED: tuple[Modality, ...] = ("face", "voice", "text")
FELT: tuple[Modality, ...] = ("eeg", "physio")

MODALITY_OF: Mapping[Kind, Modality] = {
    "camera": "face",
    "microphone": "voice",
    "eeg": "eeg",
    "physio": "physio",
    "text": "text",
}
"""The modality that the default estimator of each kind of stream gives."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a driver read back from its device after opening it.

    Attributes:
        kind: What the stream carries.
        rate_hz: Samples (frames for video) per second; 0.0 when irregular, as text is.
        channels: One name per column of ``Chunk.data``; 10-20 names for EEG, empty for video
            and text.
        unit: Physical unit of the samples: "uv" for EEG, "full-scale" for sound, "rgb8", "text".
        device: The device in words, for people.
        live: True when the device cannot be asked to wait (a microphone), False when it can
            (a file): a full queue drops for the former and holds back the latter.
    """

    kind: Kind
    rate_hz: float
    channels: tuple[str, ...]
    unit: str
    device: str
    live: bool = True


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a transcript.

    Attributes:
        text: As it is written.
        start_ns: When it begins, on the session clock.
        end_ns: When it ends.
    """

    text: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance that somebody made before another one.

    Attributes:
        speaker: Any name that stays the same for one speaker; None when unknown.
        text: The words.
    """

    speaker: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is known of a line of text besides its letters.

    Attributes:
        speaker: Any name that stays the same for one speaker; None when unknown.
        words: Its words with their times, in order; empty when unknown.
        before: What was said before it, oldest first, when the source knows; None to take the
            lines of the same stream.
    """

    speaker: str | None = None
    words: tuple[Word, ...] = ()
    before: tuple[Said, ...] | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive samples as a driver delivered them.

    Attributes:
        stream: Name of the stream, equal to its kind unless the user named it.
        seq: Number of the first sample (of the frame, for video) since the driver was opened.
            The next chunk continues at ``seq + n_samples``; a jump is a loss.
        t_ns: Originating time of the first sample: when it happened in the world.
        rate_hz: Nominal rate; 0.0 when irregular.
        data: Samples of shape (n_samples, n_channels) float32; one image (height, width, 3)
            uint8 RGB for video; a ``str`` for text.
        utterance: Of text only: who said it and when each word was said, where that is known.
    """

    stream: str
    seq: int
    t_ns: int
    rate_hz: float
    data: npt.NDArray[Any] | str
    utterance: Utterance | None = None

    @property
    def n_samples(self) -> int:
        """Number of samples; 1 for a frame and for a line of text."""
        if isinstance(self.data, str) or self.data.ndim == 3:
            return 1
        return int(self.data.shape[0])

    @property
    def end_ns(self) -> int:
        """Originating time just after the last sample."""
        if self.rate_hz <= 0:
            words = self.utterance.words if self.utterance else ()
            return max(self.t_ns, words[-1].end_ns) if words else self.t_ns
        return self.t_ns + round(self.n_samples * 1e9 / self.rate_hz)

    @property
    def samples(self) -> npt.NDArray[np.float32]:
        """The data of a sampled stream, shape (n_samples, n_channels).

        Raises:
            TypeError: The chunk holds text.
        """
        if isinstance(self.data, str):
            raise TypeError(f"stream {self.stream!r} carries text, not samples")
        return self.data

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """The frame of a video stream, shape (height, width, 3), RGB.

        Raises:
            TypeError: The chunk holds no image.
        """
        if isinstance(self.data, str) or self.data.ndim != 3:
            raise TypeError(f"stream {self.stream!r} carries no image")
        return self.data

    @property
    def text(self) -> str:
        """The line of a text stream.

        Raises:
            TypeError: The chunk holds no text.
        """
        if not isinstance(self.data, str):
            raise TypeError(f"stream {self.stream!r} carries no text")
        return self.data


@dataclass(frozen=True, slots=True)
class Window:
    """A fixed-length slice cut for a model.

    Attributes:
        stream: Name of the stream it was cut from.
        seq: Number of its first sample.
        t_ns: Originating time of its first sample.
        rate_hz: Samples per second.
        data: Shape (n_samples, n_channels) float32. A view that is valid until the next window
            is cut; copy it to keep it.
    """

    stream: str
    seq: int
    t_ns: int
    rate_hz: float
    data: npt.NDArray[np.float32]

    @property
    def duration_ns(self) -> int:
        """Length in nanoseconds."""
        return round(int(self.data.shape[0]) * 1e9 / self.rate_hz)


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
        if not all(0.0 <= p <= 1.0 for p in self.probabilities):
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


class FaceBox(NamedTuple):
    """A box in a frame, px; may reach over its edges."""

    x: float
    y: float
    width: float
    height: float


class HeadPose(NamedTuple):
    """Direction of a head in degrees, rough; (0, 0, 0) looks into the camera, upright.

    Attributes:
        yaw: Turned towards the picture's right.
        pitch: Raised.
        roll: Tilted clockwise in the picture.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Face:
    """One face that is followed, as of the last frame that was searched.

    Attributes:
        id: Stays with the person while they are followed, also through short occlusion; from 1
            in each session, never used again in it.
        t_ns: Originating time of the frame.
        frame_px: Width and height of the frame.
        box: Where it is, from brow or hairline to chin; where it is expected when not ``seen``.
        landmarks: Places (x, y) in px by name: "right eye", "left eye", "nose", "right mouth
            corner", "left mouth corner"; right is the person's own right.
        pose: Direction of the head, from the landmarks.
        score: 0 … 1, how sure the detector was when it last saw it.
        seen: True when the last detection found it.
        counts: True for the person whose prediction is fused.
        prediction: The newest of this face, which may abstain; None when none was asked for
            (``face.estimate`` in the configuration) or made yet.
    """

    id: int
    t_ns: int
    frame_px: tuple[int, int]
    box: FaceBox
    landmarks: Mapping[str, tuple[float, float]]
    pose: HeadPose
    score: float
    seen: bool
    counts: bool
    prediction: Prediction | None = None

    @property
    def direction(self) -> tuple[float, float]:
        """Where the face's centre is in the frame: −1 left or top … +1 right or bottom."""
        width, height = self.frame_px
        x, y = self.box.x + self.box.width / 2, self.box.y + self.box.height / 2
        return 2 * x / width - 1, 2 * y / height - 1


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
        intensity: 0 … 1, how far the posterior is from the resting label.
        age_ns: Age of the newest evidence when the state was made.
    """

    posterior: Posterior
    label: str
    confidence: float
    valence: float | None
    arousal: float | None
    dominance: float | None
    intensity: float
    age_ns: int


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
