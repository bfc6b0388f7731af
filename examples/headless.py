"""A headless service: estimates go to stdout, health to stderr, missing devices are waited for."""

from __future__ import annotations

import argparse
import sys

from edge_emo import Config, EmotionState, Pipeline
from edge_emo.config import States


def tell_health(state: EmotionState, known: dict[str, str]) -> None:
    """Print a line whenever the condition of a stream changes."""
    for name, health in state.health.items():
        words = "ok" if health.ok else health.reason
        if known.get(name) != words:
            known[name] = words
            print(f"{name}: {words}", file=sys.stderr)


def main() -> None:
    """Run until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--camera", default="virtual:", help="such as opencv:0")
    parser.add_argument("--microphone", default="virtual:", help="such as portaudio:default")
    parser.add_argument("--states", default="jsonl:-", help="where states go")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()

    config = Config(states=States(rate_hz=5.0, wait_for_devices=True))
    known: dict[str, str] = {}
    with Pipeline(
        options.camera, options.microphone, config=config, sinks=[options.states]
    ) as pipeline:
        for state in pipeline:
            tell_health(state, known)
            if state.t_ns >= options.seconds * 1e9:
                break


if __name__ == "__main__":
    main()
