"""Measure how long the face path takes on one thread, from a checkout.

    python tools/bench_face.py
    python tools/bench_face.py --folder DIR --model ID --detector ID --json bench_face.json

Three things are measured, each as percentiles over many runs: the detector on one 320×240 frame
and the expression network alone, for every file on every backend that works here; and the whole
path, a 640×480 frame in and a prediction out, on the files and backends that a pipeline chooses.
The frames are of the virtual camera, before which the sample portrait of matplotlib moves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from processor import processor

from edge_emo import imaging
from edge_emo.clock import ManualClock
from edge_emo.config import Faces
from edge_emo.demo import portrait
from edge_emo.drivers.virtual_scene import Scene
from edge_emo.errors import ModelError
from edge_emo.estimators.create import create_estimator
from edge_emo.estimators.face_finder import PackagedDetector
from edge_emo.manifest import ModelPackage, Signatures, find_detector, find_package
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import candidates, load_candidate
from edge_emo.types import Chunk, StreamInfo

Image = npt.NDArray[np.uint8]
WARM_UP = 20
DETECT_INTERVALS_S = (0.0, 0.3)
SEED = 7


@dataclass(frozen=True)
class Row:
    """One thing that was measured, in milliseconds."""

    what: str
    backend: str
    file: str
    n: int
    least_ms: float
    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, what: str, backend: str, file: str, runs_ns: Sequence[int]) -> Row:
        """Return the percentiles of durations."""
        spread = np.percentile(np.asarray(runs_ns) / 1e6, [0, 50, 95]).round(3).tolist()
        return cls(what, backend, file, len(runs_ns), *spread)

    def __str__(self) -> str:
        """Return a line of the table."""
        names = f"{self.what:<48}{self.backend:<10}{self.file:<28}"
        times = f"{self.least_ms:>9.3f}{self.p50_ms:>9.3f}{self.p95_ms:>9.3f}"
        return f"{names}{self.n:>6}{times}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="face", help="package id; the default face package")
    parser.add_argument("--detector", help="package id; the default detector")
    parser.add_argument("--folder", action="append", default=[], help="more package folders")
    parser.add_argument("--runs", type=int, default=400, help="runs of each thing")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    given = parser.parse_args()
    imaging.use_one_thread()
    rows = list(measure(given.model, given.detector, given.folder, given.runs))
    print(f"{_machine()}, one thread")
    print(f"{'what':<48}{'backend':<10}{'file':<28}{'n':>6}{'least':>9}{'p50':>9}{'p95 ms':>9}")
    print("\n".join(map(str, rows)))
    if given.json:
        report = {"machine": _machine(), "threads": 1, "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measure(model: str, detector: str | None, folders: list[str], runs: int) -> Iterator[Row]:
    """Yield the rows of the table."""
    found = find_detector(detector, "face", folders)
    if found is not None:
        yield from detector_rows(found, runs)
    yield from network_rows(find_package(model, folders), runs)
    if found is not None:
        for interval_s in DETECT_INTERVALS_S:
            yield from path_rows(model, detector, folders, runs, interval_s)


def detector_rows(package: ModelPackage, runs: int) -> Iterator[Row]:
    """Yield a row for each file of a detector: a 320×240 frame in, faces out."""
    shots = frames((320, 240))
    for backend, file, loaded in _loaded(package):
        finder = PackagedDetector(package, loaded)
        yield Row.of("detector 320×240", backend, file, timed(finder.detect, shots, runs))
        finder.close()


def network_rows(package: ModelPackage, runs: int) -> Iterator[Row]:
    """Yield a row for each file of an expression package: the network alone."""
    rng = np.random.default_rng(SEED)
    inputs = {t.name: rng.standard_normal(t.shape).astype(t.dtype) for t in package.inputs}
    for backend, file, loaded in _loaded(package):
        yield Row.of("expression network", backend, file, timed(loaded.run, [inputs], runs))
        loaded.close()


def path_rows(
    model: str, detector: str | None, folders: list[str], runs: int, interval_s: float
) -> Iterator[Row]:
    """Yield rows for a 640×480 frame in, prediction out, and for its parts."""
    faces = Faces(detect_interval_s=interval_s)
    estimator = create_estimator(
        model,
        ManualClock(),
        extra_dirs=folders,
        signatures=Signatures("off"),
        face_detector=detector,
        faces=faces,
    )
    estimator.start(StreamInfo("camera", 10.0, (), "rgb8", "frames"))
    rarely = f", detecting every {interval_s} s" if interval_s else ""
    whole, seen = f"640×480 to prediction{rarely}", "  of which until the network"
    parts: dict[str, list[int]] = {whole: [], seen: []}
    answered = 0
    for number, image in zip(range(runs + WARM_UP), _endless(frames((640, 480))), strict=False):
        chunk = Chunk("camera", number, number * 100_000_000, 10.0, image)
        began_ns = time.perf_counter_ns()
        ready = estimator.features(chunk)
        seen_ns = time.perf_counter_ns()
        made = [estimator.predict(one) for one in ready]
        parts[whole].append(time.perf_counter_ns() - began_ns)
        parts[seen].append(seen_ns - began_ns)
        answered += sum(one.posterior is not None for one in made)
    estimator.close()
    for what, runs_ns in parts.items():
        yield Row.of(what, "chosen", "chosen", runs_ns[WARM_UP:])
    print(f"{whole}: {answered} of {runs + WARM_UP} frames were answered", file=sys.stderr)


def frames(size_px: tuple[int, int], count: int = 40) -> list[Image]:
    """Return frames of the virtual camera."""
    scene = Scene(SEED, size_px, portrait(), numbered=False)
    return [scene.frame(number, number / 5) for number in range(count)]


def timed(run: Callable[[Any], object], inputs: Sequence[Any], runs: int) -> list[int]:
    """Return how long each run took, in nanoseconds, inputs by turns."""
    spent_ns = []
    for _, given in zip(range(runs + WARM_UP), _endless(inputs), strict=False):
        began_ns = time.perf_counter_ns()
        run(given)
        spent_ns.append(time.perf_counter_ns() - began_ns)
    return spent_ns[WARM_UP:]


def _endless(items: Sequence[Any]) -> Iterator[Any]:
    while True:
        yield from items


def _loaded(package: ModelPackage) -> Iterator[tuple[str, str, LoadedModel]]:
    """Yield each file on each backend; what cannot be loaded is told."""
    for one in candidates(package):
        try:
            if one.accepted:
                yield one.backend, one.path, load_candidate(package, one)
        except ModelError as error:
            print(f"{package.id}: {error}", file=sys.stderr)


def _machine() -> str:
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
