"""States reach a hub over MQTT; a broker that is slow, away or wary holds nobody up."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from edge_emo import Pipeline
from edge_emo.clock import ManualClock
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    UnavailableError,
)
from edge_emo.recording.values import state_to_json
from edge_emo.registry import SINKS, Address, construct
from edge_emo.sinks.base import SinkRunner
from edge_emo.sinks.mqtt import MqttSink
from edge_emo.sinks.uplink import BACK_OFF_S, LOGIN, WAITING, BackOff, Topic, Uplink
from tests.fakes.mqtt_broker import VirtualBroker
from tests.lab.certificates import Authority
from tests.lab.mosquitto import INSTALL, PROGRAM, Mosquitto
from tests.sinks.test_sinks import a_state, write

paho = pytest.importorskip(
    "paho.mqtt.client", reason="needs paho-mqtt: pip install 'edge-emo[mqtt]'"
)

ROOT = Path(__file__).resolve().parents[2]
LOGGED_IN = ("kiosk", "a long secret")
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason=f"needs mosquitto: {INSTALL}")
both = pytest.mark.parametrize(
    "kind", ["virtual", pytest.param("mosquitto", marks=needs_mosquitto)]
)


class Broker(Protocol):
    port: int

    def come_back(self) -> None: ...

    def die(self) -> None: ...


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Give a function that starts a broker of a kind; the test's end ends it."""
    running: list[Broker] = []

    def start(
        kind: str = "virtual",
        login: tuple[str, str] | None = None,
        tls: tuple[Path, Path] | None = None,
    ) -> Broker:
        virtual = kind == "virtual"
        running.append(VirtualBroker(login, tls) if virtual else Mosquitto(tmp_path, login, tls))
        return running[-1]

    yield start
    for broker in running:
        broker.die()


class Hub:
    """Hears everything that a broker has, as a home automation would."""

    def __init__(self, broker: Broker, login: tuple[str, str] | None = None) -> None:
        self.heard: queue.Queue[tuple[str, str, bool]] = queue.Queue()
        ready = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = lambda _client, _data, message: self.heard.put(
            (message.topic, message.payload.decode(), message.retain)
        )
        if login:
            self._client.username_pw_set(*login)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert ready.wait(10)

    def next(self) -> tuple[str, str, bool]:
        return self.heard.get(timeout=20)

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")


def make(address: str) -> MqttSink:
    parsed = Address.parse(address)
    sink: MqttSink = construct(SINKS.load(parsed.name), parsed)
    return sink


def opened(address: str) -> MqttSink:
    sink = make(address)
    sink.open({}, ManualClock())
    return sink


def at(broker: Broker, options: str = "") -> str:
    return f"mqtt://127.0.0.1:{broker.port}/home/kiosk{options}"


def as_heard(seq: int) -> tuple[str, str, bool]:
    return ("home/kiosk", json.dumps(state_to_json(a_state(seq))), False)


ONLINE = ("home/kiosk/availability", "online", False)
OFFLINE = ("home/kiosk/availability", "offline", False)


@both
def test_every_state_arrives_whole_between_online_and_offline(
    kind: str, begin: Callable[..., Broker]
) -> None:
    broker = begin(kind)
    with Hub(broker) as hub:
        assert write(at(broker), [a_state(seq) for seq in range(3)]).error is None
        heard = [hub.next() for _ in range(5)]
    assert heard == [ONLINE, *map(as_heard, range(3)), OFFLINE]


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


