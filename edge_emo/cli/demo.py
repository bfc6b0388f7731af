"""Show the pipeline at work: no device, no network, a sample portrait and synthetic signals."""

from __future__ import annotations

import argparse
import dataclasses

from edge_emo.cli import session
from edge_emo.cli.numbers import seed
from edge_emo.demo import NOTICE, demo_streams
from edge_emo.pipeline import Pipeline
from edge_emo.say import say

HELP = "run without any device"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    session.add_state_arguments(parser)
    parser.add_argument("--seed", type=seed, default=7, help="of the portrait's movement")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    say(NOTICE)
    config = dataclasses.replace(
        session.configuration(arguments), streams=demo_streams(arguments.seed)
    )
    sinks = session.sinks(arguments, config)
    return session.run_states(Pipeline(config=config, sinks=sinks), arguments)
