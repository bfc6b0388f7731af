"""A robot slows down when somebody seems aroused, and when it does not know; it looks at them.

The control loop runs at its own rate and polls the newest state; it never waits for one.
"""

from __future__ import annotations

import argparse
import threading

from edge_emo import EmotionState, Face, Pipeline

FULL_SPEED_M_S = 0.8
CAUTIOUS_M_S = 0.3
OLDEST_S = 0.5
HALF_VIEW_DEG = 30.0
"""Half of the camera's horizontal angle of view."""


def speed(state: EmotionState | None, now_ns: int) -> float:
    """Return the speed limit in m/s; cautious whenever the estimate is missing or old."""
    if state is None or state.arousal is None or now_ns - state.t_ns > OLDEST_S * 1e9:
        return CAUTIOUS_M_S
    calm = max(0.0, min(1.0, 1.0 - state.arousal))
    return CAUTIOUS_M_S + (FULL_SPEED_M_S - CAUTIOUS_M_S) * calm


def heading(faces: tuple[Face, ...]) -> str:
    """Return where the person who counts is; the robot looks ahead while there is nobody."""
    person = next((face for face in faces if face.counts), None)
    if person is None:
        return "nobody in view"
    return f"person {person.id} at {person.direction[0] * HALF_VIEW_DEG:+.0f}°"


def main() -> None:
    """Drive until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--camera", default="virtual:", help="such as opencv:0")
    parser.add_argument("--microphone", default="virtual:", help="such as portaudio:default")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()

    stop = threading.Event()
    with Pipeline(options.camera, options.microphone) as pipeline:
        pipeline.start()
        tick_ns = 0
        while tick_ns < options.seconds * 1e9:
            tick_ns += 500_000_000
            pipeline.clock.wait_until_ns(tick_ns, stop)
            limit = speed(pipeline.latest, pipeline.clock.now_ns())
            print(f"{tick_ns / 1e9:5.1f} s  speed limit {limit:.2f} m/s, {heading(pipeline.faces)}")


if __name__ == "__main__":
    main()
