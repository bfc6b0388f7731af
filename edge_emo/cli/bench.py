"""Run a session in real time and print where the time goes."""

from __future__ import annotations

import argparse
import json

from edge_emo.bench import run_bench
from edge_emo.cli import session
from edge_emo.config import Streams
from edge_emo.demo import demo_streams
from edge_emo.recording import Recording

HELP = "measure latency, processor time and memory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("folder", nargs="?", help="a recorded session; the demonstration if none")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the measurement")
    parser.add_argument("--rate", type=float, metavar="HZ", help="states per second")
    parser.add_argument("--backend", metavar="NAME", help="litert, onnx or openvino; no fallback")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    streams = _recorded(arguments.folder) if arguments.folder else demo_streams()
    report = run_bench(
        streams,
        seconds=arguments.seconds,
        config=session.configuration(arguments),
        demo=not arguments.folder,
    )
    print(json.dumps(report.to_json()) if arguments.json else report.table())
    return 0


def _recorded(folder: str) -> Streams:
    kinds = Recording(folder).raw_kinds
    return Streams(**dict.fromkeys(kinds, f"replay:{folder}"))
