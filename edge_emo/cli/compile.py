"""Compile a float model for a target, measure every candidate, and keep only what passes."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from edge_emo.cli.columns import columns
from edge_emo.cli.numbers import seconds
from edge_emo.cli.refuse import refuse
from edge_emo.compile import TARGETS, Data, compile_package
from edge_emo.compile.compiler import TIMEOUT_S
from edge_emo.compile.targets import KINDS
from edge_emo.errors import ConfigError
from edge_emo.manifest import open_package, read_private_key
from edge_emo.runtime.choose import candidates
from edge_emo.runtime.probe import make_backend
from edge_emo.say import say

_CANDIDATE = {
    "target": "target",
    "kind": "candidate",
    "kb": "kB",
    "score": "score",
    "r": "r of dimensions",
    "agreement": "agreement",
    "calibration_error": "calibration error",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "cpu_ms": "CPU ms",
    "peak_mb": "peak MB",
    "in_float": "left in float",
    "verdict": "verdict",
}
HELP = "make a model package for a target out of a float model"
_OF_PACKAGES = (
    "--target --manifest --calibration --root --split --calibration-split --baseline-split --kind "
    "--out --key --timeout"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("model", help="package id or folder, or an .onnx file beside model.toml")
    parser.add_argument(
        "--target", action="append", choices=(*TARGETS, "all"), help="all when none is named"
    )
    parser.add_argument(
        "--manifest", metavar="FILE", help="labelled clips (.jsonl) or inputs (.npz) to judge by"
    )
    parser.add_argument(
        "--calibration", metavar="FILE", help="clips or inputs that ranges are taken from"
    )
    parser.add_argument("--root", metavar="DIR", help="what paths of clips are relative to")
    parser.add_argument("--split", metavar="NAME", help="judge by clips of this split only")
    parser.add_argument("--calibration-split", metavar="NAME", help="calibrate on these only")
    parser.add_argument("--baseline-split", metavar="NAME", help="clips of each speaker's rest")
    parser.add_argument(
        "--kind", action="append", choices=KINDS, help="try this candidate only; all when none"
    )
    parser.add_argument("--out", metavar="DIR", help="folder of packages that it goes into")
    parser.add_argument("--folder", action="append", default=[], help="more package folders")
    parser.add_argument("--key", metavar="FILE", help="private key that signs the package")
    parser.add_argument("--timeout", type=seconds, metavar="S", help=f"of each step: {TIMEOUT_S:g}")
    parser.add_argument(
        "--on-device",
        action="store_true",
        help="instead: build the TensorRT engines of a package for this device",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    with _clean_when_terminated():
        return _on_device(arguments) if arguments.on_device else _compile(arguments)


@contextlib.contextmanager
def _clean_when_terminated() -> Iterator[None]:
    """Let SIGTERM end what runs as Ctrl-C does, so that no process and no file stays behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _on_device(arguments: argparse.Namespace) -> int:
    """Build the engine of the file that TensorRT would run first."""
    refuse(arguments, _OF_PACKAGES, "with --on-device", "edge-emo compile MODEL --on-device")
    package = open_package(arguments.model, arguments.folder)
    backend = make_backend("tensorrt")
    backend.probe()
    first = candidates(package, backend="tensorrt", measured_ms={})[0]
    file = next(file for file in package.files if file.path == first.path)
    package.verify(file)
    path = backend.prepare(package, file, _progress)
    print(json.dumps({"engine": str(path)}) if arguments.json else path)
    return 0


def _compile(arguments: argparse.Namespace) -> int:
    named = arguments.target or ["all"]
    targets = list(TARGETS) if "all" in named else named
    if arguments.manifest is None or arguments.out is None:
        raise ConfigError(
            "compile takes what candidates are judged by, and a folder for the package",
            hint="edge-emo compile MODEL --manifest FILE --calibration FILE --out DIR",
        )
    root = Path(arguments.root) if arguments.root else None
    rest = arguments.baseline_split
    seen = arguments.calibration
    done = compile_package(
        arguments.model,
        targets,
        validation=Data(Path(arguments.manifest), root, arguments.split, rest),
        calibration=Data(Path(seen), root, arguments.calibration_split, rest) if seen else None,
        out=Path(arguments.out),
        kinds=arguments.kind or KINDS,
        folders=arguments.folder,
        key=read_private_key(arguments.key) if arguments.key else None,
        timeout_s=TIMEOUT_S if arguments.timeout is None else arguments.timeout,
        progress=_progress,
    )
    rows = [asdict(one) for one in done.figures]
    found = {"folder": str(done.folder), "candidates": rows}
    print(json.dumps(found) if arguments.json else table(rows))
    return 0


def table(figures: Sequence[Mapping[str, Any]], indent: str = "") -> str:
    """Return the candidates of a package, kept and rejected, as a table for people."""
    rows = [
        {
            **row,
            "kb": round(row["bytes"] / 1e3) if row.get("bytes") else None,
            "r": [f"{r:.3f}" for r in (row.get("correlations") or {}).values()],
            "verdict": row.get("reason") or "kept",
        }
        for row in figures
    ]
    return columns(_CANDIDATE, rows, indent)


def _progress(words: str) -> None:
    say(words)
