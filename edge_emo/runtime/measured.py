"""Inference times measured on this device, kept for the next start.

One JSON file in the user's cache folder holds a record for each model package. A record counts
only while its fingerprint does: processor, system, versions of the backends, and the package's
own files. It holds no signal and no estimate.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edge_emo.files import write_whole
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.cache import cpu_line, user_cache_dir
from edge_emo.version import __version__

_DISTRIBUTIONS = ("ai-edge-litert", "tflite-runtime", "onnxruntime", "openvino", "tensorrt")


@dataclass(frozen=True, slots=True)
class Timing:
    """One backend with one file and a number of threads, measured here.

    Attributes:
        backend: Name of the backend.
        path: The file's path in the package.
        precision: The file's precision.
        threads: Threads of one inference.
        p50_ms: Median time of one inference; 0 when there is a reason.
        p95_ms: 95th percentile.
        cpu_ms: Median processor time, of all threads: what else the machine does hardly touches
            it, so it compares files on a busy machine.
        load_ms: Time from nothing to the first answer.
        reason: Why it was not measured; empty when it was.
    """

    backend: str
    path: str
    precision: str
    threads: int
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    cpu_ms: float = 0.0
    load_ms: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What was measured of one package.

    Attributes:
        rows: Every candidate.
        note: What the system told of heat while it was measured; empty when nothing.
    """

    rows: tuple[Timing, ...]
    note: str = ""

    def fastest(self, threads: int | None = None) -> Timing | None:
        """Return the row with the least median, of a number of threads or of all."""
        rows = [r for r in self.rows if not r.reason and threads in (None, r.threads)]
        return min(rows, key=lambda row: row.p50_ms, default=None)


def fingerprint(package: ModelPackage) -> str:
    """Return what a record of this package depends on, as SHA-256."""
    facts = [__version__, platform.machine(), platform.release(), platform.python_version()]
    facts += [cpu_line("model name", "Model", "CPU part"), cpu_line("flags", "Features")]
    facts += [f"{name} {version}" for name, version in _versions().items()]
    facts += [f"{package.id} {package.version}", *(f.path + f.sha256 for f in package.files)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def read_record(package: ModelPackage, folder: Path | None = None) -> Record | None:
    """Return what was measured of a package on this machine as it is now.

    Args:
        package: The package.
        folder: Where records are kept; the user's cache folder when None.

    Returns:
        None when nothing was measured, or something that matters has changed since.
    """
    kept = _read(_file(folder)).get(package.id)
    if not isinstance(kept, dict) or kept.get("fingerprint") != fingerprint(package):
        return None
    try:
        return Record(tuple(map(_timing, kept["rows"])), str(kept["note"]))
    except (KeyError, TypeError):  # written by another version, or damaged
        return None


def write_record(package: ModelPackage, record: Record, folder: Path | None = None) -> bool:
    """Keep a record in place of the package's former one.

    Returns:
        False where there is no folder that can be written.
    """
    path = _file(folder)
    if path is None:
        return False
    rows = [dataclasses.asdict(row) for row in record.rows]
    entry = {"fingerprint": fingerprint(package), "note": record.note, "rows": rows}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            write_whole(path, json.dumps({**_read(path), package.id: entry}, indent=1).encode())
    except OSError:
        return False
    return True


def measured_ms(package: ModelPackage, threads: int = 1) -> Mapping[tuple[str, str], float]:
    """Return the median times of a package's candidates on this device, by backend and file."""
    record = read_record(package)
    rows: Sequence[Timing] = record.rows if record else ()
    return {
        (row.backend, row.path): row.p50_ms
        for row in rows
        if not row.reason and row.threads == threads
    }


def _timing(row: Mapping[str, Any]) -> Timing:
    timing = Timing(**row)
    for field in dataclasses.fields(timing):
        value = getattr(timing, field.name)
        kinds = (int, float) if field.type == "float" else (int,) if field.type == "int" else (str,)
        if type(value) not in kinds or value != value:  # NaN has no order
            raise TypeError(f"{field.name} = {value!r}")
    return timing


@cache
def _versions() -> Mapping[str, str]:
    from importlib import metadata  # slow to import, and needed only where a record is kept

    found = {}
    for name in _DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _file(folder: Path | None) -> Path | None:
    place = folder or user_cache_dir()
    return place / "measured.json" if place else None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from writing meanwhile; the system lets go of a lock with its holder."""
    import fcntl  # only where a record is kept

    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path | None) -> dict[str, Any]:
    """Return the file's content; a missing or damaged one holds nothing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
