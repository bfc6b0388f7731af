"""A kiosk greets with a picture that fits what visitors express, and says what it senses.

Nothing is estimated of a real camera before the notice was accepted, and nothing is stored.
"""

from __future__ import annotations

import argparse

from edge_emo import EmotionState, Pipeline

NOTICE = (
    "This kiosk estimates the expression on your face. Nothing is stored. Press Enter to agree."
)


def scene(state: EmotionState) -> str:
    """Return the picture to show; a neutral one whenever nothing certain is known."""
    expressed = state.expressed
    if expressed is None or expressed.confidence < 0.5:
        return "welcome"
    if expressed.valence is not None and expressed.valence < -0.2:
        return "can we help?"
    return "enjoy your visit" if expressed.label == "happiness" else "welcome"


def main() -> None:
    """Show scenes until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--camera", default="virtual:", help="such as opencv:0")
    parser.add_argument(
        "--accepted", action="store_true", help="the notice was accepted elsewhere: do not ask"
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()

    print(NOTICE)
    if not (options.accepted or options.camera.startswith("virtual:")):
        input()
    shown = ""
    with Pipeline(camera=options.camera) as pipeline:
        for state in pipeline:
            if scene(state) != shown:
                shown = scene(state)
                print(f"{state.t_ns / 1e9:6.1f} s  {shown}")
            if state.t_ns >= options.seconds * 1e9:
                break


if __name__ == "__main__":
    main()
