"""Sound samples as devices and files store them, turned into float32 in −1 … 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
"""Shape (n_samples, n_channels), full scale −1 … 1."""

ENCODINGS = ("u8", "s16", "s24", "s32", "f32", "f64")
"""Little-endian encodings that :func:`decode` reads; the number is bits per sample."""


def decode(data: bytes, encoding: str, channels: int) -> Samples:
    """Decode interleaved samples; an incomplete frame at the end is left out.

    Args:
        data: Raw bytes.
        encoding: One of :data:`ENCODINGS`.
        channels: Samples per frame.

    Returns:
        Shape (n_samples, channels) float32; integers are divided by their full scale, 2^(bits−1).
    """
    frame_bytes = channels * int(encoding[1:]) // 8
    whole = data[: len(data) // frame_bytes * frame_bytes]
    return _flat(whole, encoding).reshape(-1, channels)


def channel_names(count: int) -> tuple[str, ...]:
    """Name the channels of a microphone or a sound file: mono, left and right, or numbered."""
    if count <= 2:
        return ("mono",) if count == 1 else ("left", "right")
    return tuple(f"channel{number}" for number in range(1, count + 1))


def _flat(data: bytes, encoding: str) -> Samples:
    if encoding == "u8":
        return _scaled(np.frombuffer(data, np.uint8).astype(np.int16) - 128, 2**7)
    if encoding == "s24":
        return _scaled(_widen_24_bits(data), 2**31)
    bits = int(encoding[1:])
    if encoding.startswith("f"):
        return np.frombuffer(data, f"<f{bits // 8}").astype(np.float32)
    return _scaled(np.frombuffer(data, f"<i{bits // 8}"), 2 ** (bits - 1))


def _scaled(integers: npt.NDArray[Any], full_scale: int) -> Samples:
    # Powers of two: the product is exact up to the rounding of 32-bit integers to float32.
    samples: Samples = integers.astype(np.float32)
    samples *= np.float32(1 / full_scale)
    return samples


def _widen_24_bits(data: bytes) -> npt.NDArray[Any]:
    # Three bytes become the upper three of four, so that the sign is in its place.
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4").ravel()
