"""Instants."""

from __future__ import annotations

from builtin_interfaces.msg import Time as TimeMessage


class Time:
    def __init__(self, *, nanoseconds: int = 0) -> None:
        self.nanoseconds = nanoseconds

    def to_msg(self) -> TimeMessage:
        sec, nanosec = divmod(self.nanoseconds, 1_000_000_000)
        return TimeMessage(sec=sec, nanosec=nanosec)
