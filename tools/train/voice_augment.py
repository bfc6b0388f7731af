"""Training windows, varied: speaker, room, background, microphone, line, place in the window.

Everything is drawn from one generator on the device that computes, in batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from voice_mel import LENGTH, SAMPLES, SPEC, TorchLogMel, filled, normalised

RATE = SPEC.rate_hz


@dataclass(frozen=True)
class Bank:
    """Sound on the device: samples int16, and where each clip begins and how long it is."""

    sound: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor


def bank(clips: list[np.ndarray], device: torch.device) -> Bank:
    """Place clips on a device, with some silence around all of them."""
    edge = np.zeros(8, np.int16)
    lengths = np.array([len(clip) for clip in clips])
    starts = 8 + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    sound = np.concatenate([edge, *clips, edge])
    return Bank(*(torch.from_numpy(a).to(device) for a in (sound, starts, lengths)))


class Augment:
    """Draws windows of clips.

    Args:
        clips: The clips to train on.
        noise: Backgrounds, other sounds.
        babble: Voices that may speak behind; the labels of their clips are not used.
        seed: Of the generator.
        amount: Multiplies every chance; 0 gives windows as the device cuts them.
    """

    def __init__(
        self, clips: Bank, noise: Bank, babble: Bank | None, seed: int, amount: float = 1.0
    ) -> None:
        self._amount = amount
        self._clips, self._noise, self._babble = clips, noise, babble
        self.device = clips.sound.device
        self._rng = torch.Generator(self.device).manual_seed(seed)
        self._mel = TorchLogMel(self.device)
        self._hz = torch.arange(SPEC.n_fft // 2 + 1, device=self.device) * (RATE / SPEC.n_fft)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return normalised windows (n, 1, LENGTH, bands) of clips, given by number."""
        n = len(rows)
        speed = torch.exp(self._uniform(n, -0.22, 0.22) * self._chance(n, 0.7))
        lengths = (self._clips.lengths[rows] / speed).long() - 4
        frames, end = self._places(lengths)
        waves = self._read(self._clips, rows, speed, lengths, frames, end)
        waves = self._room(waves)
        waves = self._background(waves)
        waves = self._line(waves)
        mel = self._mel(waves, self._microphone(n))
        mel, first = self._tempo(mel, frames, end)
        mel = self._shift_bands(mel)
        return normalised(filled(mel, first, end))[:, None]

    def again(self, windows: torch.Tensor) -> torch.Tensor:
        """Vary finished windows (n, 1, LENGTH, bands) once more, at a fraction of their cost.

        Tempo, place, vocal tract and microphone change; room and background stay.
        """
        grid = torch.nn.functional.affine_grid(
            self._stretches(len(windows)), list(windows.shape), align_corners=False
        )
        mel = torch.nn.functional.grid_sample(
            windows, grid, padding_mode="border", align_corners=False
        )[:, 0]
        return normalised(mel + self._colour(len(windows))[:, None])[:, None]

    # --- draws --------------------------------------------------------------------------------

    def _uniform(self, n: int, low: float, high: float) -> torch.Tensor:
        drawn = torch.rand(n, device=self.device, generator=self._rng)
        return low + (high - low) * drawn

    def _chance(self, n: int, p: float) -> torch.Tensor:
        return (self._uniform(n, 0, 1) < p * self._amount).float()

    def _below(self, n: int, high: torch.Tensor | int) -> torch.Tensor:
        """Return whole numbers 0 … high − 1."""
        return (self._uniform(n, 0, 0.999999) * high).long()

    # --- sound --------------------------------------------------------------------------------

    def _places(self, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Choose how many frames of each clip are seen, and where in the window they end."""
        n = len(lengths)
        short = self._chance(n, 0.15).bool()
        wanted = torch.where(short, 98 + self._below(n, LENGTH - 98), LENGTH)
        held = ((lengths - SPEC.window).clamp_min(0) // SPEC.hop + 1).clamp_max(LENGTH)
        frames = torch.minimum(wanted, held)
        early = self._chance(n, 0.25).long() * self._below(n, LENGTH - frames + 1)
        return frames, LENGTH - early

    def _read(
        self,
        source: Bank,
        rows: torch.Tensor,
        speed: torch.Tensor,
        lengths: torch.Tensor,
        frames: torch.Tensor,
        end: torch.Tensor,
    ) -> torch.Tensor:
        """Read pieces at a speed, with cubic interpolation; nothing lies around them."""
        used = (frames - 1) * SPEC.hop + SPEC.window
        start = self._below(len(rows), (lengths - used).clamp_min(0) + 1)
        stop = SAMPLES - (LENGTH - end) * SPEC.hop
        t = torch.arange(SAMPLES, device=self.device) - (stop - used)[:, None]
        true = (t >= 0) & (t < used[:, None])
        place = (start[:, None] + t).clamp_min(0) * speed[:, None]
        whole = place.floor()
        part = place - whole
        last = (source.lengths[rows] + 3)[:, None]
        index = source.starts[rows][:, None] + torch.minimum(whole.long(), last)
        taps = [source.sound[index + k].float() for k in (-1, 0, 1, 2)]
        return torch.where(true, _cubic(taps, part), 0.0) / 32768

    def _room(self, waves: torch.Tensor) -> torch.Tensor:
        """Let some stand in rooms: a direct path, then decaying noise.

        Reverberation times 0.15 … 0.9 s, direct over reverberant power −3 … 15 dB.
        """
        chosen = self._chance(len(waves), 0.35).nonzero()[:, 0]
        m, length = len(chosen), RATE // 2
        if not m:
            return waves
        t = torch.arange(length, device=self.device) / RATE
        decay = torch.exp(-6.91 * t / self._uniform(m, 0.15, 0.9)[:, None])
        tail = torch.randn((m, length), device=self.device, generator=self._rng) * decay
        tail[:, :24] = 0
        tail = tail / tail.square().sum(1, keepdim=True).sqrt()
        tail = tail * 10 ** (-self._uniform(m, -3, 15)[:, None] / 20)
        tail[:, 0] = 1
        size = 1 << (SAMPLES + length - 1).bit_length()
        wet = torch.fft.irfft(
            torch.fft.rfft(waves[chosen], size) * torch.fft.rfft(tail, size), size
        )
        return waves.index_copy(0, chosen, wet[:, :SAMPLES])

    def _background(self, waves: torch.Tensor) -> torch.Tensor:
        """Add noise or voices: half of the windows, mostly 3 … 30 dB under, some at −5 … 5 dB."""
        chosen = self._chance(len(waves), 0.55).nonzero()[:, 0]
        if not len(chosen):
            return waves
        m = len(chosen)
        other = self._piece(self._noise, m)
        if self._babble is not None:
            voices = sum(self._piece(self._babble, m) for _ in range(3))
            talk = self._chance(m, 0.15)[:, None].bool()
            other = torch.where(talk, voices, other)
        loud = self._chance(m, 0.25).bool()
        snr = torch.where(loud, self._uniform(m, -5, 5), self._uniform(m, 3, 30))
        speech, noise = _level(waves[chosen]), other.square().mean(1).sqrt()
        gain = speech / (noise + 1e-7) * 10 ** (-snr / 20)
        return waves.index_add(0, chosen, other * gain.clamp_max(1e4)[:, None])

    def _piece(self, source: Bank, n: int) -> torch.Tensor:
        """Return pieces of a bank, going round when a clip is shorter than the window."""
        rows = self._below(n, len(source.starts))
        start = self._below(n, source.lengths[rows])
        t = (start[:, None] + torch.arange(SAMPLES, device=self.device)) % source.lengths[
            rows, None
        ]
        return source.sound[source.starts[rows][:, None] + t].float() / 32768

    def _line(self, waves: torch.Tensor) -> torch.Tensor:
        """Set the level, clip some, code some with 8 bits, and round to 16 bits."""
        if not self._amount:
            return waves
        n = len(waves)
        peak = waves.abs().amax(1, keepdim=True).clamp_min(1e-5)
        target = 10 ** (self._uniform(n, -40, -1)[:, None] / 20)
        over = 10 ** (self._uniform(n, 2, 14)[:, None] / 20)
        target = torch.where(self._chance(n, 0.06)[:, None].bool(), over, target)
        waves = (waves / peak * target).clamp(-1, 1)
        coded = self._chance(n, 0.06)[:, None].bool()
        waves = torch.where(coded, _mu_law(waves), waves)
        return (waves * 32767).round() / 32768

    def _microphone(self, n: int) -> torch.Tensor:
        """Return power gains per bin: a smooth curve, and a telephone's band for some."""
        mel = (1 + self._hz / 700).log()
        place = (mel / mel[-1] * 2 - 1)[None]
        tilt = torch.randn((n, 1), device=self.device, generator=self._rng) * 4.0
        bend = torch.randn((n, 1), device=self.device, generator=self._rng) * 3.0
        phase = self._uniform(n, 0, 2 * math.pi)[:, None]
        turns = math.pi * self._uniform(n, 0.5, 2.5)[:, None]
        curve = tilt * place + bend * torch.cos(turns * place + phase)
        curve = curve * self._chance(n, 0.7)[:, None]
        telephone = self._chance(n, 0.1)[:, None].bool()
        outside = (self._hz < 300) | (self._hz > 3400)
        curve = torch.where(telephone & outside[None], -60.0, curve)
        return 10 ** (curve / 10)

    # --- frames -------------------------------------------------------------------------------

    def _tempo(
        self, mel: torch.Tensor, frames: torch.Tensor, end: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change the tempo of some and leave the pitch; return the first true frame too."""
        n = len(mel)
        rate = torch.exp(self._uniform(n, -0.18, 0.2) * self._chance(n, 0.4))
        back = (end[:, None] - 1) - torch.arange(LENGTH, device=self.device)
        place = (end[:, None] - 1) - back * rate[:, None]
        low = (end - frames)[:, None].float()
        place = torch.maximum(torch.minimum(place, (end[:, None] - 1).float()), low)
        count = torch.minimum(((frames - 1) / rate).long() + 1, end)
        return _along(mel, place, 1), (end - count).clamp_min(0)

    def _stretches(self, n: int) -> torch.Tensor:
        """Return maps (n, 2, 3) of a window, −1 … 1 each way, into itself: bands, then time."""
        maps = torch.zeros(n, 2, 3, device=self.device)
        maps[:, 0, 0] = torch.exp(self._uniform(n, -0.08, 0.08) * self._chance(n, 0.4))
        maps[:, 0, 2] = self._uniform(n, -0.06, 0.06) * self._chance(n, 0.6)
        maps[:, 1, 1] = torch.exp(self._uniform(n, -0.15, 0.15) * self._chance(n, 0.5))
        maps[:, 1, 2] = self._uniform(n, -0.06, 0.06) * self._chance(n, 0.5)
        return maps

    def _colour(self, n: int) -> torch.Tensor:
        """Return a tilt and a bend over the bands (n, bands), in deviations of a window."""
        place = torch.linspace(-1, 1, SPEC.bands, device=self.device)
        tilt, bend = torch.randn((2, n, 1), device=self.device, generator=self._rng)
        turns = math.pi * self._uniform(n, 0.5, 1.5)[:, None]
        phase = self._uniform(n, 0, 2 * math.pi)[:, None]
        curve = 0.3 * tilt * place + 0.2 * bend * torch.cos(turns * place + phase)
        return curve * self._chance(n, 0.6)[:, None]

    def _shift_bands(self, mel: torch.Tensor) -> torch.Tensor:
        """Stretch the spectrum of some by up to a tenth: shorter and longer vocal tracts."""
        n = len(mel)
        shift = self._uniform(n, -2.2, 2.2) * self._chance(n, 0.5)
        place = torch.arange(SPEC.bands, device=self.device) - shift[:, None]
        return _along(mel, place.clamp(0, SPEC.bands - 1), 2)


def _cubic(taps: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Interpolate between the middle two of four samples (Catmull and Rom 1974)."""
    a, b, c, d = taps
    return b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))


