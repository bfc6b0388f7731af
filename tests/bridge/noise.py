"""A line that flips bits and loses, inserts and swaps bytes, seeded."""

from __future__ import annotations

import random


class Noise:
    """Changes a share of the bytes that pass, each in one of four ways.

    Args:
        share: Share of the bytes that are hit.
        seed: Of the random numbers.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._chance = random.Random(seed)

    def __call__(self, data: bytes) -> bytes:
        """Return what is left of the bytes."""
        chance, out, at = self._chance, bytearray(), 0
        while True:
            step = int(chance.expovariate(self._share))
            if at + step >= len(data):
                return bytes(out + data[at:])
            out += data[at : at + step]
            at += step
            at += self._hit(data, at, out)

    def _hit(self, data: bytes, at: int, out: bytearray) -> int:
        """Garble the byte at ``at``; return how many bytes were used."""
        how = self._chance.randrange(4)
        if how == 0:
            out.append(data[at] ^ 1 << self._chance.randrange(8))
        elif how == 1:
            return 1
        elif how == 2:
            out += bytes([self._chance.randrange(256), data[at]])
        else:
            out += data[at : at + 2][::-1]
            return min(2, len(data) - at)
        return 1
