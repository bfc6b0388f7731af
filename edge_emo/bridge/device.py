"""The board's side of the protocol in Python: a software device, without a port or threads.

It behaves as the C library does; the tests hold both to the same frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge_emo.bridge import framing
from edge_emo.bridge.messages import SensorStream, cut, stream_to_wire
from edge_emo.bridge.schema import WireMessage, message, parse
from edge_emo.errors import FrameError

HELLO_US = 1_000_000
HOST_TIMEOUT_US = 3_000_000
_UNSUPPORTED, _BAD_VALUE, _VERSION = 1, 2, 6
_ALL_CAPABILITIES = 7
_LOG_BYTES = 79


@dataclass(frozen=True, slots=True)
class Identity:
    """What a software device says of itself."""

    board: str = "simulated"
    firmware: str = "1.0.0"
    serial: str = "SIM0001"
    streams: Sequence[SensorStream] = field(default=())


class SoftwareDevice:
    """One device.

    Args:
        identity: What it says of itself.
        on_state: Called with each State message.
        version: Version of the protocol that it speaks.

    Attributes:
        up: A host has greeted it.
        active_streams: Bit set of the streams that the host wants.
        brightness: Newest brightness setting, thousandths.
        duplicates: Frames that came again and were not obeyed.
    """

    def __init__(
        self,
        identity: Identity,
        on_state: Callable[[WireMessage], None] = lambda state: None,
        version: int = framing.VERSION,
    ) -> None:
        self.up = False
        self.active_streams = 0
        self.brightness = 1000
        self.duplicates = 0
        self._identity = identity
        self._on_state = on_state
        self._version = version
        self._session = 0
        self._parser = framing.FrameParser()
        self._sequence = 0
        self._last = 0
        self._heard_us = 0
        self._hello_us = 0
        self._out = bytearray()

    def receive(self, data: bytes, now_us: int) -> None:
        """Take bytes from the host."""
        for frame in self._parser.feed(data):
            self._take(frame, now_us)

    def poll(self, now_us: int) -> None:
        """Do what is due."""
        if self.up and now_us - self._heard_us > HOST_TIMEOUT_US:
            self._hang_up(now_us)
        if not self.up and now_us >= self._hello_us:
            self._hello_us = now_us + HELLO_US
            self._announce_device()

    def take_output(self) -> bytes:
        """Return the bytes to send, and forget them."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def samples(self, stream: int, first: int, t_us: int, counts: Sequence[int]) -> bool:
        """Send samples; False when nobody wants them."""
        if not self.up or not self.active_streams >> stream & 1:
            return False
        first &= 0xFFFFFFFF
        self._send(message("samples", stream=stream, first=first, t_us=t_us, counts=counts))
        return True

    def log(self, text: str, level: int = 1) -> None:
        """Send a line of text."""
        if self.up:
            self._send(message("log", level=level, text=cut(text, _LOG_BYTES)))

    def _send(self, wire: WireMessage) -> None:
        self._out += framing.pack(wire.SerializeToString(), self._sequence, self._version)
        self._sequence = (self._sequence + 1) & 0xFFFF

    def _announce_device(self) -> None:
        who = self._identity
        self._send(
            message(
                "device_hello",
                protocol=self._version,
                board=who.board,
                firmware=who.firmware,
                serial=who.serial,
                session=self._session,
                capabilities=_ALL_CAPABILITIES,
                streams=len(who.streams),
            )
        )

    def _hang_up(self, now_us: int) -> None:
        self.up, self._session, self.active_streams = False, 0, 0
        self._hello_us = now_us

    def _take(self, frame: framing.Frame, now_us: int) -> None:
        if frame.version != self._version:
            self._send(message("error", code=_VERSION, text=self._identity.board))
            return
        try:
            wire = parse(frame.payload)
            body = wire.WhichOneof("body")
        except FrameError:
            wire, body = None, "unreadable"
        if body == "host_hello":
            self._greet(wire.host_hello.session, frame.sequence, now_us)
        elif self.up:
            self._heard_us = now_us
            if self._is_fresh(frame.sequence):
                self._obey(body, wire, frame.sequence, now_us)

    def _greet(self, session: int, sequence: int, now_us: int) -> None:
        self.up, self._session, self.active_streams = True, session, 0
        self._last, self._heard_us = sequence, now_us
        self._announce_device()
        for stream in self._identity.streams:
            self._send(stream_to_wire(stream))

    def _is_fresh(self, sequence: int) -> bool:
        ahead = (sequence - self._last) & 0xFFFF
        if ahead == 0 or ahead >= 0x8000:
            self.duplicates += 1
            return False
        self._last = sequence
        return True

    def _obey(self, body: str | None, wire: WireMessage, sequence: int, now_us: int) -> None:
        if body == "ping":
            self._send(message("pong", id=wire.ping.id, received_us=now_us, sent_us=now_us))
        elif body == "state":
            self._on_state(wire.state)
            self._send(message("ack", sequence=sequence))
        elif body == "config":
            self._configure(wire.config)
            self._send(message("ack", sequence=sequence))
        elif body == "goodbye":
            self._hang_up(now_us)
        elif body == "unreadable":
            self._send(message("ack", sequence=sequence, code=_BAD_VALUE))
        elif body is None:
            self._send(message("ack", sequence=sequence, code=_UNSUPPORTED))

    def _configure(self, config: WireMessage) -> None:
        if config.HasField("active_streams"):
            self.active_streams = config.active_streams
        if config.HasField("brightness"):
            self.brightness = config.brightness
