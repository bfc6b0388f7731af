"""Keeps the chatter of native sound libraries off standard error.

ALSA and JACK print a screen of harmless lines whenever PortAudio looks for devices, straight to
the process's standard error, where a program with JSON on stdout and logs on stderr cannot have
them.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

_NOISE = (
    b"ALSA lib ",
    b"Cannot connect to server",
    b"jack server",
    b"JackShm",
    b"Expression '",
    b"connect(2) call",
    b"attempt to connect",
    b"Cannot lock down",
)
_STDERR = 2
_REDIRECTED = threading.Lock()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what the process prints to standard error until the block ends.

    Then lines that are not the sound libraries' own are printed, so that what other threads
    logged meanwhile is late, not lost. Without a standard error, or a place to hold it (a full
    or read-only disk), nothing is held back.
    """
    with _REDIRECTED, ExitStack() as undo:
        with suppress(OSError):
            undo.enter_context(_held_back())
        yield


@contextmanager
def _held_back() -> Iterator[None]:
    with tempfile.TemporaryFile() as held:
        real = os.dup(_STDERR)
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(real, _STDERR)
            os.close(real)
            held.seek(0)
            with suppress(OSError):  # nobody reads it any more
                for line in held:
                    _pass_on(line)


def _pass_on(line: bytes) -> None:
    if line.strip() and not line.startswith(_NOISE):
        os.write(_STDERR, line)
