"""Sound to log-mel frames: the one implementation that training and the device share.

Frame ``i`` covers the samples ``i * hop … i * hop + window`` of the stream; nothing is centred
or padded, so that a frame is complete as soon as its last sample is there. Every step works on
one frame at a time, so that frames do not depend on how the stream was cut into chunks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ConfigError

Floats = npt.NDArray[np.float32]

RATE_HZ = 16000
"""The rate that features are computed at; other streams are converted to it."""


@dataclass(frozen=True, slots=True)
class MelSpec:
    """Parameters of the log-mel frames.

    Attributes:
        rate_hz: Sampling rate.
        window: Samples per frame (25 ms).
        hop: Samples from frame to frame (10 ms), at most ``window``.
        n_fft: Length of the Fourier transform.
        bands: Number of mel bands.
        low_hz: Lower edge of the lowest band.
        high_hz: Upper edge of the highest band.
        floor: Least power density that the logarithm sees, full scale squared per sample;
            1e-10 is the quantization noise of 16-bit sound.
    """

    rate_hz: int = RATE_HZ
    window: int = 400
    hop: int = 160
    n_fft: int = 512
    bands: int = 48
    low_hz: float = 50.0
    high_hz: float = 7600.0
    floor: float = 1e-10

    def frames_in(self, samples: int) -> int:
        """Return how many whole frames ``samples`` samples hold."""
        return max(0, (samples - self.window) // self.hop + 1)

    def edges_hz(self) -> npt.NDArray[np.float64]:
        """Return the ``bands + 2`` corner frequencies, evenly spaced in mel.

        mel = 1127 ln(1 + f / 700 Hz) (O'Shaughnessy 1987).
        """
        low, high = (1127.0 * np.log1p(f / 700.0) for f in (self.low_hz, self.high_hz))
        mels = np.linspace(low, high, self.bands + 2)
        return np.asarray(700.0 * np.expm1(mels / 1127.0))


class LogMel:
    """Turns a stream of samples, in chunks of any length, into log-mel frames.

    The value of a band is the natural logarithm of its mean power density. The mean of each
    frame is removed first, so that a constant offset changes nothing.

    Args:
        spec: Parameters.

    Raises:
        ConfigError: A band would hold no bin of the Fourier transform.
    """

    _BLOCK = 100  # frames that are transformed at a time: bounds the memory

    def __init__(self, spec: MelSpec | None = None) -> None:
        self.spec = spec = spec or MelSpec()
        self._taper = _hann(spec.window)
        self._bins, self._starts, self._rise, self._fall = _filter_bank(spec)
        self._buffer = np.zeros(spec.window + spec.hop * (self._BLOCK - 1), np.float32)
        self._windows = _strided(self._buffer, spec.window)[:: spec.hop]
        self._frames = np.zeros((self._BLOCK, spec.window), np.float32)
        self._held = 0

    def reset(self) -> None:
        """Forget the samples that belong to frames not yet complete."""
        self._held = 0

    def push(self, samples: Floats) -> Floats:
        """Take samples; return the frames that they complete.

        Args:
            samples: Shape (n,), any n including 0, full scale −1 … 1.

        Returns:
            New array of shape (frames, bands) float32. A frame with a sample that is not a
            number holds no number either.
        """
        rest = np.asarray(samples, np.float32)
        parts = []
        while rest.shape[0]:
            rest = rest[self._fill(rest) :]
            if ready := self.spec.frames_in(self._held):
                parts.append(self._transform(ready))
                self._drop(ready * self.spec.hop)
        return np.concatenate(parts) if parts else np.empty((0, self.spec.bands), np.float32)

    def _fill(self, samples: Floats) -> int:
        """Copy what fits behind what is held; return how many samples were taken."""
        count: int = min(self._buffer.shape[0] - self._held, samples.shape[0])
        self._buffer[self._held : self._held + count] = samples[:count]
        self._held += count
        return count

    def _drop(self, count: int) -> None:
        """Forget the oldest samples."""
        kept = self._held - count
        self._buffer[:kept] = self._buffer[count : self._held]
        self._held = kept

    @np.errstate(over="ignore", invalid="ignore")
    def _transform(self, count: int) -> Floats:
        spec = self.spec
        frames = self._frames[:count]
        frames[:] = self._windows[:count]
        frames -= frames.mean(axis=1, keepdims=True)
        frames *= self._taper
        spectrum = np.fft.rfft(frames, spec.n_fft)[:, self._bins]
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        rising = np.add.reduceat(power * self._rise, self._starts, axis=1)
        falling = np.add.reduceat(power * self._fall, self._starts, axis=1)
        bands = rising[:, :-1] + falling[:, 1:]
        return np.asarray(np.log(np.maximum(bands, np.float32(spec.floor))))


def log_mel(samples: Floats, spec: MelSpec | None = None) -> Floats:
    """Return the frames of a whole signal, shape (frames, bands), as :class:`LogMel` does."""
    return LogMel(spec).push(samples)


def band_weights(spec: MelSpec) -> Floats:
    """Return what turns a power spectrum into bands, shape (n_fft // 2 + 1, bands).

    It is what :class:`LogMel` does as one matrix, for machines that multiply fast.
    """
    bins, starts, rise, fall = _filter_bank(spec)
    weights = np.zeros((spec.n_fft // 2 + 1, spec.bands + 2), np.float32)
    stretch = np.searchsorted(starts, np.arange(len(rise)), side="right") - 1
    rows = np.arange(bins.start, bins.stop)
    weights[rows, stretch + 1] += rise
    weights[rows, stretch] += fall
    return weights[:, 1:-1]


def taper(spec: MelSpec) -> Floats:
    """Return what each frame is multiplied with, shape (window,)."""
    return _hann(spec.window)


def window_tensor(frames: Floats, length: int, range_nats: float) -> Floats:
    """Return what the voice model reads of one window.

    Values more than ``range_nats`` under the largest are raised to that limit. A window that
    holds fewer frames than ``length`` gets silence in front: its own quietest tenth, band by
    band. Then the mean of the whole window is removed and it is divided by its standard
    deviation, so that neither the gain of the microphone nor the distance matters.

    Args:
        frames: Log-mel frames, shape (n, bands), n ≥ 1; only the last ``length`` are read.
        length: Frames that the model reads.
        range_nats: Dynamic range kept, natural logarithm of power.

    Returns:
        Shape (1, 1, length, bands) float32.
    """
    return normalised(padded(frames[-length:], length, length), range_nats)[None, None]


def padded(frames: Floats, length: int, end: int) -> Floats:
    """Place frames in a window of ``length`` so that they end at ``end``, in their own silence.

    Args:
        frames: Shape (n, bands), 1 ≤ n ≤ end ≤ length.
        length: Frames of the window.
        end: Where the last one is placed.

    Returns:
        Shape (length, bands) float32.
    """
    window = np.empty((length, frames.shape[1]), np.float32)
    window[:] = np.partition(frames, frames.shape[0] // 10, axis=0)[frames.shape[0] // 10]
    window[end - frames.shape[0] : end] = frames
    return window


def normalised(window: Floats, range_nats: float) -> Floats:
    """Limit the dynamic range of a log-mel window, then give it mean 0 and deviation 1."""
    limited = np.maximum(window, window.max() - np.float32(range_nats))
    centred = limited - limited.mean(dtype=np.float32)
    return np.asarray(centred / (centred.std() + np.float32(1e-3)), np.float32)


def _strided(buffer: Floats, length: int) -> Floats:
    """Return every run of ``length`` samples of a buffer as a view that follows its content."""
    return np.lib.stride_tricks.sliding_window_view(buffer, length)


def _hann(length: int) -> Floats:
    """Return a periodic Hann taper scaled to unit energy, so that power is power density."""
    taper = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
    return np.asarray(taper / np.sqrt(np.sum(taper**2)), np.float32)


def _filter_bank(
    spec: MelSpec,
) -> tuple[slice, npt.NDArray[np.intp], Floats, Floats]:
    """Return the bins used, where each stretch between two corners starts, and two weights.

    Between two corners lie the falling side of one triangle and the rising side of the next;
    each triangle's weights sum to 1.
    """
    edges = spec.edges_hz()
    hz = np.arange(spec.n_fft // 2 + 1) * (spec.rate_hz / spec.n_fft)
    first, last = np.searchsorted(hz, (edges[0], edges[-1]))
    starts = np.searchsorted(hz, edges[:-1]) - first
    if np.any(np.diff(np.append(starts, last - first)) < 1):
        raise ConfigError(
            f"{spec.bands} mel bands are too narrow for {spec.n_fft} points",
            hint="take fewer bands or a longer transform",
        )
    stretch = np.searchsorted(starts, np.arange(last - first), side="right") - 1
    rise = (hz[first:last] - edges[stretch]) / (edges[stretch + 1] - edges[stretch])
    up, down = np.add.reduceat(rise, starts), np.add.reduceat(1.0 - rise, starts)
    total = up[:-1] + down[1:]
    rise_scale, fall_scale = np.append(total, 1.0), np.append(1.0, total)
    return (
        slice(int(first), int(last)),
        starts,
        np.asarray(rise / rise_scale[stretch], np.float32),
        np.asarray((1.0 - rise) / fall_scale[stretch], np.float32),
    )


class RateConverter:
    """Converts a stream to 16 kHz: polyphase windowed sinc (Kaiser window, about 80 dB).

    Output ``k`` lies exactly at input time ``k * rate_hz / 16000``: the filter delays nothing,
    it only needs some samples that come later (:meth:`inputs_for`). At 16 kHz samples pass as
    they are.

    Args:
        rate_hz: Rate of the input, a whole number from 4000 to 192000.

    Raises:
        ConfigError: The rate is another.
    """

    _CROSSINGS = 24  # zero crossings of the sinc on each side
    _CUTOFF = 0.9  # of the lower Nyquist frequency; the stop band begins at 1
    _KAISER_BETA = 8.0
    _AT_ONCE = 64  # phases that are worked out at a time: bounds the memory

    def __init__(self, rate_hz: float) -> None:
        rate = round(rate_hz) if np.isfinite(rate_hz) else 0
        if not 4000 <= rate <= 192000 or abs(rate - rate_hz) > 1e-6:
            raise ConfigError(
                f"sound at {rate_hz:g} Hz cannot be converted to {RATE_HZ} Hz",
                hint="open the microphone at 16000, 44100 or 48000 Hz",
            )
        common = int(np.gcd(rate, RATE_HZ))
        self._up, self._down = RATE_HZ // common, rate // common
        self._half = int(np.ceil(self._CROSSINGS * max(1.0, self._down / self._up)))
        self._piece = rate // 10
        self._table = self._phases()
        self._buffer = np.zeros(2 * self._half + self._piece + self._down, np.float32)
        self._taps = _strided(self._buffer, 2 * self._half)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream; silence is taken to lie before it."""
        self._seen = self._made = 0
        self._held = self._half - 1
        self._buffer[: self._held] = 0

    def inputs_for(self, outputs: int) -> int:
        """Return how many inputs since the start it takes to have made ``outputs`` outputs."""
        if self._up == self._down or outputs < 1:
            return max(0, outputs)
        return (outputs - 1) * self._down // self._up + self._half + 1

    def push(self, samples: Floats) -> Floats:
        """Take samples of shape (n,), any n; return those made at 16 kHz, shape (m,)."""
        if self._up == self._down:
            return samples
        starts = range(0, samples.shape[0], self._piece)
        parts = [self._convert(samples[start : start + self._piece]) for start in starts]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def _convert(self, piece: Floats) -> Floats:
        self._buffer[self._held : self._held + len(piece)] = piece
        self._held += len(piece)
        self._seen += len(piece)
        ready = max(0, -((self._half - self._seen) * self._up // self._down))
        places = np.arange(self._made, max(ready, self._made)) * self._down
        first = self._seen - self._held  # number of the sample that the buffer begins with
        rows = self._taps[places // self._up - self._half + 1 - first]
        made: Floats = np.einsum("ij,ij->i", rows, self._table[places % self._up])
        self._made += len(places)
        self._forget(self._made * self._down // self._up - self._half + 1 - first)
        return made

    def _forget(self, count: int) -> None:
        """Drop samples that no output to come reads."""
        count = min(count, self._held)
        self._buffer[: self._held - count] = self._buffer[count : self._held]
        self._held -= count

    def _phases(self) -> Floats:
        """Return the filter of each phase, shape (up, taps), each with a gain of 1 at 0 Hz."""
        table = np.empty((self._up, 2 * self._half), np.float32)
        for start in range(0, self._up, self._AT_ONCE):
            phases = np.arange(start, min(start + self._AT_ONCE, self._up))
            table[phases] = self._filters(phases)
        return table

    def _filters(self, phases: npt.NDArray[np.intp]) -> Floats:
        lag = phases[:, None] / self._up
        distance = np.arange(1 - self._half, self._half + 1) - lag
        cutoff = self._CUTOFF * min(1.0, self._up / self._down)
        taper = np.i0(
            self._KAISER_BETA * np.sqrt(np.clip(1.0 - (distance / self._half) ** 2, 0.0, 1.0))
        )
        filters = np.sinc(cutoff * distance) * taper
        return np.asarray(filters / filters.sum(axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class SignalReport:
    """Condition of one window of sound.

    Attributes:
        level_dbfs: Root mean square without the offset; 0 is a full-scale square wave.
        dc: Mean, full scale −1 … 1.
        clipped: Share of samples at full scale.
        speech: Share of frames that look like speech.
        snr_db: Speech over background, 0 … 60; 0 without speech.
        quality: 0 (useless) … 1 (clean).
        reason: None, or why no emotion should be read from it.
    """

    level_dbfs: float
    dc: float
    clipped: float
    speech: float
    snr_db: float
    quality: float
    reason: str | None


_LARGEST = 100.0  # times full scale: no sound is larger
SILENT_DBFS = -75.0
CLIPPED_SHARE = 0.05
SPEECH_SHARE = 0.1
ACTIVE_DB = 6.0
SHAPE_NATS = 0.7


class SpeechGate:
    """Judges windows of sound; keeps a running estimate of the background between them.

    A frame is active when its power from 200 to 4000 Hz is well over the background and its
    spectrum is far from flat. The background falls at once to the least power seen and rises
    slowly. Music and animals pass too: it tells activity from silence and steady noise, and
    no more than that.

    Args:
        spec: Parameters of the frames.
    """

    _RISE_DB_S = 2.0
    _LEAST_DBFS = -80.0

    def __init__(self, spec: MelSpec | None = None) -> None:
        spec = spec or MelSpec()
        edges = spec.edges_hz()
        self._bands = slice(*(int(i) for i in np.searchsorted(edges[1:-1], (200.0, 4000.0))))
        self._widths = np.asarray((edges[2:] - edges[:-2]) / spec.rate_hz, np.float32)[self._bands]
        self._rise = self._RISE_DB_S * spec.hop / spec.rate_hz
        self.reset()

    def reset(self) -> None:
        """Forget the background."""
        self._background_db = np.inf

    def listen(self, frames: Floats) -> None:
        """Follow the background through new frames, shape (n, bands), each given once."""
        power_db = self._power_db(frames)
        power_db = power_db[np.isfinite(power_db)]
        if len(power_db):
            ramp = self._rise * np.arange(1, len(power_db) + 1)
            least = min(self._background_db, float((power_db - ramp).min()))
            self._background_db = least + float(ramp[-1])

    def judge(self, samples: Floats, frames: Floats) -> SignalReport:
        """Judge one window.

        Args:
            samples: Shape (n,), n ≥ 1, as the device gave them, at any rate.
            frames: Log-mel frames of the same time, shape (m, bands), m ≥ 1, which
                :meth:`listen` has heard.
        """
        sizes = np.abs(samples)
        # A converter's frames begin some samples earlier: they may hold what the samples do not.
        if not (sizes.max() <= _LARGEST and np.isfinite(frames).all()):
            return SignalReport(-np.inf, 0.0, 0.0, 0.0, 0.0, 0.0, "samples are not numbers")
        dc = float(samples.mean())
        level_dbfs = 20.0 * float(np.log10(max(float(samples.std()), 1e-7)))
        clipped = float(np.mean(sizes >= 0.999))
        speech, snr_db = self._speech(frames)
        reason = _reason(level_dbfs, clipped, speech)
        quality = 0.0 if reason else _quality(dc, clipped, speech, snr_db)
        return SignalReport(level_dbfs, dc, clipped, speech, snr_db, quality, reason)

    def active(self, frames: Floats) -> float:
        """Return the share of frames, shape (m, bands), m ≥ 1, that look like speech."""
        return float(self._activity(frames, self._power_db(frames)).mean())

    def _power_db(self, frames: Floats) -> Floats:
        power = np.exp(frames[:, self._bands]) @ self._widths
        return np.asarray(np.maximum(10.0 * np.log10(power), np.float32(self._LEAST_DBFS)))

    def _speech(self, frames: Floats) -> tuple[float, float]:
        """Return the share of active frames, and their power over the background in dB."""
        power_db = self._power_db(frames)
        active = self._activity(frames, power_db)
        if not active.any():
            return 0.0, 0.0
        ratio = float(np.mean(10.0 ** ((power_db[active] - self._background_db) / 10.0)))
        return float(active.mean()), float(np.clip(10.0 * np.log10(max(ratio - 1.0, 1.0)), 0, 60))

    @np.errstate(over="ignore", invalid="ignore")
    def _activity(self, frames: Floats, power_db: Floats) -> npt.NDArray[np.bool_]:
        """Return which frames are over the background and far from flat."""
        bands = frames[:, self._bands]
        shape = np.log(np.exp(bands).mean(axis=1)) - bands.mean(axis=1)
        return _sustained((power_db > self._background_db + ACTIVE_DB) & (shape > SHAPE_NATS))


def _sustained(active: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Drop runs of fewer than five frames (50 ms): a click is no syllable."""
    kernel = np.ones(5, np.intp)
    centres = np.convolve(active, kernel)[4:] == 5 if len(active) >= 5 else np.zeros(0, bool)
    return np.convolve(centres, kernel)[: len(active)] > 0


def _reason(level_dbfs: float, clipped: float, speech: float) -> str | None:
    if level_dbfs < SILENT_DBFS:
        return "silence"
    if clipped > CLIPPED_SHARE:
        return "clipped"
    return "no speech" if speech < SPEECH_SHARE else None


def _quality(dc: float, clipped: float, speech: float, snr_db: float) -> float:
    """Return the product of four factors, each falling from 1 to its least as things get worse.

    Noise as loud as the voice costs the small voice model four tenths of its recall above
    chance, so that factor stops at 0.6; the others are guesses on the careful side.
    """
    factors = (
        ((0.2 - abs(dc)) / 0.15, 0.2),
        (1.0 - clipped / CLIPPED_SHARE, 0.2),
        (speech / 0.3, 0.2),
        (snr_db / 20.0, 0.6),
    )
    return float(np.prod([low + (1 - low) * min(max(part, 0.0), 1.0) for part, low in factors]))
