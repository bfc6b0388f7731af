"""Runs a session in real time and says where the time goes.

Everything is measured from inside the process that runs the session, except the import and the
first state, which are measured on fresh processes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo.config import Config, Streams
from edge_emo.errors import EdgeEmoError
from edge_emo.imaging import use_one_thread
from edge_emo.pipeline import Pipeline
from edge_emo.pipeline.trace import Measurements
from edge_emo.types import EmotionState

_ESTIMATION = ("features", "inference")


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a duration, in milliseconds."""

    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_s: float = 0.0

    @classmethod
    def of(cls, durations_ns: list[int], cpu_ns: int = 0) -> Spread:
        """Return the percentiles of durations given in nanoseconds; at least one."""
        p50, p95, p99 = np.percentile(np.asarray(durations_ns) / 1e6, [50, 95, 99])
        return cls(len(durations_ns), float(p50), float(p95), float(p99), cpu_ns / 1e9)


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What one run measured.

    Attributes:
        machine: Processor, cores and Python.
        streams: The streams in words.
        seconds: Length of the measured part, which begins at the first state.
        states: States published in it.
        latency: Originating time of the newest evidence to publication.
        stages: Wall time of each stage, and its processor time.
        cpu_percent: Processor time of the whole process, percent of one core.
        devices_percent: Of that, what the drivers took inside ``read``.
        estimation_percent: Of that, what features and inference took in the engine's thread.
        pipeline_percent: Of that, everything else: what the pipeline itself costs.
        peak_rss_mb: Largest resident memory of the process.
        drops: Samples dropped, by stream.
        import_ms: ``import edge_emo`` on a fresh process, median of five.
        first_state_s: Start of a fresh process to its first state, median of three; None when
            a recorded session was measured.
    """

    machine: str
    streams: dict[str, str]
    seconds: float
    states: int
    latency: Spread
    stages: dict[str, Spread]
    cpu_percent: float
    devices_percent: float
    estimation_percent: float
    pipeline_percent: float
    peak_rss_mb: float
    drops: dict[str, int]
    import_ms: float
    first_state_s: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return dataclasses.asdict(self)

    def table(self) -> str:
        """Return the report as text for people."""
        return "\n".join([*self._summary(), "", *self._rows()])

    def _summary(self) -> list[str]:
        first = "" if self.first_state_s is None else f", first state {self.first_state_s:.2f} s"
        return [
            f"machine   {self.machine}",
            *(f"stream    {name}: {words}" for name, words in self.streams.items()),
            f"run       {self.states} states in {self.seconds:.1f} s, drops {self.drops}",
            f"processor {self.cpu_percent:.1f} % of one core (drivers {self.devices_percent:.1f}, "
            f"features and inference {self.estimation_percent:.1f}, "
            f"the pipeline itself {self.pipeline_percent:.1f})",
            f"memory    {self.peak_rss_mb:.0f} MB resident at most",
            f"start     import {self.import_ms:.0f} ms{first}",
        ]

    def _rows(self) -> list[str]:
        rows = [f"{'stage':<24}{'n':>7}{'p50':>9}{'p95':>9}{'p99 ms':>9}{'cpu s':>9}"]
        spreads = {"latency": self.latency, **self.stages}
        rows += [
            f"{name:<24}{s.n:>7}{s.p50_ms:>9.2f}{s.p95_ms:>9.2f}{s.p99_ms:>9.2f}{s.cpu_s:>9.3f}"
            for name, s in spreads.items()
        ]
        return rows


def run_bench(
    streams: Streams, *, seconds: float, config: Config | None = None, demo: bool = True
) -> BenchReport:
    """Run the streams in real time and measure.

    Args:
        streams: Addresses; recorded sessions are played at their own pace.
        seconds: Length of the measured part.
        config: Models, fusion and rate.
        demo: Also time the first state of the demonstration on fresh processes.

    Raises:
        EdgeEmoError: A stream or a model cannot be used, or failed while it was measured.
    """
    use_one_thread()  # as edge-emo run does
    trace = Measurements()
    settings = dataclasses.replace(config or Config(), streams=streams, sinks=())
    with Pipeline(config=settings, trace=trace) as pipeline:
        measured = _measure(pipeline, seconds)
        names = {str(kind): info.device for kind, info in pipeline.streams.items()}
    for failure in pipeline.failures:
        raise failure
    return _report(trace, measured, names, demo=demo)


@dataclass(frozen=True, slots=True)
class _Measured:
    states: int
    seconds: float
    cpu_s: float
    device_s: float
    last: EmotionState


def _measure(pipeline: Pipeline, seconds: float) -> _Measured:
    states = iter(pipeline)
    first = last = next(states)
    wall, cpu, device = time.perf_counter(), time.process_time(), pipeline.device_cpu_ns
    for state in states:
        last = state
        if time.perf_counter() - wall >= seconds:
            break
    return _Measured(
        states=last.seq - first.seq,
        seconds=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
        device_s=(pipeline.device_cpu_ns - device) / 1e9,
        last=last,
    )


def _report(
    trace: Measurements, run: _Measured, names: dict[str, str], *, demo: bool
) -> BenchReport:
    stages = {
        name: Spread.of(durations, trace.cpu_ns.get(name, 0))
        for name, durations in sorted(trace.wall_ns.items())
        if name != "latency"
    }
    estimation_s = sum(s.cpu_s for name, s in stages.items() if name.endswith(_ESTIMATION))
    own_s = max(run.cpu_s - run.device_s - estimation_s, 0.0)
    return BenchReport(
        machine=_machine(),
        streams=names,
        seconds=run.seconds,
        states=run.states,
        latency=Spread.of(trace.wall_ns["latency"]),
        stages=stages,
        cpu_percent=100 * run.cpu_s / run.seconds,
        devices_percent=100 * run.device_s / run.seconds,
        estimation_percent=100 * estimation_s / run.seconds,
        pipeline_percent=100 * own_s / run.seconds,
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        drops={name: health.drops for name, health in run.last.health.items()},
        import_ms=_import_ms(),
        first_state_s=_first_state_s() if demo else None,
    )


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        rows = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        named = [row.partition(":")[2].strip() for row in rows if row.startswith("model name")]
        model = named[0] if named else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _import_ms() -> float:
    script = "import time; t = time.perf_counter(); import edge_emo; print(time.perf_counter() - t)"
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    return statistics.median(float(run.stdout) * 1000 for run in runs)


def _first_state_s() -> float:
    return statistics.median(_time_to_first_state() for _ in range(3))


def _time_to_first_state() -> float:
    command = [sys.executable, "-m", "edge_emo", "demo", "--states", "1", "--json"]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        elapsed = time.perf_counter() - started
        _, complaint = child.communicate()
    if not line:
        raise EdgeEmoError(f"the demonstration did not start: {complaint.decode()[-300:]}")
    json.loads(line)
    return elapsed
