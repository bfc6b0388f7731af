"""The connection to an MQTT broker: one thread that publishes, and comes back when it was lost."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import math
import secrets
import select
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edge_emo.errors import (
    ConfigError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    EdgeEmoError,
)
from edge_emo.sinks.login import Login
from edge_emo.sync.delivery import Mailbox, Policy

BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits between attempts to reach a broker, seconds; the last one repeats."""

WAITING = 32
"""States that wait for a slow broker at most; a newer one drops the oldest."""

KEEPALIVE_S = 15
"""A broker that hears nothing for half as long again publishes the last will."""

LOGIN = "EDGE_EMO_MQTT"
"""Prefix of the environment variables of the login."""

_ENDING_S = 2.0
_TICK_S = 1.0
_PAUSE_S = 0.1
_ASK_FOR_LOGIN = f"set {LOGIN}_USERNAME and {LOGIN}_PASSWORD, or name a file: ?login=FILE"
_WAIT = "to begin without it: ?wait=true"
_LOGIN_REFUSED = ("Bad user name or password", "Not authorized")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a broker.

    Attributes:
        scheme: ``mqtt`` or ``mqtts``.
        host: Name or address of the broker.
        port: TCP port.
        name: Where the states go.
    """

    scheme: str
    host: str
    port: int
    name: str

    @classmethod
    def parse(cls, scheme: str, target: str, port: int) -> Topic:
        """Parse ``//host:port/topic``; no message repeats what might be a password.

        Raises:
            ConfigError: It has no host or no topic, or a login.
        """
        place, _, name = target.removeprefix("//").partition("/")
        if "@" in target:  # a slash in a password would move it into the topic
            raise ConfigError(f"{scheme}: takes no login in its address", hint=_ASK_FOR_LOGIN)
        try:
            parts = urlsplit(f"//{place}")
            host, port = parts.hostname or "", port if parts.port is None else parts.port
        except ValueError:
            host = ""
        wrong = not name or not name.isprintable() or name[0] == "$" or set("#+") & set(name)
        if not target.startswith("//") or not host or not port or wrong:
            raise ConfigError(
                f"{scheme}: names no broker and topic",
                hint=f"{scheme}://127.0.0.1:{port or 1883}/edge_emo, no +, #, @ or leading $",
            )
        return cls(scheme, host, port, name)

    @property
    def availability(self) -> str:
        """The topic that says ``online`` or ``offline``."""
        return f"{self.name}/availability"

    def __str__(self) -> str:
        """Return the address, which holds no login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.name}"


@dataclass(frozen=True, slots=True)
class MqttStatus:
    """Condition of the connection to a broker.

    Attributes:
        connected: Whether the broker takes states now.
        reason: Why it does not; empty when it does.
        reconnects: How often it was lost.
        sent: States handed over.
        lost: States that the broker was too slow for, or that came while it was away.
    """

    connected: bool
    reason: str
    reconnects: int
    sent: int
    lost: int


class BackOff:
    """How long to wait before a broker is tried again: ever longer until one keeps us."""

    def __init__(self) -> None:
        self._attempts = 0

    def after(self, kept_s: float) -> float:
        """Return the wait, in seconds.

        Args:
            kept_s: How long the broker had us, in seconds; 0 when it did not take us in. One that
                hangs up within the longest wait is tried no more often than one that is away.
        """
        self._attempts = 1 if kept_s > BACK_OFF_S[-1] else self._attempts + 1
        return BACK_OFF_S[min(self._attempts, len(BACK_OFF_S)) - 1]