def _along(mel: torch.Tensor, place: torch.Tensor, dim: int) -> torch.Tensor:
    """Read (n, frames, bands) at places between frames (1) or bands (2), linearly."""
    low = place.floor().long().clamp(0, mel.shape[dim] - 2)
    part = place - low
    shape = (-1, -1, mel.shape[2]) if dim == 1 else (-1, mel.shape[1], -1)
    low, part = (x.unsqueeze(3 - dim).expand(*shape) for x in (low, part))
    below, above = mel.gather(dim, low), mel.gather(dim, low + 1)
    return below + (above - below) * part


def _level(waves: torch.Tensor) -> torch.Tensor:
    """Return the root mean square of the louder half of tenths of a second."""
    power = waves.unfold(1, 1600, 1600).square().mean(2)
    top = power.topk(power.shape[1] // 2, dim=1).values
    heard = (top > 1e-9).float()
    return ((top * heard).sum(1) / heard.sum(1).clamp_min(1)).sqrt()


def _mu_law(waves: torch.Tensor) -> torch.Tensor:
    """Code with eight bits as telephones do (ITU-T G.711, continuous form)."""
    mu = 255.0
    coded = (torch.log1p(mu * waves.abs()) / math.log1p(mu) * 127).round() / 127
    return waves.sign() * torch.expm1(coded * math.log1p(mu)) / mu


def other_sounds(count: int, seed: int) -> list[np.ndarray]:
    """Make sounds that no voice makes: tones, chords, hums, sweeps, pulses, coloured noise."""
    rng = np.random.default_rng(seed)
    makers = (_tones, _sweep, _pulses, _coloured)
    return [_pcm(makers[i % len(makers)](rng)) for i in range(count)]


def _pcm(wave: np.ndarray) -> np.ndarray:
    return np.asarray(wave / (np.abs(wave).max() + 1e-9) * 16000, np.int16)


_T = np.arange(4 * RATE) / RATE


def _beats(rng: np.random.Generator) -> np.ndarray:
    """Return an envelope: steady, or struck a few times a second."""
    if rng.random() < 0.4:
        return np.ones_like(_T)
    period = rng.uniform(0.15, 1.0)
    return np.exp(-(_T % period) / rng.uniform(0.03, 0.6))


def _tones(rng: np.random.Generator) -> np.ndarray:
    wave = np.zeros_like(_T)
    for _ in range(int(rng.integers(1, 5))):
        base, step = rng.uniform(50, 1500), rng.uniform(0.2, 1.0)
        note = base * 2 ** (rng.integers(-5, 8, 40)[(_T / step).astype(int)] / 12.0)
        phase = 2 * np.pi * np.cumsum(note if rng.random() < 0.6 else np.full_like(_T, base)) / RATE
        for harmonic in range(1, int(rng.integers(2, 9))):
            wave += np.sin(harmonic * phase) / harmonic ** rng.uniform(0.5, 2) * rng.random()
    return wave * _beats(rng)


def _sweep(rng: np.random.Generator) -> np.ndarray:
    low, high = np.sort(rng.uniform(100, 6000, 2))
    turn = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 6) * _T)
    return np.sin(2 * np.pi * np.cumsum(low + (high - low) * turn) / RATE) * _beats(rng)


def _pulses(rng: np.random.Generator) -> np.ndarray:
    wave = (rng.random(_T.shape) < rng.uniform(1, 40) / RATE) * rng.normal(size=_T.shape)
    tail = np.exp(-np.arange(800) / rng.uniform(10, 300)) * rng.normal(size=800)
    return np.convolve(wave, tail)[: len(_T)] + 1e-4 * rng.normal(size=_T.shape)


def _coloured(rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.normal(size=_T.shape))
    hz = np.fft.rfftfreq(len(_T), 1 / RATE) + 20
    spectrum *= hz ** -rng.uniform(0, 1.2)
    if rng.random() < 0.5:
        centre = rng.uniform(200, 5000)
        spectrum *= 1 / (1 + ((hz - centre) / rng.uniform(50, 1500)) ** 2)
    return np.fft.irfft(spectrum, len(_T)) * _beats(rng)
