"""Sinks that write text: files are never overwritten, and ``-`` is stdout."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError
from edge_emo.sinks.base import Sink
from edge_emo.types import StreamInfo


class TextSink(Sink):
    """A sink that writes text; a subclass says what a state looks like.

    Args:
        target: Path of a file that does not exist yet, or ``-`` for stdout.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._file: TextIO | None = None
        self._made = False
        self.prints = target == "-"

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Create the file.

        Raises:
            ConfigError: The file exists or cannot be created.
        """
        self._file = open_text(self._target)
        self._made = not self.prints

    def close(self) -> None:
        """Close the file."""
        close_text(self._file)
        self._file = None

    def discard(self) -> None:
        """Close and remove the file, if it was made."""
        try:
            self.close()
        finally:
            if self._made:
                Path(self._target).unlink(missing_ok=True)

    def write(self, text: str) -> None:
        """Write and flush, so that a reader at the other end sees it at once."""
        if self._file is not None:
            self._file.write(text)
            self._file.flush()


def open_text(target: str) -> TextIO:
    """Open a new text file, or stdout for ``-``.

    Raises:
        ConfigError: It exists already or cannot be created.
    """
    if target == "-":
        begin_line(sys.stdout)
        return sys.stdout
    try:
        return open(target, "x", encoding="utf-8", newline="", opener=_at_the_end)
    except FileExistsError:
        raise ConfigError(
            f"{target} exists already", hint="choose another name; nothing is overwritten"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error}") from error


def begin_line(out: TextIO) -> None:
    """End the line that a full disk or a power cut left in the file that stdout goes to."""
    if _last_byte(out) not in (b"", b"\n"):
        out.write("\n")


def _last_byte(out: TextIO) -> bytes:
    """Return the last byte of the file behind a stream; nothing of what is none, or is empty."""
    with contextlib.suppress(OSError, ValueError):  # it has no number, or may not be read
        handle = out.fileno()
        if stat.S_ISREG(os.fstat(handle).st_mode):
            with Path(f"/proc/self/fd/{handle}").open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read()
    return b""


def _at_the_end(path: str, flags: int) -> int:
    """Open to append: a file that is emptied to make room goes on at its beginning."""
    return os.open(path, flags | os.O_APPEND, 0o666)


def close_text(file: TextIO | None) -> None:
    """Flush ``file``, and close it unless it is stdout."""
    if file is None or file.closed:
        return
    if file is sys.stdout:
        file.flush()
    else:
        file.close()  # flushes, and closes also when the disk is full
