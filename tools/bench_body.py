"""Measure how long a window of EEG, and of pulse and skin, takes on one thread, from a checkout.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tools/bench_body.py
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tools/bench_body.py --take

A session of chunks of 40 ms is run, and only full windows count. ``window`` is the chunk that
completes one: its features and the network, as a pipeline would choose it. ``stream`` is that and
all the chunks since the window before. Times are of the processor, so that other programs on the
machine count little; ``wall`` is by the clock. ``--take`` puts the rows into the packages'
``metrics.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from processor import processor

from edge_emo.clock import ManualClock
from edge_emo.drivers.virtual_signals import body_signals, brain_waves
from edge_emo.estimators.create import create_estimator
from edge_emo.types import Chunk, StreamInfo

ROOT = Path(__file__).resolve().parents[1]
EIGHT = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
NINETEEN = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T3", "C3", "Cz", "C4", "T4"),
    *("T5", "P3", "Pz", "P4", "T6", "O1", "O2"),
)
CHUNK_S = 0.04
SEED = 7
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=300, help="full windows of each row")
    parser.add_argument("--take", action="store_true", help="into models/*/metrics.json")
    given = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):
        parser.error(f"set {'=1 '.join(ONE_THREAD)}=1, or NumPy may use more threads")
    tables = {"eeg-load-small": eeg_rows(given.windows), "physio-stress-small": [physio_row(given)]}
    for name, rows in tables.items():
        print("\n".join(map(json.dumps, rows)))
        if given.take:
            take(ROOT / "models" / name, rows)


def eeg_rows(windows: int) -> list[dict[str, Any]]:
    """Return a row per headset: 10 s windows, one each second."""
    headsets = (("8 channels, 250 Hz", EIGHT, 250.0), ("19 channels, 128 Hz", NINETEEN, 128.0))
    rows = []
    for what, channels, rate_hz in headsets:
        data = brain_waves(SEED, round((windows + 12) * rate_hz), rate_hz, channels)
        info = StreamInfo("eeg", rate_hz, channels, "uv", "drawn")
        rows.append(row(f"EEG, {what}", info, data, 10))
    return rows


def physio_row(given: argparse.Namespace) -> dict[str, Any]:
    """Return the row of a wrist band: 120 s windows, one each 10 s."""
    rate_hz = 64.0
    data = body_signals(SEED, round((given.windows * 10 + 120) * rate_hz), rate_hz, 72.0, 4.0)
    info = StreamInfo("physio", rate_hz, ("bvp", "eda", "temp"), "physical", "drawn")
    return row("pulse, skin and temperature, 64 Hz", info, data, 120)


def row(what: str, info: StreamInfo, data: np.ndarray, length_s: int) -> dict[str, Any]:
    """Return the percentiles of what each full window took, in milliseconds."""
    window, stream, wall = np.array(list(timed(info, data, length_s))).T / 1e6
    return {
        "what": f"{what}, {length_s} s windows",
        "windows": len(window),
        "window_p50_ms": round(float(np.median(window)), 2),
        "window_p95_ms": round(float(np.percentile(window, 95)), 2),
        "stream_p50_ms": round(float(np.median(stream)), 2),
        "window_wall_p50_ms": round(float(np.median(wall)), 2),
        "window_wall_least_ms": round(float(wall.min()), 2),
        "machine": _machine(),
    }


def timed(info: StreamInfo, data: np.ndarray, length_s: int) -> Iterator[tuple[int, int, int]]:
    """Yield for each full window, in ns: the window, the stream since the last, and the wall."""
    estimator = create_estimator(info.kind, ManualClock())
    estimator.start(info)
    stream_ns = 0
    for chunk in chunks(info, data):
        began_ns, wall_began_ns = time.process_time_ns(), time.perf_counter_ns()
        made = [estimator.predict(one) for one in estimator.features(chunk)]
        took_ns = time.process_time_ns() - began_ns
        wall_ns = time.perf_counter_ns() - wall_began_ns
        stream_ns += took_ns
        if made and made[-1].duration_ns >= length_s * 1e9:
            yield took_ns, stream_ns, wall_ns
        stream_ns = 0 if made else stream_ns
    estimator.close()


def chunks(info: StreamInfo, data: np.ndarray) -> Iterator[Chunk]:
    """Cut a recording as a driver would."""
    size = max(1, round(CHUNK_S * info.rate_hz))
    for seq in range(0, len(data) - size + 1, size):
        t_ns = round(seq * 1e9 / info.rate_hz)
        yield Chunk(info.kind, seq, t_ns, info.rate_hz, data[seq : seq + size])


def take(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Put the rows into a package's ``metrics.json``."""
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    metrics["window_times"] = list(rows)
    path.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _machine() -> str:
    return f"{processor()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
