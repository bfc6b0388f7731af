"""The wheels that a 64-bit Arm board installs: locked by SHA-256, unpacked on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).resolve().parent / "requirements.txt"
EXTRAS = "rpi,onnx,openvino,demo"
PYTHON = "3.11"
"""Python of Debian 12, and so of Raspberry Pi OS 12."""
GLIBC_MINORS = range(17, 37)
"""Debian 12 has glibc 2.36."""

_HEAD = """\
# Wheels for CPython {python} on aarch64: edge-emo[{extras}] as pip resolves it.
# Renew with: python -m tools.vm lock
"""


def build_wheel(folder: Path) -> Path:
    """Build the wheel of edge_emo from this checkout; return its path."""
    pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    return next(folder.glob("edge_emo-*.whl"))


def install_wheel(wheel: Path, site: Path) -> None:
    """Unpack the wheel of edge_emo into a folder for the board's Python."""
    pip("install", "--no-deps", *for_the_board(site), wheel)


def install_locked(site: Path) -> None:
    """Unpack what it needs; pip refuses a file whose SHA-256 is not the locked one."""
    pip("install", "--no-deps", "--require-hashes", *for_the_board(site), "-r", LOCK)


def lock() -> None:
    """Resolve the needs of the wheel for the board and write them with their SHA-256."""
    with tempfile.TemporaryDirectory() as name:
        wheel = build_wheel(Path(name))
        report = Path(name) / "report.json"
        pip("install", "--dry-run", "--report", report, *for_the_board(Path(name) / "site"),
             f"{wheel}[{EXTRAS}]")  # fmt: skip
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    rows = sorted(_row(item) for item in found if item["metadata"]["name"] != "edge-emo")
    head = _HEAD.format(python=PYTHON, extras=EXTRAS)
    LOCK.write_text(head + "".join(rows), encoding="utf-8")


def _row(item: dict[str, Any]) -> str:
    name, version = item["metadata"]["name"], item["metadata"]["version"]
    digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{name}=={version} --hash=sha256:{digest}\n"


def for_the_board(site: Path) -> list[object]:
    """Return pip's options that unpack wheels of the board into a folder."""
    names = [f"manylinux_2_{minor}_aarch64" for minor in GLIBC_MINORS]
    platforms = [
        word for name in (*names, "manylinux2014_aarch64", "any") for word in ("--platform", name)
    ]
    return ["--target", site, "--implementation", "cp", "--python-version", PYTHON,
            "--only-binary=:all:", *platforms]  # fmt: skip


def pip(*arguments: object) -> None:
    """Run pip; only errors are printed."""
    words = [str(word) for word in arguments]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True)
