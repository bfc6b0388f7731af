"""The software device for the tests of a link."""

from __future__ import annotations

import queue
from pathlib import Path

from edge_emo.bridge.simulator import Simulator


class Board(Simulator):
    """The software device, telling each state that it is shown."""

    def __init__(self, folder: Path) -> None:
        self.shown: queue.Queue[int] = queue.Queue()
        super().__init__(folder / "ttyBoard", on_state=lambda s: self.shown.put(s.number))
