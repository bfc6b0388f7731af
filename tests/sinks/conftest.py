"""Brokers that a test begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.mqtt_broker import VirtualBroker
from tests.lab.mosquitto import Mosquitto
from tests.sinks.brokers import Broker


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
