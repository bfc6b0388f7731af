"""States reach a hub over MQTT; a broker that is slow, away or wary holds nobody up."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_emo import Pipeline
from edge_emo.clock import ManualClock
from edge_emo.errors import (
    ClosedError,
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.recording.values import state_to_json
from edge_emo.sinks.base import SinkRunner
from edge_emo.sinks.uplink import BACK_OFF_S, WAITING, BackOff, Topic, Uplink
from tests.fakes.mqtt_broker import VirtualBroker
from tests.sinks.brokers import (
    OFFLINE,
    ONLINE,
    Broker,
    Hub,
    as_heard,
    at,
    both,
    make,
    opened,
    paho,
    until,
)
from tests.sinks.test_sinks import a_state, write

ROOT = Path(__file__).resolve().parents[2]


@both
def test_every_state_arrives_whole_between_online_and_offline(
    kind: str, begin: Callable[..., Broker]
) -> None:
    broker = begin(kind)
    with Hub(broker) as hub:
        assert write(at(broker), [a_state(seq) for seq in range(3)]).error is None
        heard = [hub.next() for _ in range(5)]
    assert heard == [ONLINE, *map(as_heard, range(3)), OFFLINE]


def test_states_arrive_from_a_process_that_holds_many_files(begin: Callable[..., Broker]) -> None:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 1300:
        pytest.skip(f"this user may open {most} files; ulimit -n 2048")
    broker = begin("virtual")
    with Hub(broker) as hub, contextlib.ExitStack() as held:
        for _ in range(1100):
            held.enter_context(Path(os.devnull).open("rb"))
        assert write(at(broker), [a_state(0)]).error is None
        assert [hub.next() for _ in range(3)] == [ONLINE, as_heard(0), OFFLINE]


@both
def test_a_hub_that_comes_late_knows_whether_the_device_is_there(
    kind: str, begin: Callable[..., Broker]
) -> None:
    broker = begin(kind)
    with Hub(broker) as early:  # what it has heard the broker has
        sink = opened(at(broker, "?retain=true"))
        sink.state(a_state(7))
        assert [early.next() for _ in range(2)] == [ONLINE, as_heard(7)]
        with Hub(broker) as hub:
            there = {hub.next() for _ in range(2)}
        sink.close()
        assert early.next() == OFFLINE
    with Hub(broker) as hub:
        gone = {hub.next() for _ in range(2)}
    state = (*as_heard(7)[:2], True)
    assert there == {(*ONLINE[:2], True), state}
    assert gone == {(*OFFLINE[:2], True), state}


CRASH = """
import os, sys
from edge_emo.clock import ManualClock
from edge_emo.sinks.mqtt import MqttSink
from tests.sinks.test_mqtt import a_state, until
sink = MqttSink(sys.argv[1])
sink.open({}, ManualClock())
sink.state(a_state(5))
until(lambda: sink.status.sent == 1)
os._exit(1)
"""


@both
def test_the_broker_says_that_a_crashed_device_is_gone(
    kind: str, begin: Callable[..., Broker]
) -> None:
    broker = begin(kind)
    with Hub(broker) as hub:
        command = [sys.executable, "-c", CRASH, at(broker).removeprefix("mqtt:")]
        assert subprocess.run(command, check=False, cwd=ROOT).returncode == 1
        assert [hub.next() for _ in range(3)] == [ONLINE, as_heard(5), OFFLINE]


@both
def test_a_broker_that_was_away_gets_the_newest_state_and_no_older_one(
    kind: str, begin: Callable[..., Broker], caplog: pytest.LogCaptureFixture
) -> None:
    broker = begin(kind)
    sink = opened(at(broker))
    broker.die()
    until(lambda: not sink.status.connected)
    assert "was lost" in sink.status.reason or "no broker answers" in sink.status.reason
    for seq in range(40):
        sink.state(a_state(seq))
    broker.come_back()
    until(lambda: sink.status.sent == 1)
    assert (sink.status.connected, sink.status.reconnects, sink.status.lost) == (True, 1, 39)
    with Hub(broker) as hub:
        sink.state(a_state(40))
        heard = list(iter(hub.next, as_heard(40)))
    assert heard[0][:2] == ONLINE[:2]
    assert set(heard[1:]) <= {as_heard(39)}
    sink.close()
    assert caplog.text.count("takes no states: mqtt://127.0.0.1") == 1
    assert caplog.text.count("/home/kiosk takes states") == 1


def test_without_a_broker_nothing_begins_which_is_said_once(
    begin: Callable[..., Broker], caplog: pytest.LogCaptureFixture
) -> None:
    broker = begin()
    broker.die()
    with pytest.raises(DeviceNotFoundError, match="no broker answers at mqtt://") as caught:
        opened(at(broker))
    assert "?wait=true" in caught.value.hint
    assert caplog.text == ""


def test_a_session_may_begin_without_its_broker(begin: Callable[..., Broker]) -> None:
    broker = begin()
    broker.die()
    sink = opened(at(broker, "?wait=true"))
    for seq in range(100):
        sink.state(a_state(seq))
    until(lambda: "no broker answers" in sink.status.reason)
    assert sink.status.lost == 100 - WAITING
    broker.come_back()
    until(lambda: sink.status.sent == 1)
    assert sink.status.lost == 99
    assert sink.status.reconnects == 0
    sink.close()


def test_closing_without_a_broker_counts_what_waited(
    begin: Callable[..., Broker], caplog: pytest.LogCaptureFixture
) -> None:
    broker = begin()
    broker.die()
    caplog.set_level(logging.INFO)
    assert write(at(broker, "?wait=true"), [a_state(seq) for seq in range(50)]).error is None
    assert "0 states sent, 50 lost" in caplog.text


def test_a_broker_that_dies_while_it_is_sent_to_is_lost_like_any_other(
    begin: Callable[..., Broker], caplog: pytest.LogCaptureFixture
) -> None:
    broker = begin()
    sink = opened(at(broker))
    large = dataclasses.replace(a_state(), reason="no face " * 5_000)
    killer = threading.Thread(target=broker.die)
    killer.start()
    while sink.status.connected:
        sink.state(large)
    killer.join()
    until(lambda: sink.status.reconnects == 1)
    sink.close()
    assert "the connection failed" not in caplog.text


def test_a_broker_that_takes_us_in_and_hangs_up_is_tried_less_and_less_often() -> None:
    back_off = BackOff()
    for kept_s in (0.0, 0.1, BACK_OFF_S[-1]):
        assert back_off.after(3600.0) == BACK_OFF_S[0]
        waits = [back_off.after(kept_s) for _ in BACK_OFF_S]
        assert waits == [*BACK_OFF_S[1:], BACK_OFF_S[-1]]
    assert BackOff().after(0.0) == BACK_OFF_S[0]


class OddPaho:
    """A library that raises what no library should, each time it is asked."""

    CallbackAPIVersion = paho.CallbackAPIVersion

    def __init__(self) -> None:
        self.asked = 0

    def Client(self, *_: object, **__: object) -> None:  # noqa: N802 - paho's name
        self.asked += 1
        raise ValueError("a bug")


def test_what_fails_in_the_same_odd_way_again_is_told_with_its_traceback_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd = OddPaho()
    uplink = Uplink(odd, Topic("mqtt", "127.0.0.1", 1, "home"), None, None, False, 5.0)
    uplink.start(wait=True)
    until(lambda: odd.asked > 1)
    uplink.stop()
    assert "ValueError('a bug')" in uplink.status.reason
    assert caplog.text.count("Traceback") == 1


def test_a_connection_that_hangs_does_not_hold_up_the_end() -> None:
    with contextlib.ExitStack() as end:
        full = end.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):  # the queue of those who wait to be accepted
            waiting = end.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        address = f"mqtt://127.0.0.1:{full.getsockname()[1]}/home?wait=true&timeout_s=60"
        runner = SinkRunner(make(address))
        runner.open({}, ManualClock())
        runner.put(a_state())
        runner.close()
        assert runner.error is None


def test_a_broker_that_reads_nothing_holds_nobody_up(
    begin: Callable[..., Broker], caplog: pytest.LogCaptureFixture
) -> None:
    broker = begin()
    assert isinstance(broker, VirtualBroker)
    caplog.set_level(logging.INFO)
    sink = make(at(broker))
    runner = SinkRunner(sink)
    runner.open({}, ManualClock())
    broker.stall()
    large = dataclasses.replace(a_state(), reason="no face " * 50_000)
    for _ in range(100):
        runner.put(large)
    until(lambda: sink.status.lost > 0)
    assert sink.status.connected
    runner.close()
    assert runner.error is None
    assert " lost" in caplog.text


def test_who_says_nothing_is_no_broker(begin: Callable[..., Broker]) -> None:
    broker = begin()
    assert isinstance(broker, VirtualBroker)
    broker.refuse_to_answer()
    with pytest.raises(DeviceTimeoutError, match=r"did not answer within 0\.[13] s"):
        opened(at(broker, "?timeout_s=0.1"))


def test_who_hangs_up_at_once_is_no_broker(begin: Callable[..., Broker]) -> None:
    broker = begin()
    assert isinstance(broker, VirtualBroker)
    broker.refusal = 1  # of this version
    with pytest.raises(DeviceError, match="hung up before it answered"):
        opened(at(broker))


def test_closing_is_idempotent_and_the_status_of_a_closed_sink_an_error(
    begin: Callable[..., Broker],
) -> None:
    sink = make(at(begin()))
    sink.close()
    for _ in range(2):
        sink.open({}, ManualClock())
        assert sink.status.connected
        sink.close()
        sink.close()
    sink.state(a_state())
    with pytest.raises(ClosedError):
        _ = sink.status


def test_a_pipeline_publishes_its_states(begin: Callable[..., Broker]) -> None:
    broker = begin()
    with Hub(broker) as hub:
        with Pipeline(eeg="virtual:", sinks=[at(broker)]) as pipeline:
            first = next(iter(pipeline))
        assert hub.next() == ONLINE
        topic, payload, _ = hub.next()
    assert (topic, json.loads(payload)) == ("home/kiosk", state_to_json(first))
