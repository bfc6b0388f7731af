"""Replay a recorded session: the same recording gives the same states, bit for bit."""

from __future__ import annotations

import argparse

from edge_emo.cli import session
from edge_emo.cli.numbers import speed
from edge_emo.pipeline import Pipeline

HELP = "replay a recorded session"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("folder", help="a recorded session")
    parser.add_argument(
        "--speed", type=speed, default=0.0, metavar="X", help="1 is real time; 0 is at once"
    )
    parser.add_argument(
        "--repair", action="store_true", help="end quietly where the recording is damaged"
    )
    session.add_state_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    config = session.configuration(arguments)
    pipeline = Pipeline.replay(
        arguments.folder,
        speed=arguments.speed,
        repair=arguments.repair,
        config=config,
        sinks=session.sinks(arguments, config),
    )
    return session.run_states(pipeline, arguments)
