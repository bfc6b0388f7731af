"""Training windows that are kept, so that a processor need not make each one that it shows."""

from __future__ import annotations

import torch


class Held:
    """Keeps the newest windows, as float16, and the number of each one's clip.

    Args:
        room: Windows that it keeps.
    """

    def __init__(self, room: int) -> None:
        self._room, self._added = room, 0
        self._rows = torch.empty(0, dtype=torch.long)
        self._windows = torch.empty(0, dtype=torch.float16)

    def __len__(self) -> int:
        return min(self._added, self._room)

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
        return self._rows[chosen], self._windows[chosen]
