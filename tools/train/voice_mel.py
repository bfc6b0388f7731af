"""The project's log-mel frames and windows, many at a time on any device."""

from __future__ import annotations

import torch

from edge_emo.features.audio import MelSpec, band_weights, taper

SPEC = MelSpec(bands=64, n_fft=1024)
LENGTH = 298  # frames in 3 s
STEP = 50  # frames in 0.5 s
SAMPLES = (LENGTH - 1) * SPEC.hop + SPEC.window
RANGE_NATS = 13.8  # 60 dB


class TorchLogMel:
    """Does in batches what :class:`edge_emo.features.audio.LogMel` does with a stream."""

    def __init__(self, device: torch.device, spec: MelSpec = SPEC) -> None:
        self._spec = spec
        self._taper = torch.from_numpy(taper(spec)).to(device)
        self._weights = torch.from_numpy(band_weights(spec)).to(device)

    def __call__(self, waves: torch.Tensor, gains: torch.Tensor | None = None) -> torch.Tensor:
        """Return the frames (n, frames, bands) of signals (n, samples), full scale −1 … 1.

        ``gains`` of shape (n, n_fft // 2 + 1) multiply the power of each bin.
        """
        spec = self._spec
        frames = waves.unfold(1, spec.window, spec.hop)
        frames = (frames - frames.mean(dim=2, keepdim=True)) * self._taper
        spectrum = torch.fft.rfft(frames, spec.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        if gains is not None:
            power = power * gains[:, None]
        return (power @ self._weights).clamp_min(spec.floor).log()


def filled(frames: torch.Tensor, first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """Put a clip's own quiet where its window holds no frames, as ``padded`` does.

    Args:
        frames: Shape (n, length, bands).
        first: Number of the first true frame of each, shape (n,).
        last: Number behind the last one, shape (n,).
    """
    place = torch.arange(frames.shape[1], device=frames.device)
    true = (place >= first[:, None]) & (place < last[:, None])
    ranked = frames.masked_fill(~true[:, :, None], torch.inf).sort(dim=1).values
    rank = ((last - first) // 10)[:, None, None].expand(-1, 1, frames.shape[2])
    return torch.where(true[:, :, None], frames, ranked.gather(1, rank))


def normalised(windows: torch.Tensor) -> torch.Tensor:
    """Limit the dynamic range, then give mean 0 and deviation 1, as the device does."""
    limited = torch.maximum(windows, windows.amax(dim=(1, 2), keepdim=True) - RANGE_NATS)
    centred = limited - limited.mean(dim=(1, 2), keepdim=True)
    return centred / (centred.std(dim=(1, 2), keepdim=True, unbiased=False) + 1e-3)
