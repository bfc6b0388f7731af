"""Addresses of brokers: what is read from them, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_emo.errors import (
    ConfigError,
    UnavailableError,
)
from tests.sinks.brokers import make, opened


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


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificate_is_no_authority(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(ConfigError, match="holds no certificate"):
        opened(f"mqtts://127.0.0.1/home?ca={file}")
