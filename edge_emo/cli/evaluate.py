"""Measure an exported model on a manifest of clips."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edge_emo.cli import session
from edge_emo.cli.numbers import count
from edge_emo.datasets.clips import read_clips
from edge_emo.evaluation.evaluate import evaluate_package
from edge_emo.evaluation.report import Report
from edge_emo.manifest import open_package
from edge_emo.say import say

HELP = "measure a model package on labelled clips"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("model", help="package id or folder, or face, voice, text, eeg, physio")
    parser.add_argument(
        "--manifest", required=True, metavar="FILE", help="JSON lines, one clip each"
    )
    parser.add_argument("--root", metavar="DIR", help="what paths are relative to")
    parser.add_argument("--backend", metavar="NAME", help=session.BACKEND_HELP)
    parser.add_argument("--precision", metavar="NAME", help="float32, float16 or int8")
    parser.add_argument("--threads", type=count, default=1, help="threads of the backend")
    parser.add_argument("--folder", action="append", default=[], help="more package folders")
    parser.add_argument(
        "--baseline-split",
        metavar="NAME",
        help="clips of this split are each speaker's rest: taken as a baseline, not scored",
    )
    parser.add_argument(
        "--among-present",
        action="store_true",
        help="take answers among the labels that the clips have, as if the model had no others",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    manifest = Path(arguments.manifest)
    root = Path(arguments.root) if arguments.root else manifest.parent
    report = evaluate_package(
        open_package(arguments.model, arguments.folder),
        read_clips(manifest),
        root,
        asked=arguments.model,
        backend=arguments.backend,
        threads=arguments.threads,
        precision=arguments.precision,
        baseline_split=arguments.baseline_split,
        progress=_progress if sys.stderr.isatty() else None,
        folders=arguments.folder,
        keep_going=True,
        among_present=arguments.among_present,
    )
    print(json.dumps(report.to_json()) if arguments.json else report.table())
    _tell_unread(report)
    return 1 if report.n_unread else 0


def _tell_unread(report: Report) -> None:
    if not report.n_unread:
        return
    total = report.n + report.n_unread
    say(f"edge-emo: {report.n_unread} of {total} clips could not be read:")
    for why in report.unread:
        say(f"  {why}")
    if report.n_unread > len(report.unread):
        say(f"  and {report.n_unread - len(report.unread)} more")


def _progress(done: int, total: int) -> None:
    ending = "\n" if done == total else ""
    print(f"\r{done} of {total} clips", end=ending, file=sys.stderr, flush=True)
