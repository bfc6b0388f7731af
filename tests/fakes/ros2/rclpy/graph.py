"""The topics of this process, and whether they are up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rclpy.node import Publisher, Subscription


class Graph:
    def __init__(self) -> None:
        self.up = False
        self.spinning = threading.Event()
        self.changed = threading.Event()
        self.ros_ns = 1_700_000_000_000_000_000
        self.publishers: list[Publisher] = []
        self.subscriptions: list[Subscription] = []

    def start(self) -> None:
        self.up = True

    def stop(self) -> None:
        self.up = False
        self.spinning.clear()
        self.publishers.clear()
        self.subscriptions.clear()
        self.changed.set()

    def deliver(self, publisher: Publisher, message: Any) -> None:
        for subscription in self.subscriptions:
            if subscription.hears(publisher):
                subscription.waiting.append(message)
        self.changed.set()


GRAPH = Graph()
