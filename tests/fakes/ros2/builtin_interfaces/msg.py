"""Messages of this package."""

from __future__ import annotations

from rclpy.messages import Message


class Time(Message):
    fields = {"sec": 0, "nanosec": 0}  # noqa: RUF012 - as the generator writes it
