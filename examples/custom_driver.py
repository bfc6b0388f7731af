"""A driver of one's own: four EEG channels of a device that edge_emo does not know.

The device here is a sine wave; a real driver would talk to hardware in ``open`` and ``read``.
"""

from __future__ import annotations

import argparse
import math
import threading

import numpy as np

from edge_emo import Chunk, Pipeline
from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.errors import ClosedError
from edge_emo.types import StreamInfo

CHANNELS = ("Fp1", "Fp2", "O1", "O2")


class SineEeg(Driver):
    """Four channels of 10 Hz, like closed eyes, in blocks of 40 ms."""

    kind = "eeg"

    def __init__(self, target: str = "", *, rate_hz: float = 250.0, level_uv: float = 20.0) -> None:
        self._rate_hz = rate_hz
        self._level_uv = level_uv
        self._clock: Clock | None = None
        self._start_ns = 0
        self._seq = 0
        self._stop = threading.Event()

    def open(self, clock: Clock) -> StreamInfo:
        """Start at sample 0, now."""
        self._clock, self._start_ns, self._seq = clock, clock.now_ns(), 0
        self._stop.clear()
        return StreamInfo("eeg", self._rate_hz, CHANNELS, "uv", "a sine wave")

    def read(self, timeout_s: float) -> Chunk | None:
        """Wait until the next block has happened, and return it."""
        if self._clock is None:
            raise ClosedError("the driver is not open")
        n = round(self._rate_hz * 0.04)
        seq, self._seq = self._seq, self._seq + n
        t_ns = self._start_ns + round(seq * 1e9 / self._rate_hz)
        self._clock.wait_until_ns(t_ns + 40_000_000, self._stop)
        phase = 2 * math.pi * 10 * np.arange(seq, seq + n) / self._rate_hz
        noise = np.random.default_rng(seq).normal(0, 2, (n, len(CHANNELS)))
        data = (self._level_uv * np.sin(phase)[:, None] + noise).astype(np.float32)
        return Chunk("eeg", seq, t_ns, self._rate_hz, data)

    def close(self) -> None:
        """Wake a waiting read and forget the clock."""
        self._stop.set()
        self._clock = None


def main() -> None:
    """Print what is felt until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with Pipeline(eeg=SineEeg()) as pipeline:
        for state in pipeline:
            felt = state.felt.label if state.felt else f"unknown ({state.reason})"
            print(f"{state.t_ns / 1e9:5.1f} s  {felt}")
            if state.t_ns >= options.seconds * 1e9:
                break


if __name__ == "__main__":
    main()
