"""Logins, certificates and encryption of the MQTT sinks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_emo.errors import (
    ConfigError,
    DeviceError,
)
from edge_emo.sinks.uplink import LOGIN
from tests.fakes.mqtt_broker import VirtualBroker
from tests.lab.certificates import Authority
from tests.sinks.brokers import (
    OFFLINE,
    ONLINE,
    Broker,
    Hub,
    as_heard,
    at,
    both,
    opened,
    until,
)
from tests.sinks.test_sinks import a_state, write

LOGGED_IN = ("kiosk", "a long secret")


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
