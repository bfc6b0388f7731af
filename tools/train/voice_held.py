"""Training windows that are kept, so that a processor need not make each one that it shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

_WINDOWS, _ROWS, _CLIPS = "windows.npy", "rows.npy", "clips.json"


class Made:
    """Windows that ``voice_windows.py`` made, float16 in a file, and the number of each one's clip.

    Args:
        folder: Where they are.
        names: Of all clips, in the order that numbers them.

    Raises:
        SystemExit: The windows are of other clips.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        if clips_of(folder) != list(names):
            raise SystemExit(f"{folder}: windows of other clips; make them again")
        self.rows = torch.from_numpy(np.load(folder / _ROWS))
        self._windows = np.load(folder / _WINDOWS, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, places: torch.Tensor) -> torch.Tensor:
        """Return some windows."""
        return torch.from_numpy(self._windows[places.numpy()])


def open_made(folder: Path, rows: torch.Tensor, shape: Sequence[int]) -> npt.NDArray[np.float16]:
    """Return an array in a new folder that takes the windows of clips, given by number.

    When all are there, :func:`finish` says so.
    """
    folder.mkdir(parents=True)
    np.save(folder / _ROWS, rows.numpy())
    size = (len(rows), *shape)
    return np.lib.format.open_memmap(folder / _WINDOWS, "w+", np.float16, size)


def clips_of(folder: Path) -> list[str]:
    """Return the names of the clips that number the rows of a folder.

    Raises:
        SystemExit: Its windows are not all there.
    """
    path = folder / _CLIPS
    if not path.exists():
        raise SystemExit(f"{folder}: not finished; remove it and make its windows again")
    return list(json.loads(path.read_text("utf-8")))


def finish(folder: Path, names: Sequence[str]) -> None:
    """Say that all windows of a folder are there, and which clips number them."""
    (folder / _CLIPS).write_text(json.dumps(list(names)), "utf-8")


class Held:
    """Keeps the newest windows, as float16, and the number of each one's clip.

    Args:
        room: Windows that it keeps.
        made: Others, that it always has; those named twice are drawn twice as often.
    """

    def __init__(self, room: int, made: Sequence[Made] = ()) -> None:
        self._room, self._added, self._made = room, 0, made
        self._first = sum(len(one.rows) for one in made)
        self._rows = torch.empty(0, dtype=torch.long)
        self._windows = torch.empty(0, dtype=torch.float16)

    def __len__(self) -> int:
        return self._first + min(self._added, self._room)

    def add(self, rows: torch.Tensor, windows: torch.Tensor) -> None:
        """Keep windows (n, ...) of clips, given by number (n,); the oldest make room."""
        if not self._added:
            self._rows = rows.new_empty(self._room)
            self._windows = windows.new_empty(self._room, *windows.shape[1:], dtype=torch.float16)
        place = (self._added + torch.arange(len(rows), device=rows.device)) % self._room
        self._rows[place], self._windows[place] = rows, windows.half()
        self._added += len(rows)

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return clips and windows at random, as float16; each once before any a second time."""
        turns = range(-(-count // len(self)))
        orders = [torch.randperm(len(self), device=self._rows.device) for _ in turns]
        chosen = torch.cat(orders)[:count]
        parts, first = [], 0
        for one in self._made:
            places = chosen[(chosen >= first) & (chosen < first + len(one.rows))] - first
            parts.append((one.rows[places], one.at(places)))
            first += len(one.rows)
        places = chosen[chosen >= first] - first
        parts.append((self._rows[places], self._windows[places]))
        rows, windows = zip(*parts, strict=True)
        return torch.cat(rows), torch.cat(windows)
