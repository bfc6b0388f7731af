"""Nodes: publishers, subscriptions, timers and a clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.graph import GRAPH
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time

Callback = Callable[[Any], None]


def _profile(qos: QoSProfile | int) -> QoSProfile:
    return QoSProfile(depth=qos) if isinstance(qos, int) else qos


class Publisher:
    def __init__(self, kind: type, topic: str, qos: QoSProfile) -> None:
        self.kind, self.topic, self.qos = kind, topic, qos

    def publish(self, message: Any) -> None:
        if not GRAPH.up:
            raise RuntimeError("publisher's context is invalid")
        if type(message) is not self.kind:
            raise TypeError(f"expected {self.kind}, got {type(message)}")
        GRAPH.deliver(self, message)


class Subscription:
    def __init__(self, kind: type, topic: str, callback: Callback, qos: QoSProfile) -> None:
        self.kind, self.topic, self.callback, self.qos = kind, topic, callback, qos
        self.waiting: deque[Any] = deque(maxlen=qos.depth)

    def hears(self, publisher: Publisher) -> bool:
        """Whether the publisher offers at least what is asked for."""
        offered, asked = publisher.qos, self.qos
        reliable = offered.reliability is ReliabilityPolicy.RELIABLE
        kept = offered.durability is DurabilityPolicy.TRANSIENT_LOCAL
        return (
            (publisher.topic, publisher.kind) == (self.topic, self.kind)
            and (reliable or asked.reliability is ReliabilityPolicy.BEST_EFFORT)
            and (kept or asked.durability is DurabilityPolicy.VOLATILE)
        )


class Timer:
    def __init__(self, period_s: float, callback: Callable[[], None]) -> None:
        self.period_s, self.callback = period_s, callback
        self.due_s = time.monotonic() + period_s


class Clock:
    def now(self) -> Time:
        return Time(nanoseconds=GRAPH.ros_ns)


class Node:
    def __init__(self, node_name: str) -> None:
        if not GRAPH.up:
            raise RuntimeError("rclpy.init() has not been called")
        self._name = node_name
        self._timers: list[Timer] = []
        self._own: list[Subscription] = []

    def get_clock(self) -> Clock:
        return Clock()

    def create_publisher(self, msg_type: type, topic: str, qos_profile: Any) -> Publisher:
        publisher = Publisher(msg_type, self._topic(topic), _profile(qos_profile))
        GRAPH.publishers.append(publisher)
        return publisher

    def create_subscription(
        self, msg_type: type, topic: str, callback: Callback, qos_profile: Any
    ) -> Subscription:
        made = Subscription(msg_type, self._topic(topic), callback, _profile(qos_profile))
        self._own.append(made)
        GRAPH.subscriptions.append(made)
        return made

    def create_timer(self, timer_period_sec: float, callback: Callable[[], None]) -> Timer:
        self._timers.append(Timer(timer_period_sec, callback))
        return self._timers[-1]

    def destroy_node(self) -> None:
        self._timers.clear()
        for one in self._own:
            if one in GRAPH.subscriptions:
                GRAPH.subscriptions.remove(one)

    def run_callbacks(self) -> None:
        """Run what is due; the executor's part."""
        for subscription in self._own:
            while subscription.waiting:
                subscription.callback(subscription.waiting.popleft())
        now_s = time.monotonic()
        for timer in list(self._timers):
            if now_s >= timer.due_s:
                timer.due_s = now_s + timer.period_s
                timer.callback()

    def _topic(self, name: str) -> str:
        if name.startswith("~/"):
            return f"/{self._name}/{name[2:]}"
        return name if name.startswith("/") else f"/{name}"
