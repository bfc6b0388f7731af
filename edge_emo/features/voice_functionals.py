"""Functionals of a voice window: what its contours do over the time in which somebody speaks.

Means, deviations, quantiles, slopes and modulation of contours (cepstrum, low bands, centroids)
over the whole stretch of speech: what classical speech emotion recognition reads, as in Schuller
et al. (2009) and Eyben et al. (2016). They know of tempo and range what a window of convolutions
sees in part only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

BANDS, COEFFICIENTS, LOW_BANDS = 64, 32, 20
CONTOURS = COEFFICIENTS + LOW_BANDS + 3
SIZE = 12 * CONTOURS + 2 * BANDS + 6 * 14 + 3
"""Numbers of one window."""
LEAST = 16
"""Frames; a shorter stretch of speech is read with what lies around it."""
_ACTIVE = 0.55  # of the range of loudness, under the loudest frame
_MARGIN = 5  # frames kept before the first active one, and after the last
_QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
_SPECTRUM = 256  # frames; what comes later in a window has no part in the modulation
_AT_ONCE = 100  # frames: so few that a product does not wake other threads
_FRAME_HZ = 100.0
_MODULATION_HZ = (0.3, 1.0, 2.0, 4.0, 8.0, 16.0)  # where each range begins
_PITCHED = 14  # the lowest bands, in which harmonics move


def functionals(window: Floats) -> Floats:
    """Return the functionals of a window as the voice model reads it.

    The stretch from the first to the last frame near the loudest is what counts; it is given
    mean 0 and deviation 1 again.

    Args:
        window: Normalised log-mel, shape (frames, 64), frames ≥ 16, a hundred a second.

    Returns:
        Shape (875,), each on a scale of its own.
    """
    active = loud(window.mean(axis=1))
    speech = _standard(_stretch(window, active))
    contours = _contours(speech)
    parts = (*_levels(contours), *_halves(speech), _modulation(contours), *_course(contours),
             _rhythm(active, len(speech)))  # fmt: skip
    return np.concatenate(parts, dtype=np.float32)


def loud(loudness: Floats) -> npt.NDArray[np.bool_]:
    """Return which frames are near the loudest one, shape (frames,)."""
    top = loudness.max()
    return np.asarray(loudness >= top - np.float32(_ACTIVE) * (top - loudness.min()))


def _stretch(window: Floats, active: npt.NDArray[np.bool_]) -> Floats:
    places = np.flatnonzero(active)
    first, last = max(0, places[0] - _MARGIN), places[-1] + _MARGIN + 1
    missing = max(0, LEAST - (min(last, len(window)) - first))
    return window[max(0, first - missing) : last + missing]


def _standard(frames: Floats) -> Floats:
    centred = frames - frames.mean(dtype=np.float32)
    return np.asarray(centred / (centred.std() + np.float32(1e-3)), np.float32)


def _contours(speech: Floats) -> Floats:
    """Return cepstrum, low bands, two centroids and the loudest band, shape (frames, CONTOURS)."""
    found = np.empty((len(speech), CONTOURS), np.float32)
    for at in range(0, len(speech), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        np.matmul(speech[part], _COSINES, out=found[part, :COEFFICIENTS])
    found[:, COEFFICIENTS : COEFFICIENTS + LOW_BANDS] = speech[:, :LOW_BANDS]
    found[:, -3] = _centroid(speech, 2.0)
    found[:, -2] = _centroid(speech[:, :_PITCHED], 3.0)
    found[:, -1] = speech.max(axis=1)
    return found


def _centroid(bands: Floats, power: float) -> Floats:
    weights = np.exp(np.float32(power) * (bands - bands.max(axis=1, keepdims=True)))
    places = np.arange(bands.shape[1], dtype=np.float32)
    return np.asarray(weights @ places / weights.sum(axis=1))


def _levels(contours: Floats) -> tuple[Floats, ...]:
    """Return mean, deviation, quantiles, mean step, deviation of slopes, and skewness."""
    mean, deviation = contours.mean(axis=0), contours.std(axis=0)
    centred = contours - mean
    cubed = (centred * centred * centred).mean(axis=0) / (deviation**3 + np.float32(1e-3))
    steps = np.abs(np.diff(contours, axis=0)).mean(axis=0)
    slopes = (contours[4:] - contours[:-4]).std(axis=0)
    return mean, deviation, *_quantiles(contours), steps, slopes, cubed


def _quantiles(contours: Floats) -> Floats:
    ranked = np.sort(contours, axis=0)
    places = _QUANTILES * (len(ranked) - 1)
    below = places.astype(np.intp)
    share = (places - below).astype(np.float32)[:, None]
    above = np.minimum(below + 1, len(ranked) - 1)
    return ranked[below] + share * (ranked[above] - ranked[below])


def _halves(speech: Floats) -> tuple[Floats, Floats]:
    """Return the mean spectrum of the louder half of the frames, and of the other."""
    order = np.argsort(speech.mean(axis=1), kind="stable")
    half = len(order) // 2
    return speech[order[half:]].mean(axis=0), speech[order[:half]].mean(axis=0)


def _modulation(contours: Floats) -> Floats:
    """Return the logarithm of the power with which some contours move, by how fast they do."""
    low = slice(COEFFICIENTS, COEFFICIENTS + LOW_BANDS, 4)
    chosen = np.concatenate([contours[:, :7], contours[:, low], contours[:, -3:-1]], axis=1)
    chosen = (chosen - chosen.mean(axis=0))[:_SPECTRUM]
    power = np.abs(np.fft.rfft(chosen, _SPECTRUM, axis=0)) ** 2 / len(chosen)
    means = np.add.reduceat(power, _FIRST_BINS, axis=0) / _BINS[:, None]
    return np.asarray(np.log(means + 1e-4).ravel(), np.float32)


def _course(contours: Floats) -> tuple[Floats, Floats]:
    """Return how the first and the last third differ from the middle one."""
    first, middle, last = (part.mean(axis=0) for part in np.array_split(contours, 3))
    return first - middle, last - middle


def _rhythm(active: npt.NDArray[np.bool_], frames: int) -> Floats:
    """Return length, share of active frames, and how often they begin."""
    begins = np.count_nonzero(active[1:] & ~active[:-1])
    found = [np.log(frames), active.sum() / frames, 100.0 * begins / frames]
    return np.array(found, np.float32)


def _cosines() -> Floats:
    """Return the orthonormal cosine transform of the bands (type II), shape (BANDS, 32)."""
    places = (np.arange(BANDS)[:, None] + 0.5) * np.arange(COEFFICIENTS)
    table = np.sqrt(2.0 / BANDS) * np.cos(np.pi / BANDS * places)
    table[:, 0] = np.sqrt(1.0 / BANDS)
    return np.asarray(table, np.float32)


_COSINES = _cosines()
_HZ = np.fft.rfftfreq(_SPECTRUM, 1.0 / _FRAME_HZ)
_FIRST_BINS = np.searchsorted(_HZ, _MODULATION_HZ)
_BINS = np.diff(np.append(_FIRST_BINS, len(_HZ)))
