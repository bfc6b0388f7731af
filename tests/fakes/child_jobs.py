"""Work that a child process may do wrong."""

from __future__ import annotations

import os
import signal
import sys

from edge_emo.errors import UnavailableError


def add(a: int, b: int) -> dict[str, int]:
    """Return the sum, after the noise that libraries make."""
    sys.stdout.write("noise on stdout\n")
    sys.stderr.write("noise on stderr\n")
    return {"sum": a + b}


def hang() -> dict[str, int]:
    """Never return."""
    signal.pause()
    return {}


def crash() -> dict[str, int]:
    """Die as native code does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def complain() -> dict[str, int]:
    """Raise one of our own errors."""
    raise UnavailableError("a tool is missing", hint="install it")


def stumble() -> dict[str, int]:
    """Raise another error."""
    raise ValueError("a number is odd")


def leave() -> dict[str, int]:
    """End without a word."""
    os._exit(3)
