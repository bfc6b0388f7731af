"""From the values of a session to messages, and from messages to values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_emo.bridge.schema import WireMessage, message, message_class
from edge_emo.types import CATEGORIES, KINDS, Affect, EmotionState, StreamHealth

SENSOR_KINDS = ("other", "pulse", "skin", "temperature", "eeg", "motion", "body")
"""Names of ``SensorKind``, by number."""

CODES = ("ok", "unsupported", "bad value", "busy", "overrun", "sensor", "version", "internal")
"""Names of ``ErrorCode``, by number."""

LEVELS = ("debug", "info", "warning")
"""Names of ``LogLevel``, by number."""

CAPABILITIES = {1: "states", 2: "samples", 4: "config"}
"""Names of ``Capability``, by bit."""

_ABSENT, _OK, _DEGRADED, _LOST = range(4)
_LABEL_BYTES = 15


@dataclass(frozen=True, slots=True)
class SensorStream:
    """One stream of samples that a board announces.

    Attributes:
        id: Its number on the wire.
        kind: One of :data:`SENSOR_KINDS`.
        rate_hz: Samples per second.
        channels: Name of each channel.
        units: Physical unit of each channel.
        scales: Physical value of one count, for each channel.
        offsets: Physical value of count 0, for each channel.
    """

    id: int
    kind: str
    rate_hz: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """What a board says of itself.

    Attributes:
        protocol: Version of the protocol that its firmware speaks.
        name: The board, as its firmware names it.
        firmware: Version of the firmware.
        serial: Serial number; may be empty.
        capabilities: Of ``states``, ``samples`` and ``config``, those it has.
        streams: What it measures.
    """

    protocol: int
    name: str
    firmware: str
    serial: str
    capabilities: tuple[str, ...]
    streams: tuple[SensorStream, ...]


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Consecutive samples as a board sent them.

    Attributes:
        stream: Number of the stream.
        first: Number of the first sample since the board started.
        t_ns: Originating time of the first sample, on the session clock.
        counts: Sample by sample, channel by channel.
    """

    stream: int
    first: int
    t_ns: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BoardText:
    """A line that a board logged, or an error that it reports.

    Attributes:
        level: ``debug``, ``info``, ``warning``; for an error, ``error``.
        text: What it says; an error begins with its code.
    """

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class LinkChange:
    """The link came up or went down.

    Attributes:
        up: The board has answered and announced its streams.
        reason: Why it went down; empty when up.
    """

    up: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pinged:
    """A ping was answered.

    Attributes:
        round_trip_ns: From sending it to receiving the answer.
    """

    round_trip_ns: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The board has a state.

    Attributes:
        round_trip_ns: From sending it to receiving the acknowledgement.
        code: ``ok``, or why the board refused it; one of :data:`CODES`.
    """

    round_trip_ns: int
    code: str


Event = SampleBlock | BoardText | LinkChange | Pinged | Acknowledged
"""What a link tells those who listen."""


def board_from(hello: WireMessage, streams: Mapping[int, SensorStream]) -> Board:
    """Return the board that a DeviceHello and its SensorStreams describe."""
    return Board(
        protocol=hello.protocol,
        name=hello.board,
        firmware=hello.firmware,
        serial=hello.serial,
        capabilities=tuple(name for bit, name in CAPABILITIES.items() if hello.capabilities & bit),
        streams=tuple(streams[number] for number in sorted(streams)),
    )


def stream_from(wire: WireMessage) -> SensorStream:
    """Return the stream that a SensorStream message describes."""
    return SensorStream(
        id=wire.id,
        kind=name_of(SENSOR_KINDS, wire.kind),
        rate_hz=wire.rate_mhz / 1000,
        channels=tuple(channel.name for channel in wire.channels),
        units=tuple(channel.unit for channel in wire.channels),
        scales=tuple(channel.scale or 1.0 for channel in wire.channels),
        offsets=tuple(channel.offset for channel in wire.channels),
    )


def stream_to_wire(stream: SensorStream) -> WireMessage:
    """Return the SensorStream message that describes a stream."""
    made = message("sensor_stream", id=stream.id, kind=SENSOR_KINDS.index(stream.kind))
    wire = made.sensor_stream
    wire.rate_mhz = round(stream.rate_hz * 1000)
    for name, unit, scale, offset in zip(
        stream.channels, stream.units, stream.scales, stream.offsets, strict=True
    ):
        wire.channels.add(name=name, unit=unit, scale=scale, offset=offset)
    return made


def text_from(error: WireMessage) -> BoardText:
    """Return the text of an Error message."""
    return BoardText("error", f"{name_of(CODES, error.code)}: {error.text}".rstrip(": "))


def name_of(names: tuple[str, ...], number: int) -> str:
    """Return the name of a number; a number that newer firmware added is named by itself."""
    return names[number] if 0 <= number < len(names) else f"number {number}"


def cut(text: str, most_bytes: int) -> str:
    """Return as many whole letters as fit the bytes that a board keeps of a text."""
    return text.encode()[:most_bytes].decode(errors="ignore")


def state_to_wire(state: EmotionState, now_ns: int) -> WireMessage:
    """Return the State message of a state.

    Args:
        state: The state.
        now_ns: Session time at which the message is sent; ages count from there.
    """
    waited_ns = max(now_ns - state.t_ns, 0)
    made = message("state", number=state.seq & 0xFFFFFFFF, age_ms=_age_ms(waited_ns))
    wire = made.state
    for name in ("expressed", "felt"):
        affect = getattr(state, name)
        if affect is not None:
            getattr(wire, name).CopyFrom(_affect(affect, waited_ns))
    if state.divergence is not None:
        wire.divergence = _share(state.divergence)
    wire.health.SetInParent()
    for kind in KINDS:
        setattr(wire.health, kind, _condition(state.health.get(kind)))
    return made


def _affect(affect: Affect, waited_ns: int) -> WireMessage:
    wire = message_class()().state.expressed
    if set(affect.posterior) == set(CATEGORIES):
        for name in CATEGORIES:
            setattr(wire.categories, name, _share(affect.posterior[name]))
        wire.categories.SetInParent()
    wire.label = cut(affect.label, _LABEL_BYTES)
    wire.confidence = _share(affect.confidence)
    wire.intensity = _share(affect.intensity)
    wire.age_ms = _age_ms(affect.age_ns + waited_ns)
    for name in ("valence", "arousal", "dominance"):
        value = getattr(affect, name)
        if value is not None:
            setattr(wire, name, _signed(value))
    return wire


def _share(value: float) -> int:
    return round(min(max(value, 0.0), 1.0) * 1000)


def _signed(value: float) -> int:
    return round(min(max(value, -1.0), 1.0) * 1000)


def _age_ms(age_ns: int) -> int:
    return int(min(max(age_ns // 1_000_000, 0), 0xFFFFFFFF))


def _condition(health: StreamHealth | None) -> int:
    if health is None:
        return _ABSENT
    if not health.alive:
        return _LOST
    return _OK if health.ok else _DEGRADED
