"""Lines of text from standard input, a named pipe or a file."""

from __future__ import annotations

import os
import select
import stat
import threading
import unicodedata
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.pacing import wait_until_due
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.types import Chunk, Kind, StreamInfo

MAX_LINE_BYTES = 65536
"""A longer line is delivered in pieces of this length, or some bytes less to keep letters whole."""

_LETTER_BYTES = 4
_STDIN = 0
_SURROGATES = range(0xDC80, 0xDD00)


class TextLines(Driver):
    """Delivers each line that is not empty: ``text:-`` (standard input), ``text:chat.txt``.

    A line is stamped when it is read. Control characters are taken out; bytes that are not
    UTF-8 become U+FFFD and are counted in :attr:`replaced_bytes`.

    Args:
        target: Path of a file or a named pipe; ``-`` or nothing for standard input.
        interval_s: For a file only: time between its lines, the first at session time of
            ``open``. 0 delivers them as fast as they are read.

    Raises:
        ConfigError: ``interval_s`` is negative.
    """

    kind: ClassVar[Kind] = "text"

    def __init__(self, target: str = "-", *, interval_s: float = 0.0) -> None:
        if not 0.0 <= interval_s < float("inf"):
            raise ConfigError(f"text:?interval_s = {interval_s:g} is negative or not finite")
        self._target = target or "-"
        self._interval_ns = round(interval_s * 1e9)
        self._lock = threading.Lock()
        self._closing = threading.Lock()
        self._stop = threading.Event()
        self._source: _Source | None = None
        self.replaced_bytes = 0

    def open(self, clock: Clock) -> StreamInfo:
        """Open the file or standard input; see :meth:`Driver.open`."""
        self.close()
        self._clock, self._start_ns = clock, clock.now_ns()
        self._seq = self.replaced_bytes = 0
        self._stop = threading.Event()
        self._pending: deque[str] = deque()
        source = self._source = _Source(self._target)
        if self._interval_ns and not source.regular:
            self.close()
            raise ConfigError("text:?interval_s paces the lines of a file, not a live source")
        return StreamInfo("text", 0.0, (), "text", source.words, live=not source.regular)

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next line; see :meth:`Driver.read`."""
        line = self._next_line(timeout_s)
        if line is None:
            return None
        chunk = Chunk("text", self._seq, self._stamp(timeout_s), 0.0, line)
        self._seq += 1
        self._pending.popleft()
        return chunk

    def close(self) -> None:
        """Stop reading; a waiting ``read`` ends with ClosedError. Standard input stays open."""
        self._stop.set()
        with self._closing:
            if self._source:
                self._source.interrupt()
                with self._lock:
                    self._source.close()
                    self._source = None

    def _next_line(self, timeout_s: float) -> str | None:
        """Return the first line that waits, without taking it; None at the end."""
        with self._lock:
            source = self._source
            if source is None:
                raise ClosedError(f"text:{self._target} is not open")
            while not self._pending:
                raw = source.read_line(timeout_s)
                if self._stop.is_set():
                    raise ClosedError(f"text:{self._target} was closed")
                if raw is None:
                    return None
                self._accept(raw)
            return self._pending[0]

    def _accept(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "surrogateescape")
        self.replaced_bytes += sum(ord(letter) in _SURROGATES for letter in text)
        line = clean(text)
        if line:
            self._pending.append(line)

    def _stamp(self, timeout_s: float) -> int:
        if not self._interval_ns:
            return self._clock.now_ns()
        due_ns = self._start_ns + self._seq * self._interval_ns
        wait_until_due(self._clock, due_ns, timeout_s, self._stop, f"text:{self._target}")
        return due_ns


def clean(text: str) -> str:
    """Take out control characters, replace what is no character, strip the ends.

    Tabs and line breaks become spaces, so that words stay apart.
    """
    return "".join(map(_clean_letter, text)).strip("\ufeff \u00a0")


def _clean_letter(letter: str) -> str:
    if letter in "\t\n\r\v\f":
        return " "
    category = unicodedata.category(letter)
    if category == "Cs":
        return "\ufffd"
    return "" if category == "Cc" else letter


class _Source:
    """A file descriptor read in lines, with a wait that another thread can interrupt."""

    def __init__(self, target: str) -> None:
        self._descriptor = _open(target)
        with ExitStack() as undo:
            undo.callback(os.close, self._descriptor)
            self._wake_read, self._wake_write = os.pipe()
            undo.pop_all()
        self._buffer = bytearray()
        self._ended = False
        self.regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self.words = "standard input" if target == "-" else target

    def interrupt(self) -> None:
        """Wake the thread that waits in :meth:`read_line`."""
        os.write(self._wake_write, b"!")

    def read_line(self, timeout_s: float) -> bytes | None:
        """Return a line without its end, or None after the last one; empty when interrupted.

        Raises:
            DeviceTimeoutError: No line was complete in time.
        """
        while not self._ended:
            end = self._buffer.find(b"\n")
            if end >= 0 or len(self._buffer) > MAX_LINE_BYTES:
                return self._cut(end)
            if not self._fill(timeout_s):
                return b""
        return self._cut(self._buffer.find(b"\n")) if self._buffer else None

    def close(self) -> None:
        """Close everything but standard input."""
        for descriptor in (self._wake_read, self._wake_write, self._descriptor):
            os.close(descriptor)

    def _cut(self, end: int) -> bytes:
        """Take the line that ends at ``end``; what there is when no end was found."""
        length = end if end >= 0 else len(self._buffer)
        if length > MAX_LINE_BYTES:
            length = self._boundary(MAX_LINE_BYTES)
        line = bytes(self._buffer[:length])
        del self._buffer[: length + (length == end)]
        return line

    def _boundary(self, length: int) -> int:
        """Return the last place up to ``length`` where a letter begins, as far as bytes tell."""
        near = range(length, length - _LETTER_BYTES, -1)
        return next((i for i in near if self._buffer[i] & 0xC0 != 0x80), length)

    def _fill(self, timeout_s: float) -> bool:
        """Wait for bytes; False when interrupted."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        ready = dict(poll.poll(max(0.0, timeout_s * 1000)))
        if self._wake_read in ready:
            return False
        if not ready:
            raise DeviceTimeoutError(f"no line from {self.words} within {timeout_s:g} s")
        data = os.read(self._descriptor, MAX_LINE_BYTES)
        self._buffer += data
        self._ended = not data
        return True


def _open(target: str) -> int:
    hint = "write text:- for standard input, or text:PATH"
    try:
        if target == "-":
            return os.dup(_STDIN)
        # Without O_NONBLOCK, opening a named pipe waits for its writer.
        descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise DeviceNotFoundError(f"text:{target}: {error.strerror}", hint=hint) from error
    if Path(target).is_dir():
        os.close(descriptor)
        raise ConfigError(f"{target} is a folder", hint=hint)
    return descriptor
