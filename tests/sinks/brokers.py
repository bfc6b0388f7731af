"""Brokers for the tests of the MQTT sinks, and what is heard at them."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from typing import Protocol

import pytest

from edge_emo.clock import ManualClock
from edge_emo.recording.values import state_to_json
from edge_emo.registry import SINKS, Address, construct
from edge_emo.sinks.mqtt import MqttSink
from tests.lab.mosquitto import INSTALL, PROGRAM
from tests.sinks.test_sinks import a_state

paho = pytest.importorskip(
    "paho.mqtt.client", reason="needs paho-mqtt: pip install 'edge-emo[mqtt]'"
)


needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason=f"needs mosquitto: {INSTALL}")


both = pytest.mark.parametrize(
    "kind", ["virtual", pytest.param("mosquitto", marks=needs_mosquitto)]
)


class Broker(Protocol):
    port: int

    def come_back(self) -> None: ...

    def die(self) -> None: ...


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
