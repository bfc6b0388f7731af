"""Configuration: frozen dataclasses, and a strict TOML reader that names file and key.

::

    sinks = ["console:", "jsonl:states.jsonl"]

    [streams]
    camera = "opencv:0"
    microphone = "portaudio:default"

    [states]
    rate_hz = 10.0
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from edge_emo.errors import ConfigError
from edge_emo.vendor import toml

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Streams:
    """Address of each stream; None when the stream is not used."""

    camera: str | None = None
    microphone: str | None = None
    eeg: str | None = None
    physio: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Models:
    """Which model packages run, and on what.

    Attributes:
        face: Package id; None takes the default package. Likewise voice, text, eeg, physio.
        face_detector: Package id of what finds the faces; None takes the default detector.
        backend: Backend name; None lets it be chosen. An explicit choice never falls back.
        threads: Threads of each model.
        folders: More folders that hold model packages.
        license_policy: "any", or "commercial", which refuses research-only weights.
        signatures: "required" takes packages that a trusted key has signed, "if-signed" also
            those that nobody signed, "off" all.
        trusted_keys: Files of public keys that are trusted besides those of edge_emo itself.
    """

    face: str | None = None
    face_detector: str | None = None
    voice: str | None = None
    text: str | None = None
    eeg: str | None = None
    physio: str | None = None
    backend: str | None = None
    threads: int = 1
    folders: tuple[str, ...] = ()
    license_policy: Literal["any", "commercial"] = "any"
    signatures: Literal["required", "if-signed", "off"] = "required"
    trusted_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Faces:
    """How faces are followed, who counts, and whose expression is estimated.

    Attributes:
        policy: The person who counts: "largest_central", "largest" or "longest" in view.
        estimate: "person" estimates the one who counts; "all" everybody in view, of whom
            still only the one who counts is fused.
        most: With "all", at most so many people in a frame, the largest faces first.
        detect_interval_s: Least time between two detections, seconds; 0 detects whenever an
            estimate is due. In between, faces are expected where their speed takes them.
        keep_s: A face that is not seen for longer is forgotten, and its id with it.
        patience_s: While a face was missed for no longer than this there is no prediction,
            and the last one ages; afterwards the estimator abstains.
        switch_ratio: Another person must be so much better …
        switch_after_s: … for so long before they count instead.
    """

    policy: str = "largest_central"
    estimate: Literal["person", "all"] = "person"
    most: int = 8
    detect_interval_s: float = 0.0
    keep_s: float = 1.0
    patience_s: float = 0.25
    switch_ratio: float = 1.3
    switch_after_s: float = 0.5


@dataclass(frozen=True, slots=True)
class States:
    """When states are made.

    Attributes:
        rate_hz: States per second at most.
        join: "latest" never waits (live); "reproducible" orders by originating time (replay).
        wait_for_devices: A device that is missing at the start is waited for, not an error.
        open_timeout_s: Longest wait for the devices to open.
    """

    rate_hz: float = 10.0
    join: Literal["latest", "reproducible"] = "latest"
    wait_for_devices: bool = False
    open_timeout_s: float = 15.0


FusionMethod = Literal["linear", "log-linear", "full-log-linear", "channel", "quantum"]
"""How posteriors combine: see ``docs/concepts/fusion.md``."""


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How predictions become a state.

    Attributes:
        method: Pooling of the posteriors: "channel", the best that was measured, or "linear",
            "log-linear", "full-log-linear", "quantum".
        tracking: What chooses the label over time: "change-point" or "hysteresis".
        posterior_s: Time constant of the posterior, seconds.
        dimension_s: Time constant of valence, arousal and dominance, seconds.
        margin: Hysteresis: lead in probability that a new label needs …
        hold_s: … for this many seconds.
        hazard_hz: Change-point filter: expected changes of label per second.
        evidence_hz: Change-point filter: independent looks per second.
        lead: Change-point filter: lead in belief that a new label needs, 0 … 1.
        lifetime_s: Staleness by modality, seconds; see ``edge_emo.fusion.base.Trust``.
        reliability: Weight by modality; the model package's own when absent.
    """

    method: FusionMethod = "channel"
    tracking: Literal["change-point", "hysteresis"] = "change-point"
    posterior_s: float = 0.3
    dimension_s: float = 0.5
    margin: float = 0.1
    hold_s: float = 0.3
    hazard_hz: float = 4.0
    evidence_hz: float = 10.0
    lead: float = 0.6
    lifetime_s: Mapping[str, float] = field(default_factory=dict)
    reliability: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that a pipeline can be told.

    Attributes:
        streams: Where the evidence comes from.
        models: What estimates it.
        face: How faces are followed and who counts.
        states: When states are made.
        fusion: How they are fused.
        sinks: Addresses of the sinks that every state goes to.
    """

    streams: Streams = field(default_factory=Streams)
    models: Models = field(default_factory=Models)
    face: Faces = field(default_factory=Faces)
    states: States = field(default_factory=States)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    sinks: tuple[str, ...] = ()


def read_config(path: str | Path) -> Config:
    """Read a TOML file.

    Raises:
        ConfigError: The file is missing or no TOML, or a key is unknown or of the wrong type;
            the message names file and key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    return parse_config(text, str(path))