@both
def test_a_login_comes_from_the_environment(
    kind: str, begin: Callable[..., Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = begin(kind, LOGGED_IN)
    monkeypatch.setenv(f"{LOGIN}_USERNAME", LOGGED_IN[0])
    monkeypatch.setenv(f"{LOGIN}_PASSWORD", LOGGED_IN[1])
    with Hub(broker, LOGGED_IN) as hub:
        assert write(at(broker), [a_state(3)]).error is None
        assert [hub.next() for _ in range(3)] == [ONLINE, as_heard(3), OFFLINE]


@both
def test_a_wrong_password_is_refused_in_words_that_do_not_hold_it(
    kind: str,
    begin: Callable[..., Broker],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = begin(kind, LOGGED_IN)
    monkeypatch.setenv(f"{LOGIN}_USERNAME", LOGGED_IN[0])
    monkeypatch.setenv(f"{LOGIN}_PASSWORD", "sesame")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError, match="refused the login") as caught:
        opened(at(broker))
    assert f"{LOGIN}_PASSWORD" in caught.value.hint
    assert "sesame" not in caplog.text + str(caught.value) + repr(caught.value)


def test_a_broker_that_refuses_for_another_reason_is_told_with_it(
    begin: Callable[..., Broker],
) -> None:
    broker = begin()
    assert isinstance(broker, VirtualBroker)
    broker.refusal = 3
    with pytest.raises(DeviceError, match="refused the connection: Server unavailable"):
        opened(at(broker))


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


def test_a_host_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match=r"there is no host 'no\.such\.host\.invalid'"):
        opened("mqtt://no.such.host.invalid/home")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(UnavailableError, match="the mqtt sink needs paho") as caught:
        opened("mqtt://127.0.0.1/home")
    assert caught.value.hint == "pip install 'edge-emo[mqtt]'"


@pytest.mark.parametrize(
    "rest",
    [
        *["", "//", "//h", "//h/", "///t", "h/t", "//h:0/t", "//h:x/t", "//h:70000/t"],
        *["//h/a/+/b", "//h/a/#", "//h/$SYS", "//h/a\0b"],
    ],
)
def test_an_address_without_broker_and_topic_is_refused(rest: str) -> None:
    with pytest.raises(ConfigError, match="names no broker and topic"):
        make(f"mqtt:{rest}")


@pytest.mark.parametrize(
    "rest", ["//me:sesame@h/t", "me:sesame@h/t", "//me:sesame@h/t?retain", "//me:7/sesame@h/t"]
)
def test_a_login_in_the_address_is_refused_and_not_repeated(rest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(f"mqtt:{rest}")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "read"),
    [
        ("mqtt://h/t", "mqtt://h:1883/t"),
        ("mqtts://h/a/b?wait=true", "mqtts://h:8883/a/b"),
        ("mqtt://[::1]:1884/t", "mqtt://[::1]:1884/t"),
    ],
)
def test_an_address_is_read_with_the_port_of_its_scheme(address: str, read: str) -> None:
    assert str(make(address)._topic) == read


@pytest.mark.parametrize("timeout_s", ["0", "-1", "61"])
def test_a_time_out_that_cannot_be_is_refused(timeout_s: str) -> None:
    with pytest.raises(ConfigError, match="timeout_s"):
        make(f"mqtt://h/t?timeout_s={timeout_s}")


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


def test_states_that_leave_the_device_in_clear_text_are_told_of_once(
    begin: Callable[..., Broker], caplog: pytest.LogCaptureFixture
) -> None:
    broker = begin()
    here = opened(at(broker))
    here.close()
    assert "clear text" not in caplog.text
    elsewhere = opened(f"mqtt://0.0.0.0:{broker.port}/home")  # no address of this device alone
    broker.die()
    until(lambda: not elsewhere.status.connected)
    broker.come_back()
    until(lambda: elsewhere.status.connected)
    elsewhere.close()
    assert caplog.text.count("states leave this device in clear text") == 1


def test_a_pipeline_publishes_its_states(begin: Callable[..., Broker]) -> None:
    broker = begin()
    with Hub(broker) as hub:
        with Pipeline(eeg="virtual:", sinks=[at(broker)]) as pipeline:
            first = next(iter(pipeline))
        assert hub.next() == ONLINE
        topic, payload, _ = hub.next()
    assert (topic, json.loads(payload)) == ("home/kiosk", state_to_json(first))


@both
def test_a_broker_with_a_certificate_is_reached_over_tls(
    kind: str, begin: Callable[..., Broker], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    broker = begin(kind, tls=authority.sign("localhost"))
    sink = opened(f"mqtts://localhost:{broker.port}/home/kiosk?ca={authority.file}")
    sink.state(a_state())
    until(lambda: sink.status.sent == 1)
    assert sink.status.connected
    sink.close()


# paho leaves the socket of a handshake that failed to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both
def test_a_certificate_that_nobody_vouches_for_is_refused(
    kind: str, begin: Callable[..., Broker], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    broker = begin(kind, tls=authority.sign("elsewhere.invalid"))
    address = f"mqtts://localhost:{broker.port}/home/kiosk"
    for options in ("", f"?ca={authority.file}"):
        with pytest.raises(DeviceError, match="not trusted here") as caught:
            opened(address + options)
        assert "?ca=FILE" in caught.value.hint


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # likewise
def test_a_broker_without_tls_is_no_encrypted_one(begin: Callable[..., Broker]) -> None:
    with pytest.raises(DeviceError, match="no TLS"):
        opened(f"mqtts://127.0.0.1:{begin().port}/home")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificate_is_no_authority(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(ConfigError, match="holds no certificate"):
        opened(f"mqtts://127.0.0.1/home?ca={file}")
