"""The name of this machine's processor, for tables of times."""

from __future__ import annotations

import platform
from pathlib import Path

_TOLD = Path("/proc/cpuinfo")


def processor(told: Path = _TOLD) -> str:
    """Return the model's name; the architecture where the system does not tell it.

    Args:
        told: What Linux says of the processor.
    """
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
