"""States to other programs: one JSON object a datagram, over UDP or a Unix socket."""

from __future__ import annotations

import contextlib
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
            self._heard = self._send(self._socket, data)
        except OSError as error:  # nobody listens, or the listener is slow
            self._miss(error)

    def close(self) -> None:
        """Close the socket."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    @abstractmethod
    def _resolve(self) -> tuple[int, Any]:
        """Return the family of the socket and the address in its form."""

    def _send(self, opened: socket.socket, data: bytes) -> bool:
        """Send a datagram; tell whether nothing is known against its arrival."""
        opened.sendto(data, self._address)
        return True

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

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Make the socket, and have the system tell when nobody took a datagram.

        Raises:
            ConfigError: There is no such address.
        """
        super().open(streams, clock)
        if self._socket is not None:
            self._socket.setsockopt(*_TELL[self._socket.family], 1)

    def _send(self, opened: socket.socket, data: bytes) -> bool:
        """Send a datagram; an error that came back for one before it is counted first."""
        try:
            return super()._send(opened, data)
        except OSError as error:
            if not _came_back(opened):
                raise
            self._miss(error)
            super()._send(opened, data)
            return False

    def _resolve(self) -> tuple[int, Any]:
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        return family, address


_TELL = {  # IP_RECVERR and IPV6_RECVERR, which Python names from 3.14 on
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}


def _came_back(opened: socket.socket) -> bool:
    """Forget what the network answered to datagrams; tell whether it answered at all."""
    answered = False
    with contextlib.suppress(BlockingIOError):
        while True:
            opened.recvmsg(1, 512, socket.MSG_ERRQUEUE)
            answered = True
    return answered


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
