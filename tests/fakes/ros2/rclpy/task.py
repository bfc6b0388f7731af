"""Futures."""

from __future__ import annotations

from typing import Any


class Future:
    def __init__(self) -> None:
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, result: Any) -> None:
        self._done = True
