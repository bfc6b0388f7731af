"""Sounds and pictures that are nearly the same, whatever their level or compression."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo.datasets.clips import Clip
from edge_emo.datasets.decode import decode_clip
from edge_emo.imaging import cv2

Bits = npt.NDArray[np.bool_]
Packed = npt.NDArray[np.uint8]

_BANDS, _TIMES = 17, 17
_SOUND_FRAME = 512
_DISTANCE: Mapping[str, int] = {"sound": 12, "picture": 6, "flat sound": 0, "flat picture": 0}
_TELLING = 32
"""With fewer differences than this, of 256, everything flat looks alike."""
_BLOCK = 256
_FLOOR = 1e-2  # of the loudest cell: what lies lower is noise
_RISE = 1e-3  # nepers: less is no difference


def fingerprint(clip: Clip, root: Path) -> tuple[str, Bits]:
    """Return the sort of a clip's fingerprint, and its bits.

    A sound: signs of the differences of log energy between 17 bands and 17 spans of time,
    256 bits (after Haitsma and Kalker 2002, coarser, since clips are compared whole). A
    picture: signs of the differences between neighbours of its 17 x 16 reduction, 256 bits.
    Silence, a black picture and others with next to no differences are flat: the bits are a hash
    of all that was decoded, so that they match only when that is equal.

    Raises:
        DatasetError: The clip cannot be decoded.
    """
    chunk = decode_clip(clip, root).chunk
    data = np.asarray(chunk.data)
    sort = "picture" if clip.modality == "face" else "sound"
    rises = _of_picture(data) if sort == "picture" else _of_sound(data.mean(axis=1))
    if np.count_nonzero(rises) < _TELLING:
        return f"flat {sort}", _of_all(data)
    return sort, rises > 0


class Near:
    """Collects fingerprints by part and finds those that are nearly the same across parts."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[tuple[str, Packed]]] = {}

    def add(self, part: str, name: str, made: tuple[str, Bits]) -> None:
        """Keep one fingerprint."""
        sort, bits = made
        self._rows.setdefault((sort, part), []).append((name, np.packbits(bits)))

    def pairs(self) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
        """Yield part and name of both of every pair that two parts share."""
        keys = sorted(self._rows)
        for number, (sort, part) in enumerate(keys):
            for other_sort, other in keys[number + 1 :]:
                if other_sort == sort:
                    limit = _DISTANCE[sort]
                    rows, others = self._rows[sort, part], self._rows[sort, other]
                    for i, j in _close(_stack(rows), _stack(others), limit):
                        yield (part, rows[i][0]), (other, others[j][0])


def _stack(rows: list[tuple[str, Packed]]) -> Packed:
    return np.stack([bits for _, bits in rows])


def _close(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], limit: int
) -> Iterator[tuple[int, int]]:
    """Yield the indices of rows that differ in at most ``limit`` bits."""
    ones = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint16)
    for start in range(0, len(first), _BLOCK):
        block = first[start : start + _BLOCK, None, :] ^ second[None, :, :]
        rows, columns = np.nonzero(ones[block].sum(axis=2) <= limit)
        yield from zip((rows + start).tolist(), columns.tolist(), strict=True)


def _of_all(data: npt.NDArray[np.generic]) -> Bits:
    """Return a hash of shape and content, 256 bits."""
    known = hashlib.blake2b(repr((data.shape, data.dtype.str)).encode(), digest_size=32)
    known.update(np.ascontiguousarray(data).tobytes())
    return np.unpackbits(np.frombuffer(known.digest(), np.uint8)).astype(bool)


def _of_sound(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.int8]:
    """Return whether the energy rises, falls or stays, between bands and spans: 1, −1 or 0."""
    if np.ptp(samples) == 0:  # whose rounding would rise and fall
        return np.zeros((_BANDS - 1) * (_TIMES - 1), np.int8)
    frames = max(_TIMES, len(samples) // _SOUND_FRAME)
    padded = np.zeros(frames * _SOUND_FRAME, dtype=np.float32)
    padded[: min(len(samples), len(padded))] = samples[: len(padded)]
    window = np.hanning(_SOUND_FRAME).astype(np.float32)
    power = np.abs(np.fft.rfft(padded.reshape(frames, -1) * window)) ** 2
    edges = np.unique(np.geomspace(3, _SOUND_FRAME // 2, _BANDS + 1).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1)[:, :_BANDS]
    spans = np.linspace(0, frames, _TIMES + 1).astype(int)
    summed = np.add.reduceat(bands, spans[:-1], axis=0)
    energy = np.log(summed + _FLOOR * summed.max() + 1e-12)
    change = np.diff(np.diff(energy, axis=0), axis=1).ravel()
    return np.asarray((change > _RISE).astype(np.int8) - (change < -_RISE).astype(np.int8))


def _of_picture(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Return whether neighbours are brighter, darker or equal: 1, −1 or 0."""
    cv = cv2()
    grey = cv.cvtColor(picture, cv.COLOR_RGB2GRAY)
    small = cv.resize(grey, (17, 16), interpolation=cv.INTER_AREA).astype(np.int16)
    return np.asarray(np.sign(np.diff(small, axis=1)), dtype=np.int8).ravel()
