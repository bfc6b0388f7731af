"""States to a microcontroller: ``bridge:/dev/ttyACM0``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping

from edge_emo.bridge.link import Link, LinkSettings, LinkStatus, acquire, release
from edge_emo.bridge.port import check_target
from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, ConfigError
from edge_emo.sinks.base import Sink
from edge_emo.types import EmotionState, StreamInfo

_log = logging.getLogger(__name__)


class BridgeSink(Sink):
    """Sends the newest state to a board; one that the board is too slow for is replaced.

    A board that is lost is greeted again by itself; the session goes on meanwhile.

    Args:
        target: ``/dev/ttyACM0``, ``usb:SERIALNUMBER`` or ``socket://host:port``.
        rate_hz: Most states a second.
        brightness: Share of full brightness that the board shall use, 0 … 1.
        wait: Begin the session without the board when it is missing.
        baud: Bits per second; USB ports ignore it.
        timeout_s: How long the board may take to answer.

    Raises:
        ConfigError: The target names no port, or an option is out of range.
    """

    def __init__(
        self,
        target: str,
        *,
        rate_hz: float = 20.0,
        brightness: float | None = None,
        wait: bool = False,
        baud: int = 115_200,
        timeout_s: float = 3.0,
    ) -> None:
        if brightness is not None and not 0 <= brightness <= 1:
            raise ConfigError(f"brightness = {brightness} is not in 0 … 1")
        self._target = check_target(target)
        self._settings = LinkSettings(baud, timeout_s, rate_hz)
        self._brightness = brightness
        self._wait = wait
        self._link: Link | None = None

    @property
    def status(self) -> LinkStatus:
        """Condition of the link.

        Raises:
            ClosedError: The sink is not open.
        """
        if self._link is None:
            raise ClosedError("the bridge sink is not open")
        return self._link.status

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Open the port and greet the board.

        Raises:
            UnavailableError: pyserial or protobuf is missing.
            DeviceError: There is no such port, it is in use, or no board answers on it.
            ProtocolVersionError: The firmware speaks another version.
        """
        link = acquire(self._target, clock, self._settings)
        link.limit_rate(self._settings.rate_hz)
        with contextlib.ExitStack() as undo:
            undo.callback(release, link)
            if self._brightness is not None:
                link.configure(brightness=round(self._brightness * 1000))
            if not self._wait:
                link.wait_up()
            undo.pop_all()
        self._link = link

    def state(self, state: EmotionState) -> None:
        """Send a state, or keep it until the board is ready."""
        if self._link is not None:
            self._link.offer(state)

    def close(self) -> None:
        """Say goodbye and release the port, unless a driver uses it."""
        link, self._link = self._link, None
        if link is None:
            return
        count = link.status.counters
        _log.info(
            "%s: %d states acknowledged, %d replaced by newer ones, %d unanswered, %d refused",
            self._target,
            count.states_acknowledged,
            count.states_replaced,
            count.states_unanswered,
            count.states_refused,
        )
        release(link)
