"""The host's side of the protocol, without a port and without threads.

Bytes go in, events and bytes come out, and time is given. PROTOCOL.md, section 5, has the states.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass

from edge_emo.bridge import framing
from edge_emo.bridge.clockfit import ClockFit
from edge_emo.bridge.messages import (
    CODES,
    LEVELS,
    Acknowledged,
    Board,
    BoardText,
    Event,
    LinkChange,
    Pinged,
    SampleBlock,
    SensorStream,
    board_from,
    name_of,
    state_to_wire,
    stream_from,
    text_from,
)
from edge_emo.bridge.schema import WireMessage, message, parse
from edge_emo.errors import (
    BridgeError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    EdgeEmoError,
    FrameError,
    ProtocolVersionError,
)
from edge_emo.types import EmotionState
from edge_emo.version import __version__

GREET_NS = 250_000_000
"""Between two HostHello."""
BOOT_NS = 1_500_000_000
"""A board that restarts when its port is opened is not greeted again before this, or before it says
a good word: what arrives in this time holds the bootloader of an Arduino Mega for ever. It is half
the time that a board may take, where that is shorter."""
PING_NS = 500_000_000
"""Between two Ping; the first :data:`FIRST_PINGS` follow each other ten times as fast."""
FIRST_PINGS = 8
SILENT_NS = 2_000_000_000
"""A board from which no good frame came for so long is lost."""
ACK_NS = 250_000_000
"""A State or a Config that is not acknowledged for so long is counted lost; Config is repeated."""
CONFIG_TRIES = 5
_BUSY = 3
"""Code of a board that takes no settings now; they are repeated as if it had said nothing."""
STREAMS = 32
"""A board has so many at most; ``Config.active_streams`` has a bit for each."""
FAR_NS = 60_000_000_000
"""Samples that are stamped further from now than this are refused: the board's time is wrong."""

_SHOWN_BYTES = 40
_PINGS_REMEMBERED = 16
_ACKS_REMEMBERED = 16


class Phase(enum.Enum):
    """Where a session with a board is in its life."""

    GREETING = "greeting"
    UP = "up"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(slots=True)
class Counters:
    """What went over the wire, and what did not.

    Attributes:
        sent: Frames sent.
        received: Good frames received.
        bad: Runs of bytes that were no frame, frames that held no message, and samples of a time
            or streams of a number or a scale that cannot be.
        lost: Frames that the board's sequence numbers say are missing.
        duplicates: Frames that came again and were ignored.
        states_sent: States sent.
        states_acknowledged: States that the board acknowledged, late ones included.
        states_replaced: States that a newer one replaced before they were sent: back-pressure.
        states_unanswered: States that were not acknowledged in time.
        states_refused: States that the board acknowledged with an error.
    """

    sent: int = 0
    received: int = 0
    bad: int = 0
    lost: int = 0
    duplicates: int = 0
    states_sent: int = 0
    states_acknowledged: int = 0
    states_replaced: int = 0
    states_unanswered: int = 0
    states_refused: int = 0


