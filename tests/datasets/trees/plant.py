"""Writing small corpora: files by path, sound by synthesis, films as bytes that nobody decodes."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(300)


@dataclass(frozen=True)
class Case:
    """A small corpus and what its adapter makes of it.

    Attributes:
        plant: Writes it below a folder and returns its own.
        clips: Fields of its clips by name within the corpus; ``about.x`` for what is beside.
        findings: How many of each sort.
        columns: Text of the column-mapping file, where one is needed.
        absent: Whether files are named that are not there.
    """

    plant: Callable[[Path], Path]
    clips: Mapping[str, Mapping[str, Any]]
    findings: Mapping[str, int] = field(default_factory=dict)
    columns: str | None = None
    absent: bool = False


def put(root: Path, files: Mapping[str, Any]) -> Path:
    """Write files: text, bytes, JSON for lists and objects, or None for what the suffix says."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            _MEDIA.get(path.suffix, _film)(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_bytes(content.encode())
        else:
            path.write_text(json.dumps(content), encoding="utf-8")
    return root


def tone(path: Path, hz: float = 200.0, seconds: float = 0.05, gain: float = 0.3) -> None:
    times = np.arange(int(16_000 * seconds)) / 16_000
    samples = (32767 * gain * np.sin(2 * np.pi * hz * times)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())


def edf(channels: list[str], rate: int, seconds: int, unit: str = "uV") -> bytes:
    """Return an EDF file whose channel number k holds the constant k in ``unit``."""
    count = len(channels)

    def cells(values: list[Any], width: int) -> str:
        return "".join(str(value).ljust(width) for value in values)

    fixed = "0".ljust(8) + "x".ljust(80) + "x".ljust(80) + "01.01.20" + "00.00.00"
    fixed += str(256 * (count + 1)).ljust(8) + " " * 44 + str(seconds).ljust(8) + "1".ljust(8)
    fixed += str(count).ljust(4)
    own = cells(channels, 16) + cells([""] * count, 80) + cells([unit] * count, 8)
    own += cells([-100] * count, 8) + cells([100] * count, 8)
    own += cells([-10000] * count, 8) + cells([10000] * count, 8)
    own += cells([""] * count, 80) + cells([rate] * count, 8) + cells([""] * count, 32)
    record = np.repeat(np.arange(count) * 100, rate).astype("<i2")
    return (fixed + own).encode() + np.tile(record, seconds).tobytes()


def picture(path: Path) -> None:
    shades = np.add.outer(np.arange(48), np.arange(48)).astype(np.uint8)
    cv2.imwrite(str(path), shades)


def _film(path: Path) -> None:
    path.write_bytes(FILM)


_MEDIA: Mapping[str, Callable[[Path], None]] = {".wav": tone, ".png": picture, ".jpg": picture}
