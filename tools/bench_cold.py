"""Cold start: from nothing to the first inference of every default model, in fresh processes.

    python tools/bench_cold.py --backend litert
    python tools/bench_cold.py --backend openvino --runs 7

Each run is a process of its own. The time begins when Python has started and ends after the last
model's first inference; it holds all imports, the check of signatures and hashes, and loading.
The first run of OpenVINO compiles; the table tells it apart from those that find the cache.
Processor time, of all threads, is given too: other work on the machine hardly touches it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time


def main() -> None:
    """Run the processes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--backend", default="litert")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", action="store_true", help="do one run here")
    given = parser.parse_args()
    if given.once:
        print(json.dumps(measure(given.backend)))
        return
    with tempfile.TemporaryDirectory() as cache:
        rows = [_child(given.backend, cache) for _ in range(given.runs + 1)]
    first, rest = rows[0], rows[1:]
    print(f"{given.backend}, first start: {first['total_ms']:.0f} ms")
    totals = [row["total_ms"] for row in rest]
    print(f"later starts: median {statistics.median(totals):.0f} ms, least {min(totals):.0f} ms")
    busy = [row["cpu_ms"] for row in rest]
    print(f"processor time: median {statistics.median(busy):.0f} ms, least {min(busy):.0f} ms")
    for name in rest[0]["parts_ms"]:
        parts = [row["parts_ms"][name] for row in rest]
        print(f"  {name:<24} median {statistics.median(parts):6.1f} ms, least {min(parts):6.1f} ms")


def measure(backend: str) -> dict[str, object]:
    """Load every default package and run it once."""
    began = last = time.perf_counter()
    busy = time.process_time()
    import numpy as np

    from edge_emo.manifest import Signatures, list_packages
    from edge_emo.runtime.choose import load_model

    parts = {}
    packages = [package for package in list_packages() if package.default]
    last = _lap(parts, "imports and manifests", last)
    for package in packages:
        Signatures().check(package)
        model = load_model(package, backend=backend)
        model.run({spec.name: np.zeros(spec.shape, spec.dtype) for spec in package.inputs})
        last = _lap(parts, package.id, last)
    spent_ms = (time.process_time() - busy) * 1e3
    return {"total_ms": (last - began) * 1e3, "cpu_ms": spent_ms, "parts_ms": parts}


def _lap(parts: dict[str, float], name: str, since: float) -> float:
    now = time.perf_counter()
    parts[name] = (now - since) * 1e3
    return now


def _child(backend: str, cache: str) -> dict[str, object]:
    import os

    run = subprocess.run(
        [sys.executable, __file__, "--once", "--backend", backend],
        env={**os.environ, "XDG_CACHE_HOME": cache},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, object] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    main()
