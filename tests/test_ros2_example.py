"""The ROS 2 node of the examples, against a stand-in: ROS 2 itself cannot be installed by pip."""

from __future__ import annotations

import contextlib
import importlib
import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edge_emo import Pipeline
from edge_emo.clock import ManualClock
from edge_emo.errors import DeviceLostError
from edge_emo.recording.values import state_from_json
from edge_emo.types import EmotionState, StreamHealth
from tests.sinks.test_sinks import a_state

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = ROOT / "tests" / "fakes" / "ros2"
NAMES = ("rclpy", "std_msgs", "diagnostic_msgs", "builtin_interfaces", "ros2_node")


@pytest.fixture
def ros(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Give the module of the example; ROS 2 is shut down behind it."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(STAND_IN)
    monkeypatch.syspath_prepend(ROOT / "examples")
    module = importlib.import_module("ros2_node")
    yield module
    module.rclpy.try_shutdown()
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in NAMES:
            del sys.modules[name]


class Still:
    """A pipeline that stands still at one state."""

    def __init__(self, state: EmotionState | None) -> None:
        self.clock = ManualClock(2_000_000_000)
        self.error: Exception | None = None
        self._state = state

    @property
    def latest(self) -> EmotionState | None:
        if self.error:
            raise self.error
        return self._state


class Robot:
    """Another node, which hears and speaks."""

    def __init__(self, ros: ModuleType) -> None:
        self._ros = ros
        self.node = ros.Node("robot")
        self.states: list[dict[str, Any]] = []
        self.diagnostics: list[Any] = []
        self.node.create_subscription(ros.String, "/edge_emo/state", self._hear, ros.NEWEST)
        self.node.create_subscription(
            ros.DiagnosticArray, "/diagnostics", self.diagnostics.append, 10
        )
        self.mouth = self.node.create_publisher(ros.Bool, "/edge_emo/speaking", 10)

    def _hear(self, message: Any) -> None:
        self.states.append(json.loads(message.data))

    def spin_until(self, node: Any, true: Callable[[], bool]) -> None:
        for _ in range(10_000):
            if true():
                return
            for one in (node, self.node):
                self._ros.rclpy.spin_once(one, timeout_sec=0.005)
        raise AssertionError("it never came true")


@contextlib.contextmanager
def a_node(ros: ModuleType, pipeline: Any) -> Iterator[tuple[Any, Robot]]:
    ros.rclpy.init()
    node = ros.EmotionNode(pipeline)
    yield node, Robot(ros)
    node.destroy_node()


def test_a_state_is_published_once_with_its_time_in_ros_time(ros: ModuleType) -> None:
    with a_node(ros, Still(a_state(4))) as (node, robot):
        robot.spin_until(node, lambda: bool(robot.diagnostics))
    assert len(robot.states) == 1
    ros_time_ns = robot.states[0].pop("ros_time_ns")
    assert state_from_json(robot.states[0]) == a_state(4)
    now_ns = node.get_clock().now().nanoseconds
    assert now_ns - ros_time_ns == 500_000_000  # it is of 1.5 s, and it is 2 s


def test_the_time_follows_a_ros_clock_that_was_set(ros: ModuleType) -> None:
    with a_node(ros, Still(a_state())) as (node, _):
        graph = importlib.import_module("rclpy.graph").GRAPH
        before_ns = node.ros_ns(0)
        graph.ros_ns += 3_600_000_000_000
        assert node.ros_ns(0) - before_ns == 3_600_000_000_000


def test_the_health_of_a_stream_is_a_diagnosis(ros: ModuleType) -> None:
    with a_node(ros, Still(a_state())) as (node, robot):
        robot.spin_until(node, lambda: bool(robot.diagnostics))
    stamp, (one,) = robot.diagnostics[0].header.stamp, robot.diagnostics[0].status
    assert stamp.sec * 1_000_000_000 + stamp.nanosec == node.ros_ns(1_500_000_000)
    assert (one.level, one.name, one.message) == (b"\0", "edge_emo: camera", "ok")
    values = {value.key: value.value for value in one.values}
    assert values == {"rate_hz": "29.9", "drops": "3", "reconnects": "1"}


@pytest.mark.parametrize(("alive", "level"), [(True, b"\1"), (False, b"\2")])
def test_a_poor_stream_is_a_warning_and_a_lost_one_an_error(
    ros: ModuleType, alive: bool, level: bytes
) -> None:
    health = StreamHealth("eeg", alive, False, True, 5, 0.0, 0, 0.0, 0, "unplugged")
    found = ros.diagnosis(health)
    assert (found.level, found.message) == (level, "unplugged")


def test_before_the_first_state_nothing_is_published(ros: ModuleType) -> None:
    with a_node(ros, Still(None)) as (node, robot):
        node.publish()
        node.diagnose()
        robot.node.run_callbacks()
    assert (robot.states, robot.diagnostics) == ([], [])


def test_an_engine_that_failed_ends_the_node(ros: ModuleType) -> None:
    pipeline = Still(a_state())
    with a_node(ros, pipeline) as (node, robot):
        pipeline.error = DeviceLostError("gone")
        with pytest.raises(DeviceLostError):
            robot.spin_until(node, lambda: False)


def voice(robot: Robot) -> str:
    predictions = robot.states[-1]["by_modality"] if robot.states else {}
    return str(predictions.get("voice", {}).get("abstained"))


def test_while_the_robot_speaks_its_voice_is_not_read(ros: ModuleType) -> None:
    with (
        Pipeline(microphone="virtual:?seed=1") as pipeline,
        a_node(ros, pipeline) as (node, robot),
    ):
        pipeline.start()
        robot.mouth.publish(ros.Bool(data=True))
        robot.spin_until(node, lambda: voice(robot) == "the robot speaks")
        robot.mouth.publish(ros.Bool(data=False))
        robot.spin_until(node, lambda: voice(robot) != "the robot speaks")


ENDS: dict[str, Callable[[ModuleType], None]] = {
    "shutdown": lambda ros: ros.rclpy.shutdown(),
    "interrupt": lambda ros: signal.raise_signal(signal.SIGINT),
}


@pytest.fixture
def _interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("end", ENDS)
def test_the_node_ends_cleanly_however_it_is_told_to(
    ros: ModuleType, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = importlib.import_module("rclpy.graph").GRAPH

    def tell() -> None:
        assert graph.spinning.wait(30)
        ENDS[end](ros)

    monkeypatch.setattr(sys, "argv", ["ros2_node.py", "--ros-args", "-r", "__node:=other"])
    thread = threading.Thread(target=tell)
    thread.start()
    ros.main()
    thread.join()
    assert "publishing on /edge_emo/state" in capsys.readouterr().out
    assert not ros.rclpy.ok()
    assert "engine" not in {one.name for one in threading.enumerate()}


def test_the_code_of_the_guide_is_that_of_the_example() -> None:
    guide = (ROOT / "docs" / "guides" / "ros2.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    example = (ROOT / "examples" / "ros2_node.py").read_text(encoding="utf-8")
    assert [part for part in code.strip().split("\n\n") if part not in example] == []
