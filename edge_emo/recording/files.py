"""Files that survive a crash up to their last flush, and reading what a crash left."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edge_emo.errors import RecordingError


class TruncatedError(RecordingError):
    """A file ends in the middle of something or was never begun, as after a crash.

    What came before is whole.
    """


class ContentError(RecordingError):
    """One item cannot be stored; the others can."""


class DurableFile:
    """A new file that is only appended to, and that its owner alone may read.

    Args:
        path: Where; must not exist.

    Raises:
        RecordingError: It exists or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._dirty = False
        try:
            self._file = _open_new(path)
        except OSError as error:
            raise write_error(path, error) from error

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises:
            RecordingError: They cannot be written.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise write_error(self.path, error) from error
        self.size_bytes += len(data)
        self._dirty = True

    def replace(self, offset: int, data: bytes) -> None:
        """Overwrite bytes at ``offset``, then go on at the end.

        Raises:
            RecordingError: They cannot be written.
        """
        try:
            self._file.seek(offset)
            self._file.write(data)
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise write_error(self.path, error) from error
        self._dirty = True

    def flush(self) -> None:
        """Put everything appended so far on the disk.

        Raises:
            RecordingError: It cannot be written.
        """
        if not self._dirty:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise write_error(self.path, error) from error
        self._dirty = False

    def close(self) -> None:
        """Close the file without forcing it to the disk; idempotent.

        Raises:
            RecordingError: What was left cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise write_error(self.path, error) from error


def _open_new(path: Path) -> BinaryIO:
    return open(path, "xb", opener=_owned)


def _owned(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def write_error(path: Path, error: OSError) -> RecordingError:
    """Return the error that says why ``path`` cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return RecordingError(
        f"{path} cannot be written: {error.strerror or error}",
        hint=f"{'free space on the disk, or ' if full else ''}record to another folder",
    )


def read_error(path: Path, error: OSError) -> RecordingError:
    """Return the error that says why ``path`` cannot be read: truncated if it does not exist."""
    missing = isinstance(error, FileNotFoundError)
    return (TruncatedError if missing else RecordingError)(
        f"{path} cannot be read: {error.strerror or error}",
        hint="copy the session folder again, with all of its files",
    )


def damage(path: Path, line: int, what: str) -> RecordingError:
    """Return the error that says which line of a file is damaged."""
    return RecordingError(
        f"{path}, line {line}: {what}",
        hint="everything before the damage can be read with repair=True",
    )


def cut(path: Path, what: str) -> TruncatedError:
    """Return the error that says that a file ends early."""
    return TruncatedError(
        f"{path} ends early: {what}",
        hint="everything before the end can be read with repair=True",
    )


def part(path: Path, file: BinaryIO, offset: int, count: int, what: str) -> bytes:
    """Return ``count`` bytes of an open file from ``offset``, neither below 0.

    Numbers that a damaged index makes up are an error before they cost any memory.

    Raises:
        TruncatedError: It holds fewer, and ``what`` is missing.
    """
    if offset + count > os.fstat(file.fileno()).st_size:
        raise cut(path, what)
    file.seek(offset)
    data = file.read(count)
    if len(data) < count:
        raise cut(path, what)
    return data


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line, without its end.

    Raises:
        TruncatedError: The last line has no end, or there is no file.
        RecordingError: It is no UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    raise cut(path, f"line {number} is cut")
                yield number, _text(path, number, line)
    except OSError as error:
        raise read_error(path, error) from error


def _text(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise damage(path, number, "not UTF-8") from None
