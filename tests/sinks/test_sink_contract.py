"""What every sink does, whatever its destination."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_emo.bridge.simulator import Simulator
from edge_emo.clock import ManualClock
from edge_emo.registry import SINKS, Address, construct
from edge_emo.sinks.base import Sink, SinkRunner
from tests.fakes.mqtt_broker import VirtualBroker
from tests.lab.certificates import Authority
from tests.sinks.test_sinks import STREAMS, a_state

pytest.importorskip("paho", reason="needs paho-mqtt: pip install 'edge-emo[mqtt]'")
pytest.importorskip("serial", reason="needs pyserial: pip install 'edge-emo[bridge]'")

NOWHERE = {
    "console": "console:",
    "jsonl": "jsonl:/nowhere/states.jsonl",
    "csv": "csv:/nowhere/states.csv",
    "udp": "udp:no.such.host.invalid:5005",
    "unix": "unix:/nowhere/socket",
    "mqtt": "mqtt://no.such.host.invalid/home",
    "mqtts": "mqtts://no.such.host.invalid/home?ca=/nowhere/ca.pem",
    "record": "record:/nowhere/session",
    "bridge": "bridge:/dev/nowhere",
}
"""An address of each sink that cannot be opened, but for the console."""

every = pytest.mark.parametrize("name", NOWHERE)


def make(address: str) -> Sink:
    parsed = Address.parse(address)
    sink: Sink = construct(SINKS.load(parsed.name), parsed)
    return sink


@contextlib.contextmanager
def somewhere(name: str, folder: Path) -> Iterator[str]:
    """Give an address that can be opened, as long as the block lasts."""
    with contextlib.ExitStack() as end:
        if name in ("mqtt", "mqtts"):
            authority = Authority(folder)
            broker = VirtualBroker(tls=authority.sign("localhost") if name == "mqtts" else None)
            end.callback(broker.die)
            options = f"?ca={authority.file}" if name == "mqtts" else ""
            yield f"{name}://localhost:{broker.port}/home{options}"
        elif name == "bridge":
            yield f"bridge:{end.enter_context(Simulator()).path}"
        elif name == "udp":
            listener = end.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            listener.bind(("127.0.0.1", 0))
            yield f"udp:127.0.0.1:{listener.getsockname()[1]}"
        else:
            yield "console:" if name == "console" else f"{name}:{folder / 'here'}"


def test_every_built_in_sink_is_tested() -> None:
    built_in = {
        name for name in SINKS.names() if SINKS.load(name).__module__.startswith("edge_emo.")
    }
    assert built_in == set(NOWHERE)


@every
def test_constructing_and_closing_touch_nothing(name: str) -> None:
    sink = make(NOWHERE[name])
    sink.close()
    sink.close()


@every
def test_closing_twice_is_closing_once(name: str, tmp_path: Path) -> None:
    with somewhere(name, tmp_path) as address:
        sink = make(address)
        sink.open(STREAMS, ManualClock())
        sink.state(a_state())
        sink.close()
        sink.close()


@every
def test_states_and_events_are_taken_without_a_failure(name: str, tmp_path: Path) -> None:
    with somewhere(name, tmp_path) as address:
        runner = SinkRunner(make(address))
        runner.open(STREAMS, ManualClock())
        for seq in range(20):
            runner.put(a_state(seq))
        runner.put({"t_ns": 1, "stream": "camera", "event": "gone", "reason": "unplugged"})
        runner.close()
    assert runner.error is None
