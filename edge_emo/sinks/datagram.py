"""States to other programs: one JSON object a datagram, over UDP or a Unix socket."""

from __future__ import annotations

import json
import logging
import socket
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError
from edge_emo.recording.values import state_to_json
from edge_emo.sinks.base import Sink
from edge_emo.types import EmotionState, StreamInfo

_log = logging.getLogger(__name__)


class DatagramSink(Sink):
    """Sends each state as a datagram and never waits for whoever listens.

    A listener may come and go: what nobody takes is lost, and counted.

    Args:
        target: Address of the listener; its form is the subclass's.

    Attributes:
        lost: States that could not be handed over.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._socket: socket.socket | None = None
        self._address: Any = None
        self._heard = True
        self.lost = 0

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Make the socket.

        Raises:
            ConfigError: There is no such address.
        """
        try:
            family, self._address = self._resolve()
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:  # such as a part of a name of 64 letters
            raise ConfigError(f"{self._target} is no address to send to: {error}") from error
        self._socket.setblocking(False)

    def state(self, state: EmotionState) -> None:
        """Send one state."""
        if self._socket is None:
            return
        data = json.dumps(state_to_json(state)).encode()
        try:
            self._socket.sendto(data, self._address)
        except OSError as error:  # nobody listens, or the listener is slow
            self._miss(error)
        else:
            self._heard = True

    def close(self) -> None:
        """Close the socket."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    @abstractmethod
    def _resolve(self) -> tuple[int, Any]:
        """Return the family of the socket and the address in its form."""

    def _miss(self, error: OSError) -> None:
        self.lost += 1
        if self._heard:
            _log.warning("%s takes no states: %s", self._target, error)
        self._heard = False


class UdpSink(DatagramSink):
    """Sends to a UDP port.

    Args:
        target: ``127.0.0.1:5005``, ``[::1]:5005`` or ``name:5005``.

    Raises:
        ConfigError: It names no port.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        host, _, port = target.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigError(f"udp:{target} names no port", hint="udp:127.0.0.1:5005")
        self._host, self._port = host.strip("[]"), int(port)

    def _resolve(self) -> tuple[int, Any]:
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        return family, address


class UnixSink(DatagramSink):
    """Sends to a Unix socket, which another program has bound; works without any network.

    Args:
        target: Path of the socket; it may appear later.

    Raises:
        ConfigError: It is empty, or longer than a socket's path may be.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        if not 0 < len(target.encode()) < 108:
            raise ConfigError(
                f"unix:{target} is no path of a socket",
                hint="unix:/run/edge-emo/states.sock, of less than 108 bytes",
            )

    def _resolve(self) -> tuple[int, Any]:
        return socket.AF_UNIX, self._target
