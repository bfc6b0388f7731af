"""Voice: a log-mel window of three seconds every half second, judged, then estimated.

When the speaker pauses, the windows of the utterance are estimated once more together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, ConfigError, ModelError
from edge_emo.estimators.base import Features
from edge_emo.estimators.calibration import posterior
from edge_emo.estimators.resting import RestingEstimator
from edge_emo.estimators.voice_utterance import (
    Pauses,
    weighted_mean,
    weighted_posterior,
    weights_of,
)
from edge_emo.features.audio import (
    RATE_HZ,
    LogMel,
    MelSpec,
    RateConverter,
    SpeechGate,
    window_tensor,
)
from edge_emo.features.settings import odd_number
from edge_emo.features.voice_functionals import BANDS, LEAST, SIZE, functionals
from edge_emo.manifest import DIMENSIONS, ModelPackage
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.sync.ring import Ring
from edge_emo.types import Chunk, Kind, Modality, Prediction, StreamInfo

Floats = npt.NDArray[np.float32]

_MOST_WINDOWS = 120  # of an utterance: a minute
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """The table ``[features]`` of a voice package.

    Attributes:
        spec: Parameters of the log-mel frames.
        frames: Frames that the model reads.
        window_s: Length of a window.
        hop_s: Time from one window to the next.
        first_s: Sound that the first window after a start or a gap needs.
        range_nats: Dynamic range kept.
        other_sound: Probability of another sound above which a window abstains; 1 for never.
        vocal_burst: Likewise of a laugh, a sigh or a cry.
    """

    spec: MelSpec
    frames: int
    window_s: float
    hop_s: float
    first_s: float
    range_nats: float
    other_sound: float = 1.0
    vocal_burst: float = 1.0

    @classmethod
    def of(cls, package: ModelPackage) -> VoiceSettings:
        """Read them from a package.

        Raises:
            ModelError: A key is missing, or they do not fit the model's input.
        """
        given = dict(package.features)
        if odd := odd_number(MelSpec, given) or odd_number(cls, given):
            raise ModelError(f"{package.id}: [features] {odd}")
        try:
            spec = MelSpec(**{field.name: given.pop(field.name) for field in fields(MelSpec)})
            settings = cls(spec, **given)
        except (KeyError, TypeError) as error:
            raise ModelError(f"{package.id}: [features] of model.toml: {error}") from error
        shapes = ((1, 1, settings.frames, spec.bands), (1, SIZE))[: max(1, len(package.inputs))]
        if tuple(one.shape for one in package.inputs) != shapes or spec.rate_hz != RATE_HZ:
            raise ModelError(f"{package.id}: [features] give {shapes} at {spec.rate_hz} Hz")
        if not settings._can_be:
            raise ModelError(f"{package.id}: [features] no frames and windows can be like that")
        if len(shapes) > 1 and not settings._have_functionals:
            raise ModelError(
                f"{package.id}: [features] functionals are of {BANDS} bands, 100 frames a second, "
                f"{LEAST} frames or more"
            )
        return settings

    @property
    def _have_functionals(self) -> bool:
        spec = self.spec
        return spec.bands == BANDS and 100 * spec.hop == spec.rate_hz and self.frames >= LEAST

    @property
    def _can_be(self) -> bool:
        spec = self.spec
        window, hop, first = map(self.samples, (self.window_s, self.hop_s, self.first_s))
        return (
            0 < spec.hop <= spec.window <= spec.n_fft <= _LONGEST
            and 0.0 <= spec.low_hz < spec.high_hz <= spec.rate_hz / 2
            and min(spec.floor, self.range_nats) > 0
            and min(hop, first - spec.window + 1) > 0
            and first <= window
            and spec.frames_in(window) <= self.frames
        )

    def samples(self, seconds: float) -> int:
        """Return a time in samples at the rate of the features."""
        return round(seconds * self.spec.rate_hz)


class VoiceEstimator(RestingEstimator):
    """Estimates expressed emotion from the sound of a voice, whatever the words.

    Several channels are mixed to one; other rates are converted to 16 kHz. A gap in the sample
    numbers starts the window afresh, and a pause of half a second ends the utterance: the mean of
    its windows, weighted by the eighth power of their quality, is given once more as one
    prediction, and the windows of the next one hold nothing of it. A window without speech, of
    silence, or clipped abstains and says so, and so does one that the model takes for another
    sound than speech.

    Args:
        package: A package of the modality voice.
        model: It, loaded.
        clock: The session clock, which times the inference.

    Raises:
        ModelError: The package's ``[features]`` are not those of a voice model.
    """

    modality: Modality = "voice"
    kind: Kind = "microphone"
    personal = True

    def __init__(self, package: ModelPackage, model: LoadedModel, clock: Clock) -> None:
        super().__init__(package, model, clock)
        self._settings = VoiceSettings.of(package)
        self._cutter: _Cutter | None = None
        self._next_seq: int | None = None
        self._said: deque[Prediction] = deque(maxlen=_MOST_WINDOWS)

    def start(self, info: StreamInfo) -> None:
        """Prepare for a microphone as its driver opened it.

        Raises:
            ConfigError: Its rate cannot be converted, or it has no channel.
        """
        if info.kind != self.kind or not info.channels:
            raise ConfigError(f"voice needs a microphone, not {info.device} ({info.kind})")
        self._cutter = _Cutter(info.rate_hz, self._settings, self._settings.first_s)
        self._next_seq = None
        self._said.clear()

    def features(self, chunk: Chunk) -> list[Features]:
        """Take a chunk; return the features of the windows that it completes.

        Raises:
            ClosedError: :meth:`start` was not called.
        """
        if self._cutter is None:
            raise ClosedError("the voice estimator was not started", hint="call start() first")
        if chunk.seq != self._next_seq:
            self._cutter.reset()
            self._said.clear()
        self._next_seq = chunk.seq + chunk.n_samples
        return list(self._cut(self._cutter, chunk))

    def predict(self, features: Features) -> Prediction:
        """Run the model on one window, or give the utterance that its windows made.

        Features of an utterance hold neither tensors nor a reason; its windows must have been
        predicted before.
        """
        if is_utterance(features):
            return self._utterance(features)
        prediction = self._window(features)
        if prediction.posterior is not None:
            self._said.append(prediction)
        return prediction

    def clip(self, chunk: Chunk) -> Prediction:
        """Estimate a whole clip from the mean posterior of its windows.

        The windows are those of a live stream that are full; a clip shorter than one is one
        window, padded as the first ones live are. Windows that abstain do not count.
        """
        predictions = [self._window(one) for one in self._clip_windows(chunk)]
        return self._mean(predictions, chunk, "shorter than one frame")

    def windows_of(self, chunk: Chunk) -> list[Features]:
        """Return the features of the windows that :meth:`clip` estimates."""
        return list(self._clip_windows(chunk))

    def _clip_windows(self, chunk: Chunk) -> Iterator[Features]:
        """Yield the windows of a clip one by one: those of an hour fill a small memory."""
        settings = self._settings
        cutter = _Cutter(chunk.rate_hz, settings, settings.window_s)
        is_empty = True
        for one in self._cut(cutter, chunk):
            is_empty = False
            if not is_utterance(one):
                yield one
        if is_empty:
            yield from (self._judged(cutter, piece, chunk, 0) for piece in cutter.rest())

    def _window(self, features: Features) -> Prediction:
        return super().predict(features)

    def _utterance(self, features: Features) -> Prediction:
        """Return the mean of the windows that end a hop or more behind the beginning.

        Half of that tells them from the one before: stamps of two chunks do not fit exactly.
        """
        settings = self._settings
        begun_ns = features.t_ns + round(0.5e9 * min(settings.hop_s, settings.first_s))
        windows = [one for one in self._said if one.end_ns > begun_ns]
        if not windows:
            return self._abstain(features, "no window of the utterance has an estimate")
        weights = weights_of(windows)
        quality = float(np.average([one.quality for one in windows], weights=weights))
        values = [weighted_mean([getattr(one, n) for one in windows], weights) for n in DIMENSIONS]
        whole = replace(features, quality=quality)
        return self._prediction(whole, weighted_posterior(windows, weights), values, 0)

    def _reconsidered(self, features: Features, outputs: Tensors) -> Features:
        """Refuse what the model takes for another sound, or for a voice that does not speak."""
        return replace(features, reason=self._objection(outputs))

    def _objection(self, outputs: Tensors) -> str | None:
        spec = next((one for one in self._package.outputs if "speech" in one.labels), None)
        if spec is None:
            return None
        shares = posterior(spec.labels, outputs[spec.name])
        if shares.get("other sound", 0.0) > self._settings.other_sound:
            return "another sound, not speech"
        if shares.get("vocal burst", 0.0) > self._settings.vocal_burst:
            return "a vocal burst, not speech"
        return None

    def _cut(self, cutter: _Cutter, chunk: Chunk) -> Iterator[Features]:
        base = cutter.seen
        for cut in cutter.push(_mono(chunk)):
            yield self._judged(cutter, cut, chunk, base)
            if cut.ended is not None:
                t_ns, duration_ns = self._time(cutter, *cut.ended, chunk, base)
                yield Features(t_ns, duration_ns, 0.0, {})

    def _time(
        self, cutter: _Cutter, begin: int, end: int, chunk: Chunk, base: int
    ) -> tuple[int, int]:
        """Return when samples of the cutter happened, and for how long."""
        rate = self._settings.spec.rate_hz
        start_s = begin / rate - base / cutter.rate_hz
        return chunk.t_ns + round(start_s * 1e9), round((end - begin) * 1e9 / rate)

    def _judged(self, cutter: _Cutter, cut: _Cut, chunk: Chunk, base: int) -> Features:
        """Turn a cut into features, with the time of its first sample.

        Args:
            cutter: Judges the signal.
            cut: The window.
            chunk: The chunk that completes it.
            base: Number of the chunk's first sample since the cutter began.
        """
        t_ns, duration_ns = self._time(cutter, cut.end - cut.length, cut.end, chunk, base)
        report = cutter.gate.judge(cut.samples, cut.frames)
        if report.reason is not None:
            return Features(t_ns, duration_ns, report.quality, {}, report.reason)
        quality = report.quality * self._completeness(cut.length, cutter.rate_hz)
        tensor = window_tensor(cut.frames, self._settings.frames, self._settings.range_nats)
        return Features(t_ns, duration_ns, quality, self._inputs(tensor))

    def _inputs(self, tensor: Floats) -> dict[str, Floats]:
        """Return what the model reads, by name: the window, and the functionals of it if asked."""
        names = [spec.name for spec in self._package.inputs]
        if len(names) == 1:
            return {names[0]: tensor}
        return {names[0]: tensor, names[1]: functionals(tensor[0, 0])[None]}

    def _completeness(self, length: int, rate_hz: float) -> float:
        """Return how much of what the model was made for is there: time and bandwidth.

        The curves are a judgement. That of time claims a little less than was measured: see "By
        seconds of speech heard" in the cards of the packages.
        """
        filled = length / self._settings.samples(self._settings.window_s)
        return float((0.4 + 0.6 * filled) * min(1.0, rate_hz / RATE_HZ) ** 0.25)


@dataclass(frozen=True, slots=True)
class _Cut:
    """One window; its arrays are views that are valid until the next one is cut.

    ``end`` and ``length`` count samples at 16 kHz since the cutter began. ``ended`` is None, or
    the first sample and the end of the utterance that ends with it.
    """

    end: int
    length: int
    samples: Floats
    frames: Floats
    ended: tuple[int, int] | None = None


class _Cutter:
    """Cuts windows out of a stream, at places that do not depend on its chunks.

    Attributes:
        rate_hz: Rate of the stream.
        gate: Judges the windows; it remembers the room across gaps.
        seen: Samples pushed since the last reset.
    """

    def __init__(self, rate_hz: float, settings: VoiceSettings, first_s: float) -> None:
        self.rate_hz = rate_hz
        self.gate = SpeechGate(settings.spec)
        self._converter = RateConverter(rate_hz)
        self._mel = LogMel(settings.spec)
        self._spec = settings.spec
        self._first = settings.samples(first_s)
        self._hop = settings.samples(settings.hop_s)
        self._hop_frames = max(1, self._hop // settings.spec.hop)
        self._window = settings.samples(settings.window_s)
        self._pauses = Pauses()
        self._samples = Ring(round(settings.window_s * rate_hz), 1)
        self._frames = Ring(settings.frames, settings.spec.bands)
        self.reset()

    def reset(self) -> None:
        """Begin a new stretch of sound."""
        self.seen = 0
        self._next = self._first
        self._converter.reset()
        self._mel.reset()
        self._pauses.reset()
        self._samples.clear()
        self._frames.clear()

    def made(self, samples: int) -> int:
        """Return how many samples at 16 kHz a stretch of sound is long."""
        return int(samples * self._spec.rate_hz / self.rate_hz)

    def push(self, mono: Floats) -> Iterator[_Cut]:
        """Take samples of shape (n,); yield each window as soon as it is complete."""
        while len(mono):
            needed = self._converter.inputs_for(self._next) - self.seen
            piece, mono = mono[:needed], mono[needed:]
            self._hear(piece)
            if len(piece) == needed:
                yield self._cut(self._next)
                self._next += self._hop

    def rest(self) -> Iterator[_Cut]:
        """Yield all that there is as one window, unless it is shorter than one frame."""
        end = self.made(self.seen)
        missing = self._converter.inputs_for(end) - self.seen
        self._hear(np.zeros(max(0, missing), np.float32))
        if len(self._frames):
            yield self._cut(end)

    def _hear(self, piece: Floats) -> None:
        self.seen += len(piece)
        self._samples.extend(piece[:, None])
        frames = self._mel.push(self._converter.push(piece))
        self.gate.listen(frames)
        self._frames.extend(frames)

    def _cut(self, end: int) -> _Cut:
        """Cut a window that ends at ``end`` and holds nothing of an utterance before."""
        length = min(end, self._window, max(self._first, end - self._pauses.begin))
        frames = self._frames.last(self._spec.frames_in(length))
        heard = min(len(self._samples), round(length * self.rate_hz / self._spec.rate_hz))
        samples = self._samples.last(heard)
        ended = self._pauses.hear(
            self.gate.active(frames[-self._hop_frames :]), end - self._hop, end
        )
        return _Cut(end, length, samples[:, 0], frames, ended)


def is_utterance(features: Features) -> bool:
    """Tell an utterance from a window: it holds neither tensors nor a reason."""
    return features.reason is None and not features.tensors


def _mono(chunk: Chunk) -> Floats:
    """Return the mean of the channels, shape (n_samples,) float32."""
    samples = chunk.samples
    if samples.shape[1] == 1:
        return samples[:, 0]
    return np.asarray(samples.mean(axis=1, dtype=np.float32))
