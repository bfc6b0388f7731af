"""Run a session in real time and print where the time goes; or measure the models' files."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from edge_emo.bench import run_bench
from edge_emo.cli import session
from edge_emo.cli.numbers import seconds
from edge_emo.cli.refuse import refuse
from edge_emo.config import Streams
from edge_emo.demo import demo_streams
from edge_emo.errors import EdgeEmoError, RecordingError
from edge_emo.manifest import list_packages, open_package
from edge_emo.recording import Recording
from edge_emo.runtime.autotune import autotune
from edge_emo.runtime.measured import Record, read_record, write_record

HELP = "measure latency, processor time and memory"
_SECONDS = 30.0
_HINT = (
    "edge-emo bench [FOLDER] [--seconds S] [--rate HZ] [--backend NAME]; "
    "or edge-emo bench --autotune [--model NAME] [--force]"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("folder", nargs="?", help="a recorded session; the demonstration if none")
    parser.add_argument(
        "--seconds", type=seconds, metavar="S", help=f"length of the measurement: {_SECONDS:g}"
    )
    parser.add_argument("--rate", type=float, metavar="HZ", help="states per second")
    parser.add_argument("--backend", metavar="NAME", help=session.BACKEND_HELP)
    parser.add_argument(
        "--autotune",
        action="store_true",
        help="measure every backend, file and number of threads of the models instead, and keep "
        "the times: later sessions on this device take the fastest",
    )
    parser.add_argument(
        "--model", action="append", help="with --autotune: this package, or folder, only"
    )
    parser.add_argument(
        "--force", action="store_true", help="with --autotune: measure again what is known"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(sink=[])  # states go nowhere


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    if arguments.autotune:
        refuse(arguments, "folder --seconds --rate --backend", "with --autotune", _HINT)
        return _autotune(arguments)
    refuse(arguments, "--model --force", "without --autotune", _HINT)
    streams = _recorded(arguments.folder) if arguments.folder else demo_streams()
    report = run_bench(
        streams,
        seconds=_SECONDS if arguments.seconds is None else arguments.seconds,
        config=session.configuration(arguments),
        demo=not arguments.folder,
    )
    print(json.dumps(report.to_json()) if arguments.json else report.table())
    return 0


def _autotune(arguments: argparse.Namespace) -> int:
    packages = [open_package(name) for name in arguments.model or ()] or [
        package for package in list_packages() if package.default
    ]
    kept = True
    for package in packages:
        record = None if arguments.force else read_record(package)
        known = record is not None
        if record is None:
            record = autotune(package, progress=_progress if sys.stderr.isatty() else None)
            known = write_record(package, record)
        print(_as_json(package.id, record) if arguments.json else _as_table(package.id, record))
        kept = kept and known
    if not kept:
        raise EdgeEmoError(
            "the times could not be kept: no cache folder can be written",
            hint="name one: XDG_CACHE_HOME=FOLDER, here and where sessions run",
        )
    return 0


def _progress(done: int, total: int) -> None:
    ending = "\n" if done == total else ""
    print(f"\r{done} of {total} series", end=ending, file=sys.stderr, flush=True)


def _as_json(package: str, record: Record) -> str:
    return json.dumps({"package": package, **dataclasses.asdict(record)})


def _as_table(package: str, record: Record) -> str:
    best = record.fastest()
    lines = [f"{package}:"]
    for row in record.rows:
        mark = "*" if row is best else " "
        file = f"{mark} {row.backend:<9} {row.path or '–':<20} {row.threads} thread(s)  "
        times = f"p50 {row.p50_ms:.3f} ms, p95 {row.p95_ms:.3f} ms, start {row.load_ms:.0f} ms"
        lines.append(file + (row.reason or times))
    return "\n".join([*lines, *([f"  {record.note}"] if record.note else [])])


def _recorded(folder: str) -> Streams:
    kinds = Recording(folder).raw_kinds
    if not kinds:
        raise RecordingError(
            f"{folder} was recorded without raw data", hint="record with: edge-emo record --raw"
        )
    return Streams(**dict.fromkeys(kinds, f"replay:{folder}?"))  # a ? of the folder is its own
