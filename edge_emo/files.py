"""Writing files that others read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write beside and rename: nobody reads half a file, and a full disk leaves the former one.

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
        part.chmod(mode)
        part.replace(path)
        undo.pop_all()
