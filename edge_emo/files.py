"""Writing files that others read, and reading those that others wrote."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write beside and rename: a full disk or a power cut leaves the former file, never half a one.

    Args:
        path: Where; an existing file is replaced.
        content: All of it.
        mode: Who may read and write it; its own user alone unless said otherwise.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    import tempfile  # programs that only read do without it

    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    part = Path(name)
    with contextlib.ExitStack() as undo:
        undo.callback(part.unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)  # else a power cut leaves the new name with nothing behind it
        part.chmod(mode)
        part.replace(path)
        undo.pop_all()


def is_file(path: Path) -> bool:
    """Tell whether a file is there; one that cannot even be asked for is not."""
    try:
        return path.is_file()
    except OSError:  # the name is too long, or a folder may not be entered
        return False


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read; a pipe, a device or a folder is an error and nothing to wait for.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    return open(path, "rb", opener=_regular)


def read_regular(path: Path) -> bytes:
    """Return what a file holds; see :func:`open_regular`."""
    with open_regular(path) as file:
        return file.read()


def _regular(path: str, flags: int) -> int:
    handle = os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer opens at once
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "not a regular file", path)
