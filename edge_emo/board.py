"""Which board this is, and so which target's files are made for it.

Boards with a device tree (Raspberry Pi, Jetson, most Arm boards) name themselves there; PCs do
in the tables of their firmware.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Target = Literal["rpi", "openvino", "jetson"]
"""What model packages are compiled for."""

_UNNAMED = "unnamed machine"


@dataclass(frozen=True, slots=True)
class Board:
    """One machine, as its firmware describes it.

    Attributes:
        model: Its name, such as ``Raspberry Pi 5 Model B Rev 1.0``.
        chip: Vendor and name of the system on chip, such as ``brcm,bcm2712``; empty on a PC.
        target: What its model files are compiled for: ``jetson`` and ``openvino`` where a
            Jetson or an x86-64 processor is; else ``rpi``, which any Arm board runs.
    """

    model: str
    chip: str
    target: Target

    def __str__(self) -> str:
        """Return model, chip and target in words."""
        chip = f" ({self.chip})" if self.chip else ""
        return f"{self.model}{chip}, target {self.target}"


def read_board(root: Path = Path("/"), machine: str | None = None) -> Board:
    """Return the board that this is.

    Args:
        root: Where the system's own files lie.
        machine: The processor's architecture as ``uname -m`` says it; asked for when None.
    """
    tree = root / "proc/device-tree"
    names = _strings(tree / "compatible")
    machine = platform.machine() if machine is None else machine
    model = next(iter(_strings(tree / "model")), "") or _pc_name(root / "sys/class/dmi/id")
    return Board(model or _UNNAMED, names[-1] if names else "", _target(names, machine))


def _target(names: Sequence[str], machine: str) -> Target:
    """Decide by the names of board and chip, which go from the special to the general."""
    if any(name.startswith("nvidia,tegra") for name in names):
        return "jetson"
    return "openvino" if machine in ("x86_64", "AMD64") else "rpi"


def _strings(path: Path) -> list[str]:
    """Return the strings of a device-tree property, each of which ends with a zero byte."""
    try:
        return [text for text in path.read_bytes().decode("utf-8", "replace").split("\0") if text]
    except OSError:
        return []


def _pc_name(folder: Path) -> str:
    words = [_line(folder / name) for name in ("sys_vendor", "product_name")]
    return " ".join(word for word in words if word)


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
