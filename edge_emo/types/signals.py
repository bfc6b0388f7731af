"""What drivers deliver: streams, chunks, windows, and what was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CATEGORIES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""The seven expressed-emotion categories, in the order used everywhere."""

RESTING = ("neutral", "rest", "baseline")
"""Labels that mean the absence of an emotion."""

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
        stream: Name of the stream, equal to its kind.
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
