"""What this machine's own findings are kept under, and what tells one machine from another."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import stat
from pathlib import Path

from edge_emo.files import open_regular, write_whole

logger = logging.getLogger(__name__)

_MARK_BYTES = 32
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


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
        None when it is not there, cannot be read, or is a file of another user, or one that others
        may write, who may have put anything into it.
    """
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            return file.read() if _is_own(status) and not status.st_mode & _OTHERS_WRITE else None
    except OSError:
        return None


def read_kept(path: Path) -> bytes | None:
    """Return what :func:`write_kept` wrote to a file.

    Returns:
        None as of :func:`read_own`, and, which is logged, when the file is damaged or was written
        under another name.
    """
    found = read_own(path)
    if found is None:
        return None
    mark, content = found[:_MARK_BYTES], found[_MARK_BYTES:]
    if mark == _mark(path, content):
        return content
    logger.warning("%s is damaged and is made again", path)
    return None


def write_kept(path: Path, content: bytes) -> None:
    """Keep content in a file of this user's own folder, behind the SHA-256 of name and content.

    Raises:
        OSError: It cannot be written.
    """
    write_whole(path, _mark(path, content) + content)


def is_own_folder(path: Path) -> bool:
    """Tell whether a folder is this user's, or root's, and can be written."""
    return _is_own(path.stat()) and os.access(path, os.W_OK)


def _mark(path: Path, content: bytes) -> bytes:
    digest = hashlib.sha256(path.name.encode())
    digest.update(content)
    return digest.digest()


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())


def cpu_line(*keys: str) -> str:
    """Return the first line of /proc/cpuinfo that begins with one of the keys."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(keys)), "")