def parse_config(text: str, name: str = "configuration") -> Config:
    """Parse TOML text; ``name`` stands for the file in errors.

    Raises:
        ConfigError: As :func:`read_config`.
    """
    reader = toml()
    try:
        values = reader.loads(text)
    except (ValueError, RecursionError) as error:  # also too many digits, and too deep nesting
        raise ConfigError(f"{name} is not valid TOML: {error}") from error
    return _build(Config, values, name, "")


def _build(cls: type[T], values: Mapping[str, Any], name: str, prefix: str) -> T:
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in hints:
            _refuse_key(key, list(hints), name, prefix)
    return cls(
        **{key: _value(hints[key], value, name, prefix + key) for key, value in values.items()}
    )


def _refuse_key(key: str, known: list[str], name: str, prefix: str) -> None:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {prefix}{close[0]}?" if close else f"known keys: {', '.join(known)}"
    raise ConfigError(f"{name}: unknown key {prefix}{key}", hint=hint)


def _value(hint: Any, value: Any, name: str, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{name}: {key} must be a table")
        return _build(typing.cast("type[Any]", hint), value, name, key + ".")
    if typing.get_origin(hint) is Literal:
        return _choice(typing.get_args(hint), value, name, key)
    return _plain(hint, value, name, key)


def _choice(choices: tuple[Any, ...], value: Any, name: str, key: str) -> Any:
    if value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ConfigError(f"{name}: {key} = {value!r} is not one of {listed}")
    return value


_SHAPES: Mapping[str, tuple[str, Any]] = {
    "str": ("text", lambda v: isinstance(v, str)),
    "int": ("a whole number above 0", lambda v: type(v) is int and v > 0),
    "float": ("a finite number above or equal to 0", lambda v: _is_number(v)),
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "tuple": ("a list of texts", lambda v: isinstance(v, list) and all(type(i) is str for i in v)),
    "Mapping": (
        "a table of numbers above or equal to 0",
        lambda v: isinstance(v, dict) and all(map(_is_number, v.values())),
    ),
}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < _LARGEST


_LARGEST = 10**300  # a larger integer may be no number, and infinity says nothing


def _plain(hint: Any, value: Any, name: str, key: str) -> Any:
    members = [part for part in typing.get_args(hint) if part is not type(None)]
    optional = type(None) in typing.get_args(hint)
    kind = members[0] if optional else typing.get_origin(hint) or hint
    words, fits = _SHAPES[kind.__name__]
    if not fits(value):
        raise ConfigError(f"{name}: {key} = {value!r} must be {words}")
    if kind is float:
        return float(value)
    return tuple(value) if kind is tuple else value