class HostSession:
    """One conversation with one board, from the greeting to the loss.

    Args:
        where: The port, for messages.
        session: Random number that tells this conversation from earlier ones; not 0.
        now_ns: Session time.
        timeout_s: How long the board may take to answer the greeting.
        rate_hz: Most states a second.
        counters: Where to count; given when one link has several conversations.

    Attributes:
        phase: Where the conversation is.
        failure: What ended it.
        board: What the board says of itself; None before it has.
        clock: The board's clock.
        ack_ns: How long the newest acknowledged state took.
        quiet: Nothing was received yet, good or bad.
    """

    def __init__(
        self,
        where: str,
        session: int,
        now_ns: int,
        *,
        timeout_s: float = 3.0,
        rate_hz: float = 20.0,
        counters: Counters | None = None,
    ) -> None:
        self.phase = Phase.GREETING
        self.failure: EdgeEmoError | None = None
        self.board: Board | None = None
        self.clock = ClockFit()
        self.counters = counters or Counters()
        self.ack_ns = 0
        self._where = where
        self._session = session
        self._timeout_s = timeout_s
        self._deadline_ns = now_ns + round(timeout_s * 1e9)
        self._parser = framing.FrameParser()
        self._out = bytearray()
        self._seen = bytearray()
        self._sequence = 0
        self._last: int | None = None
        self._hello: WireMessage | None = None
        self._streams: dict[int, SensorStream] = {}
        self._greet_ns = now_ns
        self._booted_ns = now_ns + min(BOOT_NS, round(timeout_s * 5e8))
        self._announced_by = ""
        self._heard_ns = now_ns
        self._ping_ns = now_ns
        self._pings = 0
        self._pinged: dict[int, int] = {}
        self._config = _Config()
        self._outbox = _Outbox()
        self.limit_rate(rate_hz)

    def limit_rate(self, rate_hz: float) -> None:
        """Send at most so many states a second."""
        self._outbox.period_ns = round(1e9 / rate_hz)

    def receive(self, data: bytes, now_ns: int) -> list[Event]:
        """Take bytes; return what they tell, in order."""
        if self.phase is Phase.GREETING and len(self._seen) < _SHOWN_BYTES:
            self._seen += data[:_SHOWN_BYTES]
        events: list[Event] = []
        for frame in self._parser.feed(data):
            events += self._take(frame, now_ns)
        self.counters.bad += self._parser.bad
        self._parser.bad = 0
        return events

    def poll(self, now_ns: int) -> list[Event]:
        """Do what is due; return what it tells."""
        if self.phase is Phase.GREETING:
            self._greet(now_ns)
        elif self.phase is Phase.UP:
            self._keep_up(now_ns)
        if self.phase is Phase.FAILED and self.board is not None and self.failure is not None:
            self.board = None
            return [LinkChange(up=False, reason=str(self.failure))]
        return []

    def take_output(self) -> bytes:
        """Return the bytes to send, and forget them."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def offer(self, state: EmotionState, now_ns: int) -> None:
        """Give the newest state; it replaces one that waits."""
        self.counters.states_replaced += self._outbox.waiting is not None
        self._outbox.waiting = state
        self._send_state(now_ns)

    def configure(self, settings: dict[str, int], now_ns: int) -> None:
        """Set what the board shall do; sent now if it is up, and after every greeting."""
        self._config.settings = dict(settings)
        self._config.begin()
        self._send_config(now_ns)

    def goodbye(self) -> None:
        """End the conversation, and tell the board so."""
        if self.phase is Phase.UP:
            self._send(message("goodbye"))
        self.phase = Phase.ENDED

    def fail(self, error: EdgeEmoError) -> None:
        """End the conversation; the next poll tells why."""
        self.phase, self.failure = Phase.FAILED, error

    def _send(self, wire: WireMessage) -> int:
        sequence = self._sequence
        self._out += framing.pack(wire.SerializeToString(), sequence)
        self._sequence = (sequence + 1) & 0xFFFF
        self.counters.sent += 1
        return sequence

    def _greet(self, now_ns: int) -> None:
        if now_ns >= self._deadline_ns:
            self.fail(self._no_answer())
        elif now_ns >= self._greet_ns:
            self._greet_ns = max(now_ns + GREET_NS, self._booted_ns)
            self._send(message("host_hello", session=self._session, sdk=__version__[:15]))

    def _no_answer(self) -> DeviceError:
        if self._hello is not None:
            return DeviceError(
                f"{self._hello.board} on {self._where} announced {len(self._streams)} of its "
                f"{self._hello.streams} streams",
                hint="the line is noisy or the firmware is broken; flash it again",
            )
        if self._announced_by:
            return DeviceError(
                f"{self._announced_by} on {self._where} announces itself and does not hear this "
                "host",
                hint="check the wire to its RX",
            )
        if self._seen:
            return DeviceError(
                f"what is on {self._where} is no edge_emo board: it sent {bytes(self._seen)!r}",
                hint="list the ports: edge-emo devices; or flash a firmware of firmware_bridge/",
            )
        return DeviceTimeoutError(
            f"nothing on {self._where} answered within {self._timeout_s:g} s",
            hint="check the port, the baud rate, and that the firmware runs",
        )

    def _keep_up(self, now_ns: int) -> None:
        if now_ns - self._heard_ns >= SILENT_NS:
            self.fail(
                DeviceLostError(
                    f"the board on {self._where} sent no good frame for {SILENT_NS / 1e9:g} s",
                    hint="check its cable and its power; it is greeted again by itself",
                )
            )
            return
        if now_ns >= self._ping_ns:
            self._ping(now_ns)
        self._send_config(now_ns)
        self._send_state(now_ns)

    def _ping(self, now_ns: int) -> None:
        self._pings += 1
        self._ping_ns = now_ns + (PING_NS // 10 if self._pings < FIRST_PINGS else PING_NS)
        self._pinged[self._pings] = now_ns
        self._pinged.pop(self._pings - _PINGS_REMEMBERED, None)
        self._send(message("ping", id=self._pings))

    def _send_state(self, now_ns: int) -> None:
        box = self._outbox
        if box.sequence is not None and now_ns - box.sent[box.sequence] >= ACK_NS:
            self.counters.states_unanswered += 1
            box.sequence = None
        ready = self.phase is Phase.UP and box.sequence is None and now_ns >= box.next_ns
        if box.waiting is None or not ready:
            return
        box.sequence = self._send(state_to_wire(box.waiting, now_ns))
        box.waiting = None
        box.note(box.sequence, now_ns)
        box.next_ns = max(box.next_ns + box.period_ns, now_ns)
        self.counters.states_sent += 1

    def _send_config(self, now_ns: int) -> None:
        config = self._config
        if self.phase is not Phase.UP or config.settled or now_ns < config.again_ns:
            return
        if len(config.sequences) >= CONFIG_TRIES:
            self.fail(
                DeviceLostError(
                    f"the board on {self._where} did not acknowledge its settings",
                    hint="flash the firmware again, or check the line",
                )
            )
            return
        config.again_ns = now_ns + ACK_NS
        config.sequences.append(self._send(message("config", **config.settings)))

    def _take(self, frame: framing.Frame, now_ns: int) -> list[Event]:
        if frame.version != framing.VERSION:
            self.fail(_other_version(frame, self._where))
            return []
        try:
            wire = parse(frame.payload)
        except FrameError:
            self.counters.bad += 1
            return []
        self._heard_ns = now_ns
        self.counters.received += 1
        body = wire.WhichOneof("body")
        if body in ("device_hello", "host_hello"):
            self._last = frame.sequence
        elif not self._is_fresh(frame.sequence):
            return []
        return self._obey(body, wire, now_ns)

    def _is_fresh(self, sequence: int) -> bool:
        if self._last is None:
            self._last = sequence
            return True
        ahead = (sequence - self._last) & 0xFFFF
        if ahead == 0 or ahead >= 0x8000:
            self.counters.duplicates += 1
            return False
        self.counters.lost += ahead - 1
        self._last = sequence
        return True

    def _obey(self, body: str | None, wire: WireMessage, now_ns: int) -> list[Event]:
        if body == "host_hello":
            self.fail(_echo(self._where))
        elif body == "device_hello":
            return self._greeted(wire.device_hello, now_ns)
        elif body == "sensor_stream":
            return self._announced(wire.sensor_stream, now_ns)
        elif body == "error":
            return [text_from(wire.error)]
        elif body == "log":
            return [BoardText(name_of(LEVELS, wire.log.level), wire.log.text)]
        elif self.phase is Phase.UP:
            return self._serve(body, wire, now_ns)
        return []

    def _serve(self, body: str | None, wire: WireMessage, now_ns: int) -> list[Event]:
        if body == "pong":
            pong = wire.pong
            sent_ns = self._pinged.pop(pong.id, None)
            if sent_ns is not None:
                self.clock.add(sent_ns, pong.received_us, pong.sent_us, now_ns)
                return [Pinged(now_ns - sent_ns)]
        elif body == "ack":
            return self._acknowledged(wire.ack, now_ns)
        elif body == "samples" and self.clock.known:
            got = wire.samples
            t_ns = self.clock.session_ns(got.t_us)
            if abs(now_ns - t_ns) > FAR_NS:
                self.counters.bad += 1
                return []
            return [SampleBlock(got.stream, got.first, t_ns, tuple(got.counts))]
        return []

    def _greeted(self, hello: WireMessage, now_ns: int) -> list[Event]:
        if hello.protocol != framing.VERSION:
            self.fail(_version_error(hello.protocol, hello.board, hello.firmware, self._where))
            return []
        if hello.session == self._session:
            self._hello = hello
            return self._come_up(now_ns)
        self._announced_by = hello.board
        if self._greet_ns == self._booted_ns:  # it has started; later greetings keep their time
            self._greet_ns = now_ns
        self._booted_ns = now_ns
        if self.phase is Phase.UP:
            self.fail(
                DeviceLostError(
                    f"{hello.board} on {self._where} restarted",
                    hint="it is greeted again by itself; when this repeats, check its power",
                )
            )
        return []

    def _announced(self, stream: WireMessage, now_ns: int) -> list[Event]:
        found = stream_from(stream)
        if found.id >= STREAMS or not all(map(math.isfinite, (*found.scales, *found.offsets))):
            self.counters.bad += 1
            return []
        self._streams[found.id] = found
        return self._come_up(now_ns)

    def _come_up(self, now_ns: int) -> list[Event]:
        hello = self._hello
        if self.phase is not Phase.GREETING or hello is None or len(self._streams) < hello.streams:
            return []
        self.phase = Phase.UP
        self.board = board_from(hello, self._streams)
        self._ping_ns = now_ns
        self._config.begin()
        return [LinkChange(up=True)]

    def _acknowledged(self, ack: WireMessage, now_ns: int) -> list[Event]:
        box, config = self._outbox, self._config
        if ack.sequence in config.sequences:  # a state of that number is long forgotten
            if ack.code == _BUSY and len(config.sequences) < CONFIG_TRIES:
                return []
            config.settled = True
            text = f"{name_of(CODES, ack.code)}: settings {config.settings}"
            return [BoardText("error", text)] if ack.code else []
        sent_ns = box.sent.pop(ack.sequence, None)
        if sent_ns is None:
            return []
        if ack.sequence == box.sequence:
            box.sequence = None
        self.ack_ns = now_ns - sent_ns
        self.counters.states_acknowledged += 1
        self.counters.states_refused += ack.code != 0
        self._send_state(now_ns)
        return [Acknowledged(self.ack_ns, name_of(CODES, ack.code))]


class _Config:
    """Settings on their way to the board."""

    def __init__(self) -> None:
        self.settings: dict[str, int] = {}
        self.begin()

    def begin(self) -> None:
        self.settled = not self.settings
        self.sequences: deque[int] = deque()
        self.again_ns = 0


class _Outbox:
    """One state that waits, and one that waits for its acknowledgement."""

    def __init__(self) -> None:
        self.waiting: EmotionState | None = None
        self.sequence: int | None = None
        self.sent: dict[int, int] = {}
        self.next_ns = 0
        self.period_ns = 0

    def note(self, sequence: int, now_ns: int) -> None:
        """Remember when a state was sent; some, so that a late acknowledgement still counts."""
        self.sent[sequence] = now_ns
        while len(self.sent) > _ACKS_REMEMBERED:
            del self.sent[next(iter(self.sent))]


def _echo(where: str) -> DeviceError:
    return DeviceError(
        f"{where} sends back what it is sent",
        hint="its TX and RX are connected, or it is a modem in command mode; edge-emo devices",
    )


def _other_version(frame: framing.Frame, where: str) -> BridgeError:
    """Name the board behind a frame of another version: DeviceHello's first fields never change."""
    try:
        hello = parse(frame.payload).device_hello
    except FrameError:
        return _version_error(frame.version, "", "", where)
    return _version_error(frame.version, hello.board, hello.firmware, where)


def _version_error(version: int, board: str, firmware: str, where: str) -> ProtocolVersionError:
    name = f"{board or 'the board'}{f' (firmware {firmware})' if firmware else ''}"
    older = version < framing.VERSION
    return ProtocolVersionError(
        f"{name} on {where} speaks protocol {version}, this host {framing.VERSION}",
        hint=f"flash firmware_bridge {framing.VERSION}.x on the board"
        if older
        else f"update edge-emo, or flash firmware_bridge {framing.VERSION}.x on the board",
    )
