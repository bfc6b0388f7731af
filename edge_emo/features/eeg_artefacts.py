"""Blinks, jaw clenches and movement in a window of EEG, by half-second frames.

Rules, not a model: a blink is large in front and small elsewhere, a clench is fast and large at
some electrode near a muscle, a movement is slow and large at most electrodes. The limits lie
between what a real recording shows with and without each.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_emo.features.eeg import Montage

Array = npt.NDArray[np.float64]
ARTEFACTS = ("blink", "jaw clench", "movement")
FRAME_S = 0.5
_SLOW_S = 0.06
_BLINK_UV, _BLINK_RATIO = 80.0, 1.6
_CLENCH_UV, _CLENCH_HZ = 30.0, (30.0, 46.0)
_MOVEMENT_UV = 120.0
_FRONT = ("prefrontal", "frontal-left", "frontal-mid", "frontal-right")


def artefact_shares(
    filtered_uv: npt.NDArray[np.float32], rate_hz: float, montage: Montage
) -> Mapping[str, float]:
    """Return the share of half-second frames with each of :data:`ARTEFACTS`, 0 … 1.

    Args:
        filtered_uv: High-passed and notched samples of the montage, (n_samples, channels).
        rate_hz: Samples per second.
        montage: Tells which electrodes are in front.
    """
    frames = _frames(filtered_uv.astype(np.float64), rate_hz)
    if not len(frames):
        return dict.fromkeys(ARTEFACTS, 0.0)
    slow = _smoothed(frames, max(1, round(_SLOW_S * rate_hz)))
    swing = np.ptp(slow, axis=1)
    clench = _fast_uv(frames, rate_hz).max(axis=1) > _CLENCH_UV
    moving = (np.median(swing, axis=1) > _MOVEMENT_UV) & ~clench
    blinks = _blinks(swing, montage) & ~clench & ~moving
    shares = (float(found.mean()) for found in (blinks, clench, moving))
    return dict(zip(ARTEFACTS, shares, strict=True))


def _frames(samples: Array, rate_hz: float) -> Array:
    """Return the whole frames, shape (frames, samples, channels)."""
    length = max(2, round(FRAME_S * rate_hz))
    count = len(samples) // length
    return samples[: count * length].reshape(count, length, samples.shape[1])


def _fast_uv(frames: Array, rate_hz: float) -> Array:
    """Return the root mean square of muscle frequencies, shape (frames, channels)."""
    taper = np.hanning(frames.shape[1])[:, None]
    lines = np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * taper, axis=1)
    frequency_hz = np.fft.rfftfreq(frames.shape[1], 1.0 / rate_hz)
    used = (frequency_hz >= _CLENCH_HZ[0]) & (frequency_hz <= _CLENCH_HZ[1])
    power = np.abs(lines[:, used]) ** 2 * 2.0 / (np.sum(taper**2) * frames.shape[1])
    return np.asarray(np.sqrt(power.sum(axis=1)))


def _smoothed(frames: Array, width: int) -> Array:
    total = np.cumsum(np.pad(frames, ((0, 0), (1, 0), (0, 0))), axis=1)
    return np.asarray((total[:, width:] - total[:, :-width]) / width)


def _blinks(swing: Array, montage: Montage) -> npt.NDArray[np.bool_]:
    """Tell the frames whose front swings far, and farther than the rest."""
    front = np.array([region in _FRONT for region in montage.regions])
    if not front.any():
        return np.zeros(len(swing), np.bool_)
    ahead = np.median(swing[:, front], axis=1)
    behind = np.median(swing[:, ~front], axis=1) if not front.all() else np.zeros(len(swing))
    return np.asarray((ahead > _BLINK_UV) & (ahead > _BLINK_RATIO * behind))
