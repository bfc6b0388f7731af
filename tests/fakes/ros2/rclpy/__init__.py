"""Initialising, spinning and shutting down."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from rclpy.graph import GRAPH

if TYPE_CHECKING:
    from rclpy.executors import Executor
    from rclpy.node import Node
    from rclpy.task import Future

_TURN_S = 0.002


def init(args: list[str] | None = None) -> None:
    if GRAPH.up:
        raise RuntimeError("Context.init() must only be called once")
    GRAPH.start()


def ok() -> bool:
    return GRAPH.up


def shutdown() -> None:
    if not GRAPH.up:
        raise RuntimeError("Context must be initialized before it can be shutdown")
    GRAPH.stop()


def try_shutdown() -> None:
    GRAPH.stop()


def spin_once(node: Node, timeout_sec: float | None = None) -> None:
    from rclpy.executors import ExternalShutdownException

    GRAPH.spinning.set()
    GRAPH.changed.wait(_TURN_S if timeout_sec is None else min(timeout_sec, _TURN_S))
    if not GRAPH.up:
        raise ExternalShutdownException
    GRAPH.changed.clear()
    node.run_callbacks()


def spin_until_future_complete(
    node: Node,
    future: Future,
    executor: Executor | None = None,
    timeout_sec: float | None = None,
) -> None:
    end_s = float("inf") if timeout_sec is None else monotonic() + timeout_sec
    while not future.done() and monotonic() < end_s:
        spin_once(node)
