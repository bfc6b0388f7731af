"""States to other programs: one JSON object a datagram, over UDP or a Unix socket."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError
from edge_emo.recording.values import state_to_json
from edge_emo.sinks.base import Sink
from edge_emo.types import EmotionState, StreamInfo

LOOK_UP_S = 10.0
"""Between attempts to find the address of a name, seconds."""

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

    def _miss(self, error: OSError, count: int = 1) -> None:
        self.lost += count
        if self._heard:
            _log.warning("%s takes no states: %s", self._target, error)
        self._heard = False


class UdpSink(DatagramSink):
    """Sends to a UDP port.

    Args:
        target: ``127.0.0.1:5005``, ``[::1]:5005`` or ``name:5005``.
        wait: Begin the session when the name is not known yet, as on a device that starts before
            its network; it is looked up again every :data:`LOOK_UP_S` seconds.

    Raises:
        ConfigError: It names no port.
    """

    def __init__(self, target: str, *, wait: bool = False) -> None:
        super().__init__(target)
        host, _, port = target.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigError(f"udp:{target} names no port", hint="udp:127.0.0.1:5005")
        self._host, self._port = host.strip("[]"), int(port)
        self._wait = wait
        self._look_up: Callable[[], bool] | None = None

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Make the socket, and have the system tell when nobody took a datagram.

        Raises:
            ConfigError: There is no such address; with ``wait`` only when there can be none.
        """
        try:
            self._make(streams, clock)
        except ConfigError as error:
            if not self._wait or not isinstance(error.__cause__, OSError):
                raise
            self._miss(error.__cause__, count=0)
            self._look_up = _Turns(lambda: self._make(streams, clock), clock)

    def state(self, state: EmotionState) -> None:
        """Send one state; look the name up first where that is due."""
        if self._look_up is None:
            super().state(state)
        elif self._look_up():
            self._look_up = None
            super().state(state)
        else:
            self.lost += 1

    def close(self) -> None:
        """Close the socket, and look nothing up any more."""
        self._look_up = None
        super().close()

    def _make(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
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


class _Turns:
    """Tries to open an address, and again no sooner than :data:`LOOK_UP_S` after each failure."""

    def __init__(self, attempt: Callable[[], None], clock: Clock) -> None:
        self._attempt, self._clock = attempt, clock
        self._failed_ns = clock.now_ns()

    def __call__(self) -> bool:
        """Try where that is due; tell whether the address is open now."""
        if self._clock.now_ns() - self._failed_ns < LOOK_UP_S * 1e9:
            return False
        try:
            self._attempt()
        except ConfigError:
            self._failed_ns = self._clock.now_ns()
            return False
        return True


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
