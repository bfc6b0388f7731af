"""Words for people on stderr, which may lead nowhere."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def say(text: str) -> None:
    """Print a line on stderr; where nobody can read it, the exit status is what still tells."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is for people
    except OSError:  # its reader left, or its disk is full
        leave(sys.stderr)


def leave(stream: TextIO) -> None:
    """Write to nowhere from now on: the interpreter flushes again when it exits."""
    handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, stream.fileno())
    os.close(handle)
