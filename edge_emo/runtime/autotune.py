"""Measuring every candidate of a package on this device: backends, files, threads.

Nothing is assumed: int8 is slower than float32 on several boards, and more threads often cost
more than they give. All candidates are timed by turns, so that what else the machine does hits
all alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ModelError, UnavailableError
from edge_emo.manifest import ModelPackage, TensorSpec
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.runtime.choose import Candidate, candidates, load_candidate
from edge_emo.runtime.measured import Record, Timing

THREADS = (1, 2, 4)
_WARM_RUNS = 8
_SERIES, _SERIES_S = 12, 0.03
_HOT_C = 80.0

Progress = Callable[[int, int], None]
"""Called with the number of series done and their total."""


def autotune(
    package: ModelPackage,
    *,
    threads: Sequence[int] = THREADS,
    backend: str | None = None,
    system: Path = Path("/sys"),
    progress: Progress | None = None,
) -> Record:
    """Measure a package's candidates.

    Args:
        package: The package.
        threads: Numbers of threads to try; those above the number of cores are passed over.
        backend: Name of the one backend to measure; None for all.
        system: Root of the system's own files on heat.
        progress: Told of every series done.

    Returns:
        A row for each candidate; those that do not run, of which the file is damaged or is not
        the manifest's model too, with their reason.

    Raises:
        ConfigError: There is no backend of this name.
        ModelError: A candidate that ran once does not run again.
    """
    inputs = _inputs(package)
    cores = os.cpu_count() or 1
    counts = [count for count in threads if count <= cores] or [1]
    rows: list[Timing] = []
    running: list[tuple[Timing, LoadedModel]] = []
    throttles = _throttles(system)
    try:
        for candidate in candidates(package, backend=backend, measured_ms={}):
            for count in counts:
                begun = _begin(package, candidate, count, inputs)
                if isinstance(begun, Timing):
                    rows.append(begun)
                    break  # more threads would fail the same way
                running.append(begun)
        rows += _timed(running, inputs, progress)
    finally:
        for _, model in running:
            model.close()
    return Record(tuple(rows), _heat_note(system, throttles))


def _begin(
    package: ModelPackage, candidate: Candidate, threads: int, inputs: Tensors
) -> tuple[Timing, LoadedModel] | Timing:
    """Load a candidate and run it once; or return why that fails."""
    row = Timing(
        candidate.backend, candidate.path, candidate.precision, threads, reason=candidate.reason
    )
    if row.reason:
        return row
    began_ns = time.perf_counter_ns()
    try:
        model = load_candidate(package, candidate, threads)
    except (ModelError, UnavailableError) as error:
        return replace(row, reason=error.message)
    try:
        model.run(inputs)
    except ModelError as error:
        model.close()
        return replace(row, reason=error.message)
    return replace(row, load_ms=round((time.perf_counter_ns() - began_ns) / 1e6, 3)), model


def _timed(
    running: Sequence[tuple[Timing, LoadedModel]], inputs: Tensors, progress: Progress | None
) -> list[Timing]:
    for _, model in running:
        for _ in range(_WARM_RUNS):
            model.run(inputs)
    times: list[list[_Series]] = [[] for _ in running]
    for turn in range(_SERIES):
        for k, (_, model) in enumerate(running):
            times[k].append(_series(model, inputs))
            if progress is not None:
                progress(turn * len(running) + k + 1, _SERIES * len(running))
    return [_summary(row, taken) for (row, _), taken in zip(running, times, strict=True)]


@dataclass(frozen=True, slots=True)
class _Series:
    """A short series: the milliseconds of each run, and processor time of one, on average."""

    wall_ms: list[float]
    cpu_ms: float


def _series(model: LoadedModel, inputs: Tensors) -> _Series:
    taken: list[float] = []
    cpu_ns, began_ns = time.process_time_ns(), time.perf_counter_ns()
    now_ns = began_ns
    while now_ns - began_ns < _SERIES_S * 1e9 or not taken:
        model.run(inputs)
        before_ns, now_ns = now_ns, time.perf_counter_ns()
        taken.append((now_ns - before_ns) / 1e6)
    return _Series(taken, (time.process_time_ns() - cpu_ns) / 1e6 / len(taken))


def _summary(row: Timing, series: Sequence[_Series]) -> Timing:
    p50, p95 = np.percentile(np.concatenate([one.wall_ms for one in series]), [50, 95])
    cpu = float(np.median([one.cpu_ms for one in series]))
    return replace(
        row, p50_ms=round(float(p50), 4), p95_ms=round(float(p95), 4), cpu_ms=round(cpu, 4)
    )


def _inputs(package: ModelPackage) -> dict[str, npt.NDArray[np.generic]]:
    rng = np.random.default_rng(0)
    return {spec.name: _input(spec, rng) for spec in package.inputs}


def _input(spec: TensorSpec, rng: np.random.Generator) -> npt.NDArray[np.generic]:
    """Return numbers a network may read: small ones where they may count rows of a table."""
    if spec.dtype.startswith("float"):
        return rng.standard_normal(spec.shape).astype(spec.dtype)
    return rng.integers(0, 2, spec.shape).astype(spec.dtype)


def _throttles(system: Path) -> int:
    """Return how often the processor slowed down for heat so far, where that is counted."""
    counters = system.glob("devices/system/cpu/cpu*/thermal_throttle/core_throttle_count")
    return sum(_number(path) for path in counters)


def _heat_note(system: Path, throttles_before: int) -> str:
    slowed = _throttles(system) - throttles_before
    if slowed > 0:
        return f"the processor slowed down for heat {slowed} times while it was measured"
    hottest = max((_number(p) for p in system.glob("class/thermal/*/temp")), default=0) / 1000
    return f"the system was at {hottest:.0f} °C when it was measured" if hottest > _HOT_C else ""


def _number(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # a zone that is off gives an error when it is read
        return 0
