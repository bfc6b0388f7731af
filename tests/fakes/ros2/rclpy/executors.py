"""What ends a spin."""

from __future__ import annotations


class ExternalShutdownException(Exception):  # noqa: N818 - its name in rclpy
    """The context was shut down by a signal or another thread."""


class Executor:
    """Never made here."""
