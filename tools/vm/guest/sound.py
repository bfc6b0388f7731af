"""Records from the kernel's sound card (snd-aloop) through the driver what is played into it.

Prints one JSON object, of the first recording in which the driver counts no lost sample: a machine
that is emulated beside other work loses some.
"""

from __future__ import annotations

import json
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.clock import MonotonicClock
from edge_emo.drivers.microphone.portaudio import PortAudioMicrophone

RATE_HZ, BLOCK_S, BLOCKS, PLAYED, ATTEMPTS = 16000, 0.1, 50, 32000, 8
FILE = Path("/tmp/noise.wav")
PLAYS_TO, RECORDS_FROM = "hw:Loopback,0", "hw:0,1"


def main() -> None:
    """Play noise with silence around it, record all of it, and count what is the same."""
    played = np.random.default_rng(7).integers(-9000, 9000, PLAYED).astype(np.int16)
    silence = np.zeros(RATE_HZ // 2, np.int16)
    _write(np.concatenate([silence, played, np.zeros(4 * RATE_HZ, np.int16)]))
    inputs = [entry.description for entry in PortAudioMicrophone.devices()]
    for _ in range(ATTEMPTS):
        said = _recorded(played)
        if said["dropped"] == 0:
            break
    print(json.dumps({"inputs": inputs, "played": PLAYED, **said}))


def _recorded(played: npt.NDArray[np.int16]) -> dict[str, Any]:
    with PortAudioMicrophone(RECORDS_FROM, block_s=BLOCK_S, open_timeout_s=60.0) as driver:
        info = driver.open(MonotonicClock())
        with subprocess.Popen(["aplay", "-q", "-D", PLAYS_TO, str(FILE)]) as player:
            chunks = [driver.read(20.0) for _ in range(BLOCKS)]
            player.kill()
    heard = np.round(np.concatenate([chunk.samples[:, 0] for chunk in chunks]) * 32768)
    first = _find(heard, played)
    return {
        "device": info.device,
        "rate_hz": info.rate_hz,
        "same": int((heard[first : first + PLAYED] == played).sum()),
        "dropped": driver.dropped,
        "last_seq": chunks[-1].seq,
        "seconds": (chunks[-1].t_ns - chunks[0].t_ns) / 1e9,
    }


def _write(samples: npt.NDArray[np.int16]) -> None:
    with wave.open(str(FILE), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


def _find(heard: npt.NDArray[np.floating], played: npt.NDArray[np.int16]) -> int:
    """Return where ``played`` begins in ``heard``: the peak of their cross-correlation."""
    length = len(heard) + len(played)
    product = np.fft.rfft(heard, length) * np.conj(np.fft.rfft(played, length))
    last = len(heard) - len(played)
    return int(np.argmax(np.fft.irfft(product, length)[: last + 1]))


if __name__ == "__main__":
    main()
