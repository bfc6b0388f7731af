"""Reads the kernel's test camera (vivid) through the driver, and pulls it out.

Prints one JSON object. The kernel draws eight bars: white, yellow, cyan, green, magenta, red,
blue, black.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from edge_emo.clock import MonotonicClock
from edge_emo.drivers.camera.opencv import OpenCvCamera
from edge_emo.errors import DeviceError, DeviceTimeoutError
from edge_emo.types import Chunk

FRAMES, BARS = 20, 8


def main() -> None:
    """Read some frames, then wait for the error that an unplugged camera gives."""
    found = [entry.address for entry in OpenCvCamera.devices()]
    with OpenCvCamera("0", width_px=640, height_px=360) as driver:
        info = driver.open(MonotonicClock())
        frames = [_next(driver) for _ in range(FRAMES)]
        subprocess.run(["v4l2-ctl", "-d0", "-c", "disconnect=1"], check=True)
        lost = _until_lost(driver)
    said = {
        "found": found,
        "device": info.device,
        "rate_hz": info.rate_hz,
        "size": list(frames[-1].image.shape),
        "seq": [frame.seq for frame in frames],
        "t_ns": [frame.t_ns for frame in frames],
        "bars": _bars(frames[-1]),
        "lost": type(lost).__name__,
        "hint": lost.hint,
    }
    print(json.dumps(said))


def _next(driver: OpenCvCamera) -> Chunk:
    chunk = driver.read(20.0)
    assert chunk is not None, "a camera does not end"
    return chunk


def _until_lost(driver: OpenCvCamera) -> DeviceError:
    while True:
        try:
            driver.read(1.0)
        except DeviceTimeoutError:
            continue
        except DeviceError as error:
            return error


def _bars(frame: Chunk) -> list[list[Any]]:
    """Return the colour in the middle of each bar, in the lower half, where no text is drawn."""
    height, width = frame.image.shape[:2]
    places = [round((bar + 0.5) * width / BARS) for bar in range(BARS)]
    return [frame.image[height * 3 // 4, place].tolist() for place in places]


if __name__ == "__main__":
    main()
