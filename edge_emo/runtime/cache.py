"""What this machine's own findings are kept under, and what tells one machine from another."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def user_cache_dir() -> Path | None:
    """Return the user's cache folder of this project; None where a user has no home."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    except RuntimeError:  # a container's user without a home
        return None
    return Path(base) / "edge-emo"


def cpu_line(*keys: str) -> str:
    """Return the first line of /proc/cpuinfo that begins with one of the keys."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(keys)), "")
