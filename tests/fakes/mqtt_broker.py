"""A broker that speaks as much MQTT 3.1.1 as a sink and a hub need: a real server in threads.

It knows CONNECT with will and login, PUBLISH of quality 0 and 1, SUBSCRIBE to one topic or to
``#``, PINGREQ and DISCONNECT; it keeps retained messages, and publishes the will of a client that
leaves without a word.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK = 1, 2, 3, 4, 8, 9
_PINGREQ, _PINGRESP, _DISCONNECT = 12, 13, 14
_NOT_AUTHORIZED = 5


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes
    retain: bool


@dataclass
class _Client:
    connection: socket.socket
    filters: list[str] = field(default_factory=list)
    will: Message | None = None

    def send(self, kind: int, body: bytes, flags: int = 0) -> None:
        with contextlib.suppress(OSError):  # it left meanwhile
            self.connection.sendall(bytes([kind << 4 | flags]) + _length(len(body)) + body)


class VirtualBroker:
    """Serves on a free port of this machine.

    Args:
        login: Name and password that every client must give; None for a broker that asks nobody.
        tls: Certificate and key; None for clear text.
    """

    def __init__(
        self, login: tuple[str, str] | None = None, tls: tuple[Path, Path] | None = None
    ) -> None:
        self.login = login
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if self._tls and tls:
            self._tls.load_cert_chain(*tls)
        self.port = 0
        self.refusal = 0
        self._answering = True
        self._reading = threading.Event()
        self._reading.set()
        self._lock = threading.RLock()
        self._clients: list[_Client] = []
        self._retained: dict[str, Message] = {}
        self._threads: list[threading.Thread] = []
        self.come_back()

    def come_back(self) -> None:
        """Listen, at the same port as before."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        self._spawn(self._accept, self._server)

    def refuse_to_answer(self) -> None:
        """Accept connections from now on, and say nothing."""
        self._answering = False

    def stall(self) -> None:
        """Read nothing more of what clients send."""
        self._reading.clear()

    def die(self) -> None:
        """Close every connection and stop listening, without any will; forget everything."""
        self._reading.set()
        with self._lock:
            leaving, self._clients = self._clients, []
            self._retained.clear()
        for one in (self._server, *(client.connection for client in leaving)):
            with contextlib.suppress(OSError):  # it is gone already
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:  # died
                return
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            client = _Client(connection)
            with self._lock:
                self._clients.append(client)
            self._spawn(self._serve, client)

    def _serve(self, client: _Client) -> None:
        if self._tls:
            try:
                client.connection = self._tls.wrap_socket(client.connection, server_side=True)
            except OSError:  # it does not trust us
                return
        with client.connection, client.connection.makefile("rb") as incoming:
            while (packet := _read(incoming)) is not None and self._handle(client, *packet):
                self._reading.wait()
        with self._lock:
            if client in self._clients:  # it left by itself
                self._clients.remove(client)
                if client.will is not None:
                    self._publish(client.will)

    def _handle(self, client: _Client, kind: int, flags: int, body: bytes) -> bool:
        """Serve one packet; False ends the connection."""
        if kind == _CONNECT:
            return self._connect(client, body)
        if kind == _PUBLISH:
            self._take(client, flags, body)
        elif kind == _SUBSCRIBE:
            self._subscribe(client, body)
        elif kind == _PINGREQ:
            client.send(_PINGRESP, b"")
        elif kind == _DISCONNECT:
            client.will = None
        return kind != _DISCONNECT

    def _connect(self, client: _Client, body: bytes) -> bool:
        if not self._answering:
            return True
        if body[:7] != b"\0\4MQTT\4":  # something else than MQTT 3.1.1
            return False
        flags, fields = body[7], _Fields(body[10:])
        fields.text()  # the name that the client gave itself
        if flags & 4:
            client.will = Message(fields.text(), fields.data(), bool(flags & 0x20))
        given = (fields.text(), fields.text()) if flags & 0xC0 == 0xC0 else None
        code = self.refusal or (_NOT_AUTHORIZED if self.login not in (None, given) else 0)
        if code:
            client.will = None
        client.send(_CONNACK, bytes([0, code]))
        return not code

    def _take(self, client: _Client, flags: int, body: bytes) -> None:
        fields = _Fields(body)
        topic = fields.text()
        if flags & 6:
            client.send(_PUBACK, fields.take(2))
        self._publish(Message(topic, fields.rest, bool(flags & 1)))

    def _publish(self, message: Message) -> None:
        with self._lock:
            if message.retain:
                self._retained[message.topic] = message
            for client in self._clients:
                if {"#", message.topic} & set(client.filters):
                    _pass_on(client, message, retained=False)

    def _subscribe(self, client: _Client, body: bytes) -> None:
        fields = _Fields(body)
        number, wanted, quality = fields.take(2), fields.text(), fields.take(1)
        with self._lock:
            client.filters.append(wanted)
            client.send(_SUBACK, number + quality)
            for message in self._retained.values():
                if wanted in ("#", message.topic):
                    _pass_on(client, message, retained=True)


class _Fields:
    """The fields of a packet, taken one after the other."""

    def __init__(self, rest: bytes) -> None:
        self.rest = rest

    def take(self, count: int) -> bytes:
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def data(self) -> bytes:
        return self.take(struct.unpack("!H", self.take(2))[0])

    def text(self) -> str:
        return self.data().decode()


def _pass_on(client: _Client, message: Message, *, retained: bool) -> None:
    topic = message.topic.encode()
    client.send(_PUBLISH, struct.pack("!H", len(topic)) + topic + message.payload, int(retained))


def _read(incoming: BinaryIO) -> tuple[int, int, bytes] | None:
    try:
        first = incoming.read(1)
        size, shift, more = 0, 0, bool(first)
        while more:
            digit = incoming.read(1)[0]
            size, shift, more = size | (digit & 127) << shift, shift + 7, digit > 127
        body = incoming.read(size)
    except (OSError, IndexError):  # cut off
        return None
    return (first[0] >> 4, first[0] & 15, body) if first and len(body) == size else None


def _length(size: int) -> bytes:
    digits = [size % 128]
    while size := size // 128:
        digits[-1] |= 128
        digits.append(size % 128)
    return bytes(digits)
