"""Messages of this package."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from rclpy.messages import Message


class Bool(Message):
    fields = {"data": False}  # noqa: RUF012 - as the generator writes it


class String(Message):
    fields = {"data": ""}  # noqa: RUF012 - as the generator writes it


class Header(Message):
    fields = {"stamp": Time, "frame_id": ""}  # noqa: RUF012 - as the generator writes it
