"""Messages of this package."""

from __future__ import annotations

from typing import ClassVar

from rclpy.messages import Message
from std_msgs.msg import Header


class KeyValue(Message):
    fields = {"key": "", "value": ""}  # noqa: RUF012 - as the generator writes it


class DiagnosticStatus(Message):
    OK: ClassVar = b"\0"
    WARN: ClassVar = b"\1"
    ERROR: ClassVar = b"\2"
    STALE: ClassVar = b"\3"
    fields = {"level": b"\0", "name": "", "message": "", "hardware_id": "", "values": list}  # noqa: RUF012 - as the generator writes it


class DiagnosticArray(Message):
    fields = {"header": Header, "status": list}  # noqa: RUF012 - as the generator writes it
