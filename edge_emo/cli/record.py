"""Record a session: states, predictions and events; raw signals only with --raw."""

from __future__ import annotations

import argparse

from edge_emo.cli import session
from edge_emo.pipeline import Pipeline
from edge_emo.sinks.record import RecordSink
from edge_emo.types import KINDS

HELP = "record a session folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("folder", help="a folder that does not exist yet, or is empty")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="also keep pictures, sound, signals and words; ask the people recorded first",
    )
    session.add_stream_arguments(parser)
    session.add_state_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    streams = {kind: getattr(arguments, kind) for kind in KINDS}
    recorder = RecordSink(arguments.folder, raw=arguments.raw)
    config = session.configuration(arguments)
    sinks = session.sinks(arguments, config)
    pipeline = Pipeline(**streams, config=config, sinks=[*sinks, recorder])
    return session.run_states(pipeline, arguments, needed=[recorder])