class Uplink:
    """Owns the connection to a broker and the one thread that uses it.

    Args:
        paho: The module ``paho.mqtt.client``.
        topic: Where states go.
        login: Who we are; None for a broker that asks nobody.
        tls: Whom to trust; None for a connection in clear text.
        retain: Let the broker keep the newest state.
        timeout_s: How long the broker may take to answer.
    """

    def __init__(
        self,
        paho: Any,
        topic: Topic,
        login: Login | None,
        tls: ssl.SSLContext | None,
        retain: bool,
        timeout_s: float,
    ) -> None:
        self._paho = paho
        self._topic = topic
        self._login = login
        self._tls = tls
        self._retain = retain
        self._timeout_s = timeout_s
        self._box: Mailbox[bytes] = Mailbox(Policy.DROP_OLDEST, WAITING)
        self._changed = threading.Condition()
        self._up = False
        self._error: EdgeEmoError | None = None
        self._why: EdgeEmoError | None = None
        self._told = ""
        self._begun = False
        self._reconnects = self._sent = self._missed = 0
        self._warned = tls is not None
        self._stop = threading.Event()
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=str(topic), daemon=True)

    def start(self, *, wait: bool = False) -> None:
        """Start the thread, which connects.

        Args:
            wait: Begin without the broker; why it is missing is then logged, not raised.

        Raises:
            EdgeEmoError: Why the first attempt failed; the thread goes on until it is stopped.
        """
        self._begun = wait
        self._thread.start()
        if not wait:
            self._wait_up()

    def stop(self, timeout_s: float = _ENDING_S + 0.5) -> None:
        """Say goodbye and end the thread; one that hangs in the network is left to itself."""
        self._stop.set()
        self._wake()
        self._thread.join(timeout_s)
        self._waker.close()
        self._woken.close()

    def offer(self, state: bytes) -> None:
        """Publish a state as soon as the broker takes it; never waits."""
        self._box.put(state)
        self._wake()

    @property
    def status(self) -> MqttStatus:
        """Condition of the connection."""
        with self._changed:
            reason = "" if self._up else str(self._error or self._why or "not connected yet")
            lost = self._missed + self._box.drops
            return MqttStatus(self._up, reason, self._reconnects, self._sent, lost)

    def _wait_up(self) -> None:
        longest_s = 3 * self._timeout_s  # for the name, the connection and the answer
        with self._changed:
            self._changed.wait_for(lambda: self._up or self._error is not None, longest_s)
            if not self._up:
                raise self._error or _silent(self._topic, longest_s)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # woken already
            self._waker.send(b"\0")

    def _run(self) -> None:
        back_off = BackOff()
        while not self._stop.is_set():
            self._stop.wait(back_off.after(self._converse()))
        self._forget(keep=0)

    def _converse(self) -> float:
        """Connect and serve the broker until it is lost; return for how many seconds it had us."""
        self._why, was_up, begun_s = None, False, time.monotonic()
        try:
            self._look_up()
            client = self._client()
            client.connect(self._topic.host, self._topic.port, KEEPALIVE_S)
            begun_s = time.monotonic()
            with contextlib.ExitStack() as undo:
                undo.callback(_hang_up, client)
                was_up = self._serve(client)
        except (OSError, UnicodeError) as error:
            self._why = _explained(self._topic, error)
        except Exception as error:  # whatever it is, the broker is tried again
            self._why = DeviceError(f"the connection to {self._topic} failed: {error!r}")
            if str(self._why) != self._told:
                _log.error("%s: the connection failed", self._topic, exc_info=error)
        if not self._stop.is_set():
            self._down(self._why or DeviceLostError(f"{self._topic} was lost"), was_up)
        return time.monotonic() - begun_s if was_up else 0.0

    def _client(self) -> Any:
        client = self._paho.Client(
            self._paho.CallbackAPIVersion.VERSION2,
            client_id=f"edgeemo{secrets.token_hex(8)}",  # what every broker takes: 23 letters
            reconnect_on_failure=False,
        )
        client.connect_timeout = self._timeout_s
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.will_set(self._topic.availability, "offline", qos=1, retain=True)
        if self._login is not None:
            client.username_pw_set(self._login.username, self._login.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client

    def _look_up(self) -> None:
        """Find the broker, and say once when states are about to leave this device unencrypted."""
        found = socket.getaddrinfo(self._topic.host, self._topic.port, type=socket.SOCK_STREAM)
        if self._warned or all(_is_here(str(address[0])) for *_, address in found):
            return
        self._warned = True
        _log.warning(
            "%s: states%s leave this device in clear text; mqtts:// encrypts them",
            self._topic,
            " and the password" if self._login and self._login.password else "",
        )

    def _serve(self, client: Any) -> bool:
        deadline_s, was_up = time.monotonic() + self._timeout_s, False
        while client.socket() is not None and not self._stop.is_set():
            was_up = was_up or self._up
            if not was_up and time.monotonic() > deadline_s:
                self._why = _silent(self._topic, self._timeout_s)
                return False
            more = self._send_next(client)
            self._turn(client, 0.0 if more else min(_TICK_S, self._timeout_s))
        self._say_goodbye(client)
        return was_up

    def _turn(self, client: Any, timeout_s: float) -> None:
        """Read and write what is there, waiting at most so long."""
        opened = client.socket()
        if opened is None:  # lost while it was written to
            return
        unread = isinstance(opened, ssl.SSLSocket) and opened.pending() > 0  # select misses it
        poll = select.poll()  # select takes no file beyond the 1024th of a process
        poll.register(self._woken, select.POLLIN)
        poll.register(opened, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        ready = dict(poll.poll(0 if unread else math.ceil(timeout_s * 1000)))
        events = ready.get(opened.fileno(), 0)
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
        if unread or events & ~select.POLLOUT:  # also what has hung up
            client.loop_read()
        if events & select.POLLOUT:
            client.loop_write()
        client.loop_misc()

    def _send_next(self, client: Any) -> bool:
        """Publish the oldest state unless the one before is on its way; tell whether more wait."""
        if not self._up or client.want_write():
            return False
        state = self._box.take()
        if state is None:
            return False
        sent = not client.publish(self._topic.name, state, qos=0, retain=self._retain).rc
        with self._changed:
            self._sent += sent
            self._missed += not sent
        return len(self._box) > 0 and not client.want_write()

    def _say_goodbye(self, client: Any) -> None:
        """Publish what waits and that we are gone; a broker too slow for it has the last will."""
        deadline_s = time.monotonic() + _ENDING_S
        while self._up and len(self._box) and time.monotonic() < deadline_s:
            more = self._send_next(client)
            self._turn(client, 0.0 if more else _PAUSE_S)
        if self._up:
            client.publish(self._topic.availability, "offline", qos=1, retain=True)
            client.disconnect()
        while self._up and time.monotonic() < deadline_s:
            self._turn(client, _PAUSE_S)

    def _on_connect(self, client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            self._why = _refused(self._topic, str(code))
            return
        client.publish(self._topic.availability, "online", qos=1, retain=True)
        self._forget(keep=1)  # a hub acts on what it gets
        if self._told:
            _log.warning("%s takes states", self._topic)
        with self._changed:
            self._up, self._begun, self._error, self._told = True, True, None, ""
            self._changed.notify_all()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        end = "was lost" if self._up else "hung up before it answered"
        self._why = self._why or DeviceLostError(f"{self._topic} {end}: {code}")
        with self._changed:
            self._up = False

    def _down(self, error: EdgeEmoError, was_up: bool) -> None:
        if self._begun and str(error) != self._told:
            _log.warning("%s takes no states: %s", self._topic, error)
        with self._changed:
            self._up, self._error, self._told = False, error, str(error)
            self._reconnects += was_up
            self._changed.notify_all()

    def _forget(self, keep: int) -> None:
        """Count as lost all states that wait but the newest."""
        while len(self._box) > keep and self._box.take() is not None:
            with self._changed:
                self._missed += 1


def _hang_up(client: Any) -> None:
    opened = client.socket()
    if opened is not None:
        opened.close()


def _is_here(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _silent(topic: Topic, waited_s: float) -> DeviceTimeoutError:
    return DeviceTimeoutError(
        f"{topic} did not answer within {waited_s:g} s", hint="is it a broker? see ?timeout_s="
    )


def _refused(topic: Topic, reason: str) -> EdgeEmoError:
    if reason in _LOGIN_REFUSED:
        return ConfigError(f"{topic} refused the login: {reason}", hint=_ASK_FOR_LOGIN)
    return DeviceError(f"{topic} refused the connection: {reason}")


def _explained(topic: Topic, error: OSError | UnicodeError) -> EdgeEmoError:
    if isinstance(error, socket.gaierror | UnicodeError):
        return ConfigError(f"{topic}: there is no host {topic.host!r}: {error}", hint=_WAIT)
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeviceError(
            f"{topic} shows a certificate that is not trusted here: {error.verify_message}",
            hint="name the authority that signed it: ?ca=FILE",
        )
    if topic.scheme == "mqtts" and isinstance(error, ssl.SSLError | ConnectionResetError):
        return DeviceError(f"{topic} speaks no TLS: {error}", hint="without TLS: mqtt://")
    return DeviceNotFoundError(f"no broker answers at {topic}: {error}", hint=_WAIT)
