"""Cold start: from nothing to the first inference of every default model, in fresh processes.

    python tools/bench_cold.py --backend litert
    python tools/bench_cold.py --backend openvino --runs 9 --beside ../other-checkout

Each run is a process of its own, which imports nothing before its time begins. The time ends after
the last model's first inference; it holds all imports, the check of signatures and hashes, and
loading. What Python itself takes to start is told apart. The modules are compiled to bytecode
first, as pip does when it installs. A first run fills the caches of the system and of OpenVINO and
is told apart too. Processor time is of the whole process and all its threads: other work on the
machine touches it less. ``--beside`` measures another checkout by turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the processes and print a table for each checkout."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--backend", default="litert", help="a name, or auto")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--beside", type=Path, help="another checkout")
    given = parser.parse_args()
    roots = [ROOT] if given.beside is None else [given.beside.resolve(), ROOT]
    for root in roots:
        subprocess.run([sys.executable, "-m", "compileall", "-q", root / "edge_emo"], check=True)
    with tempfile.TemporaryDirectory() as name:
        pairs = list(zip(roots, caches(roots, Path(name)), strict=True))
        turns = range(given.runs + 1)
        rows = [[_start(given.backend, root, place) for root, place in pairs] for _ in turns]
    for root, found in zip(roots, zip(*rows, strict=True), strict=True):
        print(f"\n{given.backend}, {root}")
        _print(found[0], found[1:])


def caches(roots: Sequence[Path], folder: Path) -> list[Path]:
    """Return a folder of caches for each checkout, whatever their names."""
    return [folder / str(number) for number in range(len(roots))]


def _print(first: dict[str, Any], rest: tuple[dict[str, Any], ...]) -> None:
    print(f"  {'first start':<24} {first['total_ms']:8.1f} ms")
    _line("later starts", (row["total_ms"] for row in rest))
    _line("processor time", (row["cpu_ms"] for row in rest))
    for name in rest[0]["parts_ms"]:
        _line(f"  {name}", (row["parts_ms"][name] for row in rest))


def _line(name: str, values: Iterable[float]) -> None:
    times = list(values)
    print(f"  {name:<24} {statistics.median(times):8.1f} ms, least {min(times):6.1f} ms")


def _start(backend: str, root: Path, cache: Path) -> dict[str, Any]:
    """Return what one fresh process found."""
    run = subprocess.run(
        [sys.executable, ROOT / "tools/cold_once.py", backend, str(time.monotonic())],
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    main()
