"""Sounds and pictures that are nearly the same, whatever their level or compression."""

from __future__ import annotations

from collections.abc import Iterator
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
_SOUND_DISTANCE, _PICTURE_DISTANCE = 12, 6
_BLOCK = 256
_FLOOR = 1e-2  # of the loudest cell: what lies lower is noise
_RISE = 1e-3  # nepers: less is no difference


def fingerprint(clip: Clip, root: Path) -> tuple[str, Bits]:
    """Return the sort of a clip's fingerprint, and its bits.

    A sound: signs of the differences of log energy between 17 bands and 17 spans of time,
    256 bits (after Haitsma and Kalker 2002, coarser, since clips are compared whole). A
    picture: signs of the differences between neighbours of its 17 x 16 reduction, 256 bits.

    Raises:
        DatasetError: The clip cannot be decoded.
    """
    chunk = decode_clip(clip, root).chunk
    data = np.asarray(chunk.data)
    if clip.modality == "face":
        return "picture", _of_picture(data)
    return "sound", _of_sound(data.mean(axis=1))


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
                    limit = _SOUND_DISTANCE if sort == "sound" else _PICTURE_DISTANCE
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


def _of_sound(samples: npt.NDArray[np.floating]) -> Bits:
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
    return np.asarray(np.diff(np.diff(energy, axis=0), axis=1) > _RISE).ravel()


def _of_picture(picture: npt.NDArray[np.uint8]) -> Bits:
    cv = cv2()
    grey = cv.cvtColor(picture, cv.COLOR_RGB2GRAY)
    small = cv.resize(grey, (17, 16), interpolation=cv.INTER_AREA).astype(np.int16)
    return np.asarray(np.diff(small, axis=1) > 0).ravel()
