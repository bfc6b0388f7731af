"""Which backends work on this machine, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_emo.errors import ConfigError, EdgeEmoError
from edge_emo.registry import BACKENDS
from edge_emo.runtime.base import Backend


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What a probe found.

    Attributes:
        name: The backend's name.
        version: What works here, in words; empty when it does not work.
        reason: Why it does not work; empty when it does.
        hint: The command that mends it; empty when it works.
        formats: File formats that it runs, best first; empty when its code does not load.
    """

    name: str
    version: str
    reason: str
    hint: str
    formats: tuple[str, ...]

    @property
    def works(self) -> bool:
        """True when a model can be loaded with it."""
        return not self.reason


def make_backend(name: str) -> Backend:
    """Return a backend by name; no vendor package is loaded yet.

    Raises:
        ConfigError: There is no such backend; the hint lists those that exist.
        UnavailableError: It is a plug-in whose code does not load.
    """
    backend: Backend = BACKENDS.load(name)()
    return backend


def probe_backend(name: str) -> BackendStatus:
    """Try one backend.

    Raises:
        ConfigError: There is no such backend.
    """
    formats: tuple[str, ...] = ()
    try:
        backend = make_backend(name)
        formats = backend.formats
        return BackendStatus(name, backend.probe(), "", "", formats)
    except ConfigError:
        raise
    except EdgeEmoError as error:
        return BackendStatus(name, "", error.message, error.hint, formats)


def probe_backends() -> Iterator[BackendStatus]:
    """Try every backend in the table; each loads its vendor package."""
    return map(probe_backend, BACKENDS.names())
