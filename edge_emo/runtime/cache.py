"""What this machine's own findings are kept under, and what tells one machine from another."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def user_cache_dir() -> Path | None:
    """Return the user's cache folder of this project; None where a user has no home."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the XDG specification has relative ones ignored
        try:
            base = Path.home() / ".cache"
        except RuntimeError:  # a container's user without a home
            return None
    return base / "edge-emo"


def read_own(path: Path) -> bytes | None:
    """Return what this user, or root, has kept in a file.

    Returns:
        None when it is not there, cannot be read, or is another user's, who may have put anything
        into it.
    """
    try:
        with path.open("rb") as file:
            return file.read() if _is_own(os.fstat(file.fileno())) else None
    except OSError:
        return None


def is_own_folder(path: Path) -> bool:
    """Tell whether a folder is this user's, or root's, and can be written."""
    return _is_own(path.stat()) and os.access(path, os.W_OK)


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())


def cpu_line(*keys: str) -> str:
    """Return the first line of /proc/cpuinfo that begins with one of the keys."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(keys)), "")
