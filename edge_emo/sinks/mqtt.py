"""States to an MQTT broker: ``mqtt://host:1883/topic``, encrypted ``mqtts://host/topic``."""

from __future__ import annotations

import contextlib
import json
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

from edge_emo import vendor
from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, ConfigError
from edge_emo.recording.values import state_to_json
from edge_emo.sinks.base import Sink
from edge_emo.sinks.login import read_login
from edge_emo.sinks.uplink import LOGIN, MqttStatus, Topic, Uplink
from edge_emo.types import EmotionState, StreamInfo

_log = logging.getLogger(__name__)


class MqttSink(Sink):
    """Publishes each state, and whether this device is there; never waits for the broker.

    A broker that is lost is tried again by itself; the session goes on meanwhile. What it says
    of this device when the connection breaks is agreed with it beforehand (its last will).

    Args:
        target: ``//host:1883/topic``, so that the address is ``mqtt://host:1883/topic``.
        login: TOML file with ``username`` and ``password``, readable by its user alone; without
            it the environment's, see :data:`LOGIN`.
        retain: Let the broker keep the newest state for whoever comes later.
        wait: Begin the session without the broker when it is missing.
        timeout_s: How long the broker may take to answer.

    Raises:
        ConfigError: The target names no broker and topic, or an option is out of range.
    """

    scheme = "mqtt"
    default_port = 1883

    def __init__(
        self,
        target: str,
        *,
        login: Path | None = None,
        retain: bool = False,
        wait: bool = False,
        timeout_s: float = 5.0,
    ) -> None:
        if not 0 < timeout_s <= 60:
            raise ConfigError(f"timeout_s = {timeout_s} is not in 0 … 60")
        self._topic = Topic.parse(self.scheme, target, self.default_port)
        self._login = login
        self._retain = retain
        self._wait = wait
        self._timeout_s = timeout_s
        self._uplink: Uplink | None = None

    @property
    def status(self) -> MqttStatus:
        """Condition of the connection.

        Raises:
            ClosedError: The sink is not open.
        """
        if self._uplink is None:
            raise ClosedError(f"the {self.scheme} sink is not open")
        return self._uplink.status

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Log in to the broker.

        Raises:
            UnavailableError: paho-mqtt is missing.
            ConfigError: There is no such host, or the login is refused or cannot be read.
            DeviceError: No broker answers there, or none that can be trusted.
        """
        paho = vendor.load("paho.mqtt.client")
        login = read_login(LOGIN, self._login)
        uplink = Uplink(paho, self._topic, login, self._tls(), self._retain, self._timeout_s)
        with contextlib.ExitStack() as undo:
            undo.callback(uplink.stop)
            uplink.start(wait=self._wait)
            undo.pop_all()
        self._uplink = uplink

    def state(self, state: EmotionState) -> None:
        """Publish a state, or keep it until the broker takes it."""
        if self._uplink is not None:
            self._uplink.offer(json.dumps(state_to_json(state)).encode())

    def close(self) -> None:
        """Publish what waits and that this device is gone, for two seconds at most."""
        uplink, self._uplink = self._uplink, None
        if uplink is None:
            return
        uplink.stop()
        status = uplink.status
        _log.info("%s: %d states sent, %d lost", self._topic, status.sent, status.lost)

    def _tls(self) -> ssl.SSLContext | None:
        return None


class MqttsSink(MqttSink):
    """Publishes over TLS; the broker's certificate must be trusted.

    Args:
        target: ``//host:8883/topic``, so that the address is ``mqtts://host:8883/topic``.
        login: As of :class:`MqttSink`.
        retain: Likewise.
        wait: Likewise.
        timeout_s: Likewise.
        ca: PEM file of the authority that signed the broker's certificate; without it those that
            the system trusts.

    Raises:
        ConfigError: As :class:`MqttSink`.
    """

    scheme = "mqtts"
    default_port = 8883

    def __init__(
        self,
        target: str,
        *,
        login: Path | None = None,
        retain: bool = False,
        wait: bool = False,
        timeout_s: float = 5.0,
        ca: Path | None = None,
    ) -> None:
        super().__init__(target, login=login, retain=retain, wait=wait, timeout_s=timeout_s)
        self._ca = ca

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca)
        except OSError as error:  # also what is no certificate
            raise ConfigError(f"ca = {self._ca} holds no certificate: {error}") from error
