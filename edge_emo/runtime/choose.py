"""Choosing a backend and a file of a package, with the reason of every rejection.

A backend that the caller names is used or its error is raised: nothing else is tried. Without a
name the order is what was measured fastest here, then TensorRT where there is one, LiteRT, ONNX
Runtime, OpenVINO, then plug-ins; among the files for one backend, those compiled for its target
come first, then the order of the manifest. A damaged file, or one that is not the manifest's
model, always ends the choice: another file must not hide it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from edge_emo.errors import (
    ConfigError,
    ModelError,
    ModelIntegrityError,
    ModelMismatchError,
    NoBackendError,
    UnavailableError,
)
from edge_emo.manifest import TARGETS, ModelPackage
from edge_emo.registry import BACKENDS
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.measured import measured_ms as kept_ms
from edge_emo.runtime.probe import make_backend, probe_backend

logger = logging.getLogger(__name__)

MOST_THREADS = 256
"""More than any board has cores; LiteRT and ONNX Runtime do not survive very many."""

Measured = Mapping[tuple[str, str], float]
"""Median inference time in ms of (backend, path of the file), measured on this device."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One backend with one file.

    Attributes:
        backend: Name of the backend.
        path: The file's path in the package; empty when the backend reads none of them.
        precision: The file's precision.
        reason: Why it is rejected; empty when it is not.
        hint: What would mend that; may be empty.
        version: What of the backend works here; empty when unknown.
        measured_ms: Median inference time measured on this device, or None.
    """

    backend: str
    path: str = ""
    precision: str = ""
    reason: str = ""
    hint: str = ""
    version: str = ""
    measured_ms: float | None = None

    @property
    def accepted(self) -> bool:
        """True unless there is a reason against it."""
        return not self.reason

    def __str__(self) -> str:
        """Return backend, file and verdict in words."""
        file = f" {self.path}" if self.path else ""
        return f"{self.backend}{file}: {self.reason or 'works'}"


def load_model(
    package: ModelPackage,
    *,
    backend: str | None = None,
    threads: int = 1,
    precision: str | None = None,
    measured_ms: Measured | None = None,
) -> LoadedModel:
    """Load the best file of a package that runs here.

    Args:
        package: The package.
        backend: Name of the one backend to use; None to choose.
        threads: Threads that one inference may use.
        precision: The one precision to use; None for any.
        measured_ms: Median inference times measured on this device; the fastest comes first.
            None takes those that ``edge-emo bench --autotune`` has kept, if any.

    Raises:
        ConfigError: There is no backend of this name, or there are no such threads.
        UnavailableError: The named backend does not work here.
        ModelIntegrityError: The file is damaged.
        ModelMismatchError: The file is not the manifest's model.
        ModelError: The named backend cannot compile the file.
        NoBackendError: Nothing runs here; the message lists every candidate with its reason.
    """
    rejected: list[Candidate] = []
    known_ms = kept_ms(package, threads) if measured_ms is None else measured_ms
    for candidate in _ranked(package, backend, precision, known_ms):
        if candidate.accepted and backend is not None:
            make_backend(backend).probe()
            return load_candidate(package, candidate, threads)
        outcome = _try(package, candidate, threads)
        if isinstance(outcome, LoadedModel):
            return outcome
        rejected.append(outcome)
    raise _nothing_runs(package, rejected)


def candidates(
    package: ModelPackage,
    *,
    backend: str | None = None,
    precision: str | None = None,
    measured_ms: Measured | None = None,
) -> list[Candidate]:
    """Return every candidate in the order of preference, probed but not compiled.

    Args:
        package: The package.
        backend: Name of the one backend to consider; None for all.
        precision: The one precision to accept; None for any.
        measured_ms: Median inference times measured on this device; None takes those kept.

    Raises:
        ConfigError: There is no backend of this name.
    """
    known_ms = kept_ms(package) if measured_ms is None else measured_ms
    ranked = _ranked(package, backend, precision, known_ms)
    return [_checked(package, _probed(candidate)) for candidate in ranked]


def load_candidate(package: ModelPackage, candidate: Candidate, threads: int = 1) -> LoadedModel:
    """Load one file with one backend, and nothing else.

    Raises:
        ConfigError: There are no such threads.
        ModelIntegrityError: The file is damaged.
        ModelMismatchError: The file is not the manifest's model.
        ModelError: The backend cannot compile the file.
        UnavailableError: The backend does not work here.
    """
    if not 1 <= threads <= MOST_THREADS:
        raise ConfigError(
            f"a model cannot run on {threads} threads", hint=f"name 1 … {MOST_THREADS}"
        )
    file = next(file for file in package.files if file.path == candidate.path)
    package.verify(file)
    model = make_backend(candidate.backend).load(package, file, threads=threads)
    model.file = file
    return model


def explain(package: ModelPackage) -> list[dict[str, str]]:
    """Return rows for people: backend, file, precision, verdict, reason, hint.

    The verdict is ``chosen`` for what :func:`load_model` tries first, ``works`` or
    ``rejected`` for the others.
    """
    rows = []
    chosen = False
    for candidate in candidates(package):
        verdict = "rejected" if not candidate.accepted else "works" if chosen else "chosen"
        chosen = chosen or candidate.accepted
        rows.append(
            {
                "backend": candidate.backend,
                "version": candidate.version,
                "file": candidate.path,
                "precision": candidate.precision,
                "verdict": verdict,
                "reason": candidate.reason,
                "hint": candidate.hint,
                "measured": "" if candidate.measured_ms is None else f"{candidate.measured_ms} ms",
            }
        )
    return rows


def _ranked(
    package: ModelPackage, backend: str | None, precision: str | None, measured_ms: Measured
) -> Iterable[Candidate]:
    """Return every pair of backend and file; those that cannot fit carry their reason.

    Where nothing was measured, a backend's code is imported when its turn has come.
    """
    names = BACKENDS if backend is None else [backend]
    found = (one for name in names for one in _pairs(package, name, precision, measured_ms))
    if not measured_ms:
        return found
    return sorted(found, key=lambda one: math.inf if one.measured_ms is None else one.measured_ms)


def _pairs(
    package: ModelPackage, backend: str, precision: str | None, measured_ms: Measured
) -> Iterator[Candidate]:
    try:
        made = make_backend(backend)
    except UnavailableError as error:  # a plug-in that does not load is no reason to run nothing
        yield Candidate(backend, reason=error.message, hint=error.hint)
        return
    formats = made.formats
    files = [file for file in package.files if file.format in formats]
    if not files:
        have = ", ".join(sorted({file.format for file in package.files}))
        yield Candidate(backend, reason=f"reads {', '.join(formats)}; the package has {have}")
    order = (made.target, "", *TARGETS)
    for file in sorted(files, key=lambda f: (formats.index(f.format), order.index(f.target))):
        unwanted = precision is not None and file.precision != precision
        yield Candidate(
            backend,
            file.path,
            file.precision,
            reason=f"is {file.precision}, asked for {precision}" if unwanted else "",
            measured_ms=measured_ms.get((backend, file.path)),
        )


def _probed(candidate: Candidate) -> Candidate:
    if not candidate.accepted:
        return candidate
    status = probe_backend(candidate.backend)
    return replace(candidate, version=status.version, reason=status.reason, hint=status.hint)


def _checked(package: ModelPackage, candidate: Candidate) -> Candidate:
    if not candidate.accepted:
        return candidate
    try:
        package.verify(next(file for file in package.files if file.path == candidate.path))
    except ModelIntegrityError as error:
        return replace(candidate, reason=error.message, hint=error.hint)
    return candidate


def _try(package: ModelPackage, candidate: Candidate, threads: int) -> LoadedModel | Candidate:
    candidate = _probed(candidate)
    if not candidate.accepted:
        return candidate
    try:
        return load_candidate(package, candidate, threads)
    except (ModelIntegrityError, ModelMismatchError):
        raise
    except (ModelError, UnavailableError) as error:
        logger.warning("%s", error.message)
        return replace(candidate, reason=error.message, hint=error.hint)


def _nothing_runs(package: ModelPackage, rejected: list[Candidate]) -> NoBackendError:
    lines = "".join(f"\n  {candidate}" for candidate in rejected)
    hints = [candidate.hint for candidate in rejected if candidate.hint]
    return NoBackendError(
        f"no backend can run model package {package.id} here:{lines}",
        hint=hints[0] if hints else "see: edge-emo models",
    )
