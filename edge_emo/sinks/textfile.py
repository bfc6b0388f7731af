"""Text files that sinks write: never overwritten, and ``-`` is stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from edge_emo.errors import ConfigError


def open_text(target: str) -> TextIO:
    """Open a new text file, or stdout for ``-``.

    Raises:
        ConfigError: It exists already or cannot be created.
    """
    if target == "-":
        return sys.stdout
    try:
        return Path(target).open("x", encoding="utf-8", newline="")
    except FileExistsError:
        raise ConfigError(
            f"{target} exists already", hint="choose another name; nothing is overwritten"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error}") from error


def close_text(file: TextIO | None) -> None:
    """Flush ``file``, and close it unless it is stdout."""
    if file is None or file.closed:
        return
    file.flush()
    if file is not sys.stdout:
        file.close()
