"""A ROS 2 node: states as JSON, health as diagnostics, and no ear for the robot's own voice.

rclpy and the messages come with ROS 2, which has to be sourced first; pip does not have them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from rclpy.time import Time
from rclpy.utilities import remove_ros_args
from std_msgs.msg import Bool, String

from edge_emo import Pipeline
from edge_emo.recording.values import state_to_json
from edge_emo.types import StreamHealth

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class EmotionNode(Node):
    """Publishes a running pipeline; all of it happens in the thread that spins."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__("edge_emo")
        self.pipeline, self.last = pipeline, -1
        self.states = self.create_publisher(String, "~/state", NEWEST)
        self.health = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_subscription(Bool, "~/speaking", self.speaking, 10)
        self.create_timer(0.02, self.publish)
        self.create_timer(1.0, self.diagnose)

    def ros_ns(self, t_ns: int) -> int:
        """Return a session time in ROS time; asked anew each time, as ROS time may be set."""
        return self.get_clock().now().nanoseconds - self.pipeline.clock.now_ns() + t_ns

    def publish(self) -> None:
        """Publish the newest state, once."""
        state = self.pipeline.latest
        if state is not None and state.seq != self.last:
            self.last = state.seq
            values = state_to_json(state) | {"ros_time_ns": self.ros_ns(state.t_ns)}
            self.states.publish(String(data=json.dumps(values)))

    def speaking(self, message: Bool) -> None:
        """Read no voice while the robot's own loudspeaker sounds."""
        if message.data:
            self.pipeline.mute("voice", "the robot speaks")
        else:
            self.pipeline.unmute("voice")

    def diagnose(self) -> None:
        """Publish the health of each stream."""
        state = self.pipeline.latest
        if state is not None:
            array = DiagnosticArray(status=[diagnosis(one) for one in state.health.values()])
            array.header.stamp = Time(nanoseconds=self.ros_ns(state.t_ns)).to_msg()
            self.health.publish(array)


def diagnosis(health: StreamHealth) -> DiagnosticStatus:
    """Return the health of one stream as ROS says it."""
    bad = DiagnosticStatus.WARN if health.alive else DiagnosticStatus.ERROR
    values = {"rate_hz": health.rate_hz, "drops": health.drops, "reconnects": health.reconnects}
    return DiagnosticStatus(
        level=DiagnosticStatus.OK if health.ok else bad,
        name=f"edge_emo: {health.stream}",
        message=health.reason or "ok",
        values=[KeyValue(key=key, value=f"{value:g}") for key, value in values.items()],
    )


def main() -> None:
    """Run until the node is stopped, or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--camera", default="virtual:", help="such as opencv:0")
    parser.add_argument("--microphone", default="virtual:", help="such as portaudio:default")
    parser.add_argument("--seconds", type=float, help="without it, until stopped")
    options = parser.parse_args(remove_ros_args(sys.argv)[1:])

    rclpy.init()
    with Pipeline(options.camera, options.microphone) as pipeline:
        pipeline.start()
        node = EmotionNode(pipeline)
        print("publishing on /edge_emo/state", flush=True)
        with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
            rclpy.spin_until_future_complete(node, Future(), timeout_sec=options.seconds)
        node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
