"""States reach another program over a socket; nobody there is no error."""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import ConfigError
from edge_emo.recording.values import state_from_json
from edge_emo.sinks.datagram import LOOK_UP_S, DatagramSink, UdpSink, UnixSink
from tests.sinks.test_sinks import a_state, write


@pytest.fixture(params=["udp", "unix"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """Give a bound socket and the address of the sink that sends to it."""
    family = socket.AF_INET if request.param == "udp" else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0) if request.param == "udp" else str(tmp_path / "s"))
        bound.settimeout(10)
        name = bound.getsockname()
        target = f"{name[0]}:{name[1]}" if request.param == "udp" else name
        yield bound, f"{request.param}:{target}"


def test_every_state_arrives_whole(listener: tuple[socket.socket, str]) -> None:
    bound, address = listener
    assert write(address, [a_state(0), a_state(1)]).error is None
    got = [state_from_json(json.loads(bound.recv(65536))) for _ in range(2)]
    assert got == [a_state(0), a_state(1)]


def opened(sink: DatagramSink) -> DatagramSink:
    sink.open({}, ManualClock())
    return sink


def test_a_listener_may_come_and_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s"
    sink = opened(UnixSink(str(path)))
    with caplog.at_level(logging.WARNING):
        sink.state(a_state(0))
        sink.state(a_state(1))
    assert sink.lost == 2
    assert caplog.text.count("takes no states") == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(path))
        sink.state(a_state(2))
        assert json.loads(bound.recv(65536))["seq"] == 2
    sink.state(a_state(3))
    sink.close()
    assert sink.lost == 3


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_what_nobody_takes_over_udp_is_counted_and_told_of_once(
    family: socket.AddressFamily, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as bound:
            bound.bind((host, 0))
            port = bound.getsockname()[1]
    except OSError as error:
        pytest.skip(f"this machine has no {host}: {error}")
    sink = opened(UdpSink(f"[{host}]:{port}"))
    with caplog.at_level(logging.WARNING):
        for seq in range(4):
            sink.state(a_state(seq))
    assert sink.lost == 3  # what became of the last one is known when the next is sent
    assert caplog.text.count("takes no states") == 1
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind((host, port))
        bound.settimeout(10)
        for seq in (4, 5):
            sink.state(a_state(seq))
            assert json.loads(bound.recv(65536))["seq"] == seq
    assert sink.lost == 4
    sink.close()


def test_a_datagram_that_is_too_long_is_counted_once() -> None:
    sink = opened(UdpSink("127.0.0.1:9"))
    sink.state(dataclasses.replace(a_state(0), reason="x" * 70_000))
    sink.close()
    assert sink.lost == 1


def test_a_listener_that_reads_nothing_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(path))
        sink = opened(UnixSink(str(path)))
        for seq in range(2000):
            sink.state(a_state(seq))
        sink.close()
        assert json.loads(bound.recv(65536))["seq"] == 0
    assert 0 < sink.lost < 2000


@pytest.mark.parametrize("target", ["", "5005", "127.0.0.1", "127.0.0.1:", ":5005", "h:0", "h:x"])
def test_an_address_without_host_and_port_is_refused(target: str) -> None:
    with pytest.raises(ConfigError, match="names no port"):
        UdpSink(target)


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "\udce4.local"])
def test_a_name_that_no_host_can_have_is_named(host: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        opened(UdpSink(f"{host}:5005"))


def test_a_host_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match="no address"):
        opened(UdpSink("no.such.host.invalid:5005"))


class Names:
    """Knows no host until it is told of one, and counts how often it was asked."""

    def __init__(self) -> None:
        self.known: list[object] = []
        self.asked = 0

    def __call__(self, host: str, port: int, **_: object) -> list[object]:
        self.asked += 1
        if not self.known:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self.known


def test_a_name_that_is_not_known_yet_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names, clock = Names(), ManualClock()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    sink = UdpSink("robot.local:5005", wait=True)
    with caplog.at_level(logging.WARNING), socket.socket(type=socket.SOCK_DGRAM) as bound:
        sink.open({}, clock)
        sink.state(a_state(0))
        assert names.asked == 1
        clock.advance(LOOK_UP_S)
        sink.state(a_state(1))
        assert (sink.lost, names.asked) == (2, 2)
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(10)
        names.known = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", bound.getsockname())]
        sink.state(a_state(2))
        clock.advance(LOOK_UP_S)
        for seq in (3, 4):
            sink.state(a_state(seq))
            assert json.loads(bound.recv(65536))["seq"] == seq
    sink.close()
    assert (sink.lost, names.asked) == (3, 3)
    assert caplog.text.count("takes no states") == 1


def test_a_sink_that_is_closed_looks_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    names, clock = Names(), ManualClock()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    sink = UdpSink("robot.local:5005", wait=True)
    sink.open({}, clock)
    sink.close()
    clock.advance(LOOK_UP_S)
    sink.state(a_state(0))
    assert (sink.lost, names.asked) == (0, 1)


def test_a_name_that_no_host_can_have_is_refused_though_it_may_wait() -> None:
    sink = UdpSink("a..b:5005", wait=True)
    with pytest.raises(ConfigError, match="no address"):
        opened(sink)


@pytest.mark.parametrize("target", ["", "/" + "x" * 120])
def test_a_path_that_no_socket_can_have_is_refused(target: str) -> None:
    with pytest.raises(ConfigError, match="no path of a socket"):
        UnixSink(target)


def test_an_address_of_six_is_written_in_brackets() -> None:
    family, address = UdpSink("[::1]:5005")._resolve()
    assert family == socket.AF_INET6
    assert address[:2] == ("::1", 5005)
