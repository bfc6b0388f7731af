"""One open port that serves the sink and the driver alike, and comes back when it was lost."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge_emo.bridge.host import Counters, HostSession, Phase
from edge_emo.bridge.messages import Board, BoardText, Event, LinkChange
from edge_emo.bridge.port import Port, check_target, open_port
from edge_emo.clock import Clock
from edge_emo.errors import (
    ConfigError,
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    EdgeEmoError,
)
from edge_emo.types import EmotionState

BACK_OFF_S = (0.1, 0.2, 0.5)
"""Waits between attempts to reach a lost board, seconds; the last one repeats."""

_LONGEST_S = 3600.0
_FASTEST_HZ = 1000.0
_OPEN_S = 10.0  # importing pyserial and protobuf, and opening a port, on the slowest of boards
_log = logging.getLogger(__name__)
_LEVELS = {"debug": logging.DEBUG, "warning": logging.WARNING, "error": logging.ERROR}

Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How a port is used; who shares a port shares them.

    Attributes:
        baud: Bits per second; USB ports ignore it.
        timeout_s: How long a board may take to answer the greeting.
        rate_hz: Most states a second.

    Raises:
        ConfigError: One of them is out of range.
    """

    baud: int = 115_200
    timeout_s: float = 3.0
    rate_hz: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what no port can do; a board greeted for no time never answers."""
        if self.baud < 1:
            raise ConfigError(f"baud = {self.baud} is not above 0")
        if not 0 < self.timeout_s <= _LONGEST_S:
            raise ConfigError(f"timeout_s = {self.timeout_s} is not in 0 … {_LONGEST_S:g}")
        if not 0 < self.rate_hz <= _FASTEST_HZ:
            raise ConfigError(f"rate_hz = {self.rate_hz} is not in 0 … {_FASTEST_HZ:g}")


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """Condition of a link.

    Attributes:
        board: The board, or None while the link is down.
        reason: Why it is down; empty when up.
        reconnects: How often it was lost.
        drift_ppm: How much faster the board's clock runs.
        round_trip_ns: Shortest recent round trip of a ping.
        ack_ns: How long the newest acknowledged state took.
        counters: What went over the wire.
    """

    board: Board | None
    reason: str
    reconnects: int
    drift_ppm: float
    round_trip_ns: int
    ack_ns: int
    counters: Counters


class Link:
    """Owns one port and the thread that reads it. Made by :func:`acquire`.

    Args:
        target: The port.
        clock: The session clock.
        settings: How the port is used.
        trace: Takes ``(is_sent, bytes)`` of everything on the wire; for people who debug.
    """

    def __init__(
        self,
        target: str,
        clock: Clock,
        settings: LinkSettings,
        trace: Callable[[bool, bytes], None] | None = None,
    ) -> None:
        self.target = check_target(target)
        self.clock = clock
        self.settings = settings
        self._trace = trace
        self._changed = threading.Condition()
        self._session: HostSession | None = None
        self._port: Port | None = None
        self._counters = Counters()
        self._config: dict[str, int] = {}
        self._listeners: list[Listener] = []
        self._error: EdgeEmoError | None = None
        self._untold: LinkChange | None = None
        self._complaint: BoardText | None = None
        self._reconnects = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"bridge {target}", daemon=True)

    def start(self) -> None:
        """Start the thread; it opens the port."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Say goodbye, release the port and end the thread."""
        with self._changed:
            self._stop.set()  # the thread cannot close the port before the goodbye is written
            if self._session is not None:
                self._session.goodbye()
                with contextlib.suppress(OSError):
                    self._flush()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def wait_up(self, timeout_s: float | None = None) -> Board:
        """Wait until the board has answered.

        Args:
            timeout_s: Longest wait; when None, an error of the first attempt ends it.

        Raises:
            EdgeEmoError: Why the newest attempt failed.
        """
        longest_s = self.settings.timeout_s + _OPEN_S if timeout_s is None else timeout_s
        with self._changed:
            self._changed.wait_for(
                lambda: self._up or (timeout_s is None and self._error is not None), longest_s
            )
            if self._session is not None and self._session.board is not None:
                return self._session.board
            raise self._error or DeviceTimeoutError(f"{self.target} is still being opened")

    def offer(self, state: EmotionState) -> None:
        """Send a state, or keep it until the board is ready; a newer one replaces it."""
        with self._changed:
            if self._session is None:
                self._counters.states_replaced += 1
                return
            self._session.offer(state, self.clock.now_ns())
            self._try_flush()

    def configure(self, **settings: int) -> None:
        """Change settings of the board; kept, and sent again whenever it comes back."""
        with self._changed:
            self._config |= settings
            if self._session is not None:
                self._session.configure(self._config, self.clock.now_ns())
                self._try_flush()

    def limit_rate(self, rate_hz: float) -> None:
        """Send at most so many states a second from now on."""
        with self._changed:
            self.settings = dataclasses.replace(self.settings, rate_hz=rate_hz)
            if self._session is not None:
                self._session.limit_rate(rate_hz)

    def activate(self, stream: int, *, on: bool) -> None:
        """Ask for the samples of a stream, or no longer."""
        with self._changed:
            mask = self._config.get("active_streams", 0) & ~(1 << stream)
            self.configure(active_streams=mask | (on << stream))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each event, on the link's thread.

        Returns:
            A function that ends it.
        """
        with self._changed:
            self._listeners = [*self._listeners, listener]
        return lambda: self._forget(listener)

    @property
    def status(self) -> LinkStatus:
        """Condition of the link."""
        with self._changed:
            session = self._session
            return LinkStatus(
                board=session.board if session else None,
                reason="" if self._up else str(self._error or "not open yet"),
                reconnects=self._reconnects,
                drift_ppm=session.clock.drift_ppm if session else 0.0,
                round_trip_ns=session.clock.round_trip_ns if session else 0,
                ack_ns=session.ack_ns if session else 0,
                counters=self._counters,
            )

    @property
    def _up(self) -> bool:
        return self._session is not None and self._session.phase is Phase.UP

    def _forget(self, listener: Listener) -> None:
        with self._changed:
            self._listeners = [kept for kept in self._listeners if kept is not listener]

    def _run(self) -> None:
        attempt = 0
        while not self._stop.is_set():
            was_up = self._converse()
            attempt = 0 if was_up else attempt + 1
            self._stop.wait(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)])

    def _converse(self) -> bool:
        """Open the port and serve it until it is lost; return whether the board had answered."""
        try:
            self._tell_loss()
            port = open_port(self.target, self.settings.baud)
            with contextlib.closing(port), contextlib.ExitStack() as undo:
                undo.callback(self._let_go)
                return self._serve(port)
        except EdgeEmoError as error:  # such as a package that is missing
            self._lost(error)
        except Exception as error:  # whatever it is, the board is greeted again
            failure = DeviceError(f"the link to {self.target} failed: {error!r}")
            if str(failure) != str(self._error):  # the same again is not told again
                _log.error("%s: the link failed", self.target, exc_info=error)
            self._lost(failure)
        return False

    def _let_go(self) -> None:
        """Wait for whoever writes to the port at this moment; nobody does after this."""
        with self._changed:
            self._port = None

    def _serve(self, port: Port) -> bool:
        session = HostSession(
            self.target,
            secrets.randbits(31) + 1,
            self.clock.now_ns(),
            timeout_s=self.settings.timeout_s,
            rate_hz=self.settings.rate_hz,
            counters=self._counters,
        )
        with self._changed:
            self._session, self._port = session, port
            session.configure(self._config, self.clock.now_ns())
        was_up = False
        while not self._stop.is_set() and session.phase is not Phase.FAILED:
            self._step(session, port)
            was_up = was_up or session.phase is Phase.UP
        for event in session.poll(self.clock.now_ns()):  # a loss that a writer met after the step
            self._tell(event)
        if session.failure is not None:
            self._lost(session.failure)
        return was_up

    def _step(self, session: HostSession, port: Port) -> None:
        try:
            data = port.read()
            if data and self._trace:
                self._trace(False, data)
            with self._changed:
                now_ns = self.clock.now_ns()
                events = session.receive(data, now_ns)
                events += session.poll(now_ns)
                self._flush()
        except OSError as error:
            session.fail(self._gone(error))
            events = session.poll(self.clock.now_ns())
        for event in events:
            self._tell(event)

    def _gone(self, error: OSError) -> DeviceError:
        return DeviceLostError(f"{self.target} is gone: {error}", hint="plug it in again")

    def _tell(self, event: Event) -> None:
        if isinstance(event, LinkChange):
            self._note(event)
        elif isinstance(event, BoardText):
            self._log_text(event)
        for listener in self._listeners:
            listener(event)

    def _tell_loss(self) -> None:
        """Tell of a link that was up when it failed; whoever fails to hear it is logged as well."""
        change, self._untold = self._untold, None
        if change is not None:
            self._tell(change)

    def _log_text(self, said: BoardText) -> None:
        """Log what the board says; a complaint only once, until it has another."""
        level = _LEVELS.get(said.level, logging.INFO)
        if level >= logging.WARNING:
            former, self._complaint = self._complaint, said
            if said == former:
                return
        _log.log(level, "%s: the board says: %s", self.target, said.text)

    def _note(self, change: LinkChange) -> None:
        with self._changed:
            if change.up:
                self._error = None
                _log.info("%s: the board answers", self.target)
            else:
                self._reconnects += 1
                _log.warning("%s", change.reason)
            self._changed.notify_all()

    def _lost(self, error: EdgeEmoError) -> None:
        with self._changed:
            if self._up:
                self._untold = LinkChange(up=False, reason=str(error))
            self._session, self._port, self._error = None, None, error
            self._changed.notify_all()

    def _try_flush(self) -> None:
        try:
            self._flush()
        except OSError as error:
            if self._session is not None:
                self._session.fail(self._gone(error))

    def _flush(self) -> None:
        data = self._session.take_output() if self._session else b""
        if data and self._port is not None:
            if self._trace:
                self._trace(True, data)
            self._port.write(data)


_open: dict[str, tuple[Link, int]] = {}
_open_lock = threading.Lock()


def acquire(target: str, clock: Clock, settings: LinkSettings | None = None) -> Link:
    """Return the running link of a port, shared by all in this process who name it.

    Args:
        target: The port.
        clock: The session clock; all who share a port share the clock.
        settings: How the port is used; when None, as the others use it.

    Raises:
        ConfigError: The target names no port, or it is open at another baud rate.
        DeviceBusyError: Another session of this process holds the port.
    """
    with _open_lock:
        link, users = _open.get(target, (None, 0))
        if link is None:
            link = Link(target, clock, settings or LinkSettings())
            link.start()
        elif link.clock is not clock:
            raise DeviceBusyError(
                f"another session of this program holds {target}", hint="close that one first"
            )
        elif settings is not None and settings.baud != link.settings.baud:
            raise ConfigError(
                f"{target} is open at {link.settings.baud} baud, not at {settings.baud}",
                hint=f"write the same for the driver and the sink: bridge:{target}?baud=…",
            )
        _open[target] = (link, users + 1)
        return link


def release(link: Link) -> None:
    """Give a link back; the last to do so closes the port."""
    with _open_lock:
        held, users = _open.get(link.target, (None, 0))
        if held is not link:
            return
        if users > 1:
            _open[link.target] = (link, users - 1)
            return
        del _open[link.target]
    link.stop()
