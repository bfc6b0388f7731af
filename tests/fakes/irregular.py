"""What may lie where a file is expected."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Make = Callable[[Path], None]


def pipe(path: Path) -> None:
    """Make a named pipe to which nobody writes."""
    os.mkfifo(path)


def folder(path: Path) -> None:
    """Make an empty folder."""
    path.mkdir()


def device(path: Path) -> None:
    """Make a link to a device that never ends."""
    path.symlink_to("/dev/zero")


IRREGULAR: tuple[Make, ...] = (pipe, folder, device)
