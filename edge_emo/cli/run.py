"""Estimate live: read the named streams and print fused states until interrupted."""

from __future__ import annotations

import argparse

from edge_emo.cli import session
from edge_emo.pipeline import Pipeline
from edge_emo.types import KINDS

HELP = "estimate from devices or files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    session.add_stream_arguments(parser)
    session.add_state_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    streams = {kind: getattr(arguments, kind) for kind in KINDS}
    config = session.configuration(arguments)
    sinks = session.sinks(arguments, config)
    pipeline = Pipeline(**streams, config=config, sinks=sinks)
    return session.run_states(pipeline, arguments)
