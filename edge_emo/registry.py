"""Addresses, and the tables that turn a name into a class.

An address is ``name:rest?key=value&key=value``, the same in code, in TOML and on the command
line. A table maps a name to ``"module:Class"``; nothing is imported until it is asked for.
Entry points of the table's group extend it.
"""

from __future__ import annotations

import importlib
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edge_emo.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address.

    Attributes:
        name: Row of the table, such as ``opencv``.
        rest: What the driver is pointed at: an index, a path, a URL. May be empty.
        options: Options after ``?``, as text.
    """

    name: str
    rest: str
    options: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse ``name:rest?key=value``.

        Raises:
            ConfigError: There is no ``name:``, or an option has no ``=``.
        """
        name, colon, tail = text.partition(":")
        if not colon or not name.replace("_", "").replace("-", "").isalnum():
            raise ConfigError(
                f"address {text!r} has no name",
                hint="write name:rest, such as opencv:0, wav:clip.wav or jsonl:states.jsonl",
            )
        rest, mark, query = tail.rpartition("?")
        if not mark or ("://" in rest and not _is_options(query)):
            return cls(name, tail, {})
        return cls(name, rest, _parse_options(name, query))

    def __str__(self) -> str:
        """Return the address as it is written."""
        query = "&".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{self.rest}" + (f"?{query}" if query else "")


def _is_options(query: str) -> bool:
    return all("=" in part for part in query.split("&") if part)


def _parse_options(name: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"option {part!r} of address {name}: has no value")
        options[key] = value
    return options


@cache
def _entry_points(group: str) -> tuple[EntryPoint, ...]:
    """Look through what is installed, once: the search takes longer than loading a model."""
    from importlib.metadata import entry_points  # a name that is built in needs no search

    return tuple(entry_points(group=group))


class Table:
    """Names of one sort of plug-in, and where each is implemented."""

    def __init__(self, group: str, rows: Mapping[str, str]) -> None:
        self.group = group
        self._rows = dict(rows)

    def __iter__(self) -> Iterator[str]:
        """Yield every name: those built in, and only then, with a search, those of plug-ins."""
        yield from self._rows
        plugins = {point.name for point in _entry_points(self.group)}
        yield from sorted(plugins.difference(self._rows))

    def names(self) -> list[str]:
        """Return every name, built in first, plug-ins after."""
        return list(self)

    def load(self, name: str) -> Any:
        """Import and return what ``name`` stands for.

        Raises:
            ConfigError: No such name; the hint lists those that exist.
            UnavailableError: It is a plug-in whose code does not load.
        """
        if name in self._rows:
            module, _, attribute = self._rows[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        for point in _entry_points(self.group):
            if point.name == name:
                return _plugin(point)
        raise ConfigError(
            f"there is no {name!r} in {self.group}", hint=f"choose from: {', '.join(self.names())}"
        )


def _plugin(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # whatever its code raises, the other plug-ins go on
        raise UnavailableError(
            f"plug-in {point.name!r} ({point.value}) does not load: {error}",
            hint="install what it needs, or uninstall the package that it belongs to",
        ) from error


DRIVERS = Table(
    "edge_emo.drivers",
    {
        "camera.opencv": "edge_emo.drivers.camera.opencv:OpenCvCamera",
        "camera.virtual": "edge_emo.drivers.virtual:VirtualCamera",
        "camera.replay": "edge_emo.drivers.replay:ReplayCamera",
        "microphone.portaudio": "edge_emo.drivers.microphone.portaudio:PortAudioMicrophone",
        "microphone.wav": "edge_emo.drivers.microphone.wav:SoundFileMicrophone",
        "microphone.virtual": "edge_emo.drivers.virtual:VirtualMicrophone",
        "microphone.replay": "edge_emo.drivers.replay:ReplayMicrophone",
        "eeg.brainflow": "edge_emo.drivers.eeg.brainflow:BrainFlowEeg",
        "eeg.cyton": "edge_emo.drivers.eeg.cyton:CytonEeg",
        "eeg.npz": "edge_emo.drivers.eeg.npz:NpzEeg",
        "eeg.openbci": "edge_emo.drivers.eeg.openbci:OpenBciEeg",
        "eeg.muselsl": "edge_emo.drivers.eeg.muselsl:MuseLslEeg",
        "eeg.mindmonitor": "edge_emo.drivers.eeg.mindmonitor:MindMonitorEeg",
        "eeg.edf": "edge_emo.drivers.eeg.edf:EdfEeg",
        "eeg.xdf": "edge_emo.drivers.eeg.xdf:XdfEeg",
        "eeg.virtual": "edge_emo.drivers.virtual:VirtualEeg",
        "eeg.replay": "edge_emo.drivers.replay:ReplayEeg",
        "physio.bridge": "edge_emo.drivers.physio.bridge:BridgePhysio",
        "physio.npz": "edge_emo.drivers.physio.npz:NpzPhysio",
        "physio.empatica": "edge_emo.drivers.physio.empatica:EmpaticaPhysio",
        "physio.brainflow": "edge_emo.drivers.physio.brainflow:BrainFlowPhysio",
        "physio.virtual": "edge_emo.drivers.virtual:VirtualPhysio",
        "physio.replay": "edge_emo.drivers.replay:ReplayPhysio",
        "text.text": "edge_emo.drivers.text.lines:TextLines",
        "text.push": "edge_emo.drivers.text.push:PushedText",
        "text.replay": "edge_emo.drivers.replay:ReplayText",
    },
)
"""Drivers, named ``kind.name``: the name in an address, and the kind of stream it serves."""

BACKENDS = Table(
    "edge_emo.backends",
    {
        "tensorrt": "edge_emo.runtime.tensorrt:TensorRtBackend",
        "litert": "edge_emo.runtime.litert:LiteRtBackend",
        "onnx": "edge_emo.runtime.onnx:OnnxBackend",
        "openvino": "edge_emo.runtime.openvino:OpenVinoBackend",
        "openvino-gpu": "edge_emo.runtime.openvino:OpenVinoGpuBackend",
        "openvino-npu": "edge_emo.runtime.openvino:OpenVinoNpuBackend",
    },
)

SINKS = Table(
    "edge_emo.sinks",
    {
        "console": "edge_emo.sinks.console:ConsoleSink",
        "jsonl": "edge_emo.sinks.jsonl:JsonLinesSink",
        "csv": "edge_emo.sinks.csv:CsvSink",
        "udp": "edge_emo.sinks.datagram:UdpSink",
        "unix": "edge_emo.sinks.datagram:UnixSink",
        "mqtt": "edge_emo.sinks.mqtt:MqttSink",
        "mqtts": "edge_emo.sinks.mqtt:MqttsSink",
        "record": "edge_emo.sinks.record:RecordSink",
        "bridge": "edge_emo.sinks.bridge:BridgeSink",
    },
)


def construct(factory: Callable[..., T], address: Address) -> T:
    """Call ``factory(rest, **options)``, each option converted to its parameter's type.

    Args:
        factory: A class or function whose first parameter is the address's rest, and whose
            keyword parameters are annotated with str, int, float, bool or Path (or None). A
            class whose rest may be a URL has a class method ``adopt(address) -> Address`` that
            gives the URL its own query back.
        address: Where to take the arguments from.

    Raises:
        ConfigError: An unknown option, or a value that cannot be converted.
    """
    adopt = getattr(factory, "adopt", None)
    address = adopt(address) if adopt else address
    known = _option_names(factory)
    unknown = sorted(set(address.options) - set(known))
    if unknown:
        raise ConfigError(
            f"{address.name}: has no option {unknown[0]!r}",
            hint=f"its options: {', '.join(known) or 'none'}",
        )
    arguments = {
        key: convert(value, _option_type(factory, key), f"{address.name}:?{key}")
        for key, value in address.options.items()
    }
    return factory(address.rest, **arguments)


def _option_names(factory: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(factory).parameters)[1:]


def _option_type(factory: Callable[..., Any], name: str) -> Any:
    """Return the type of one option; None where it has none that can be found out.

    The others are not looked at: they may be of types that are imported for type checkers alone.
    """
    is_class = inspect.isclass(factory)
    function = inspect.getattr_static(factory, "__init__") if is_class else factory
    function = inspect.unwrap(function)
    annotation = getattr(function, "__annotations__", {}).get(name)
    alone = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return typing.get_type_hints(alone, getattr(function, "__globals__", {}))[name]
    except (NameError, AttributeError, TypeError, SyntaxError):  # what its words may raise
        return None


_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def convert(value: str, annotation: Any, where: str) -> Any:
    """Convert text to an annotated type; ``where`` names the option in the error.

    Raises:
        ConfigError: The text is no such value.
    """
    plain = _without_none(annotation)
    try:
        if plain is bool:
            return _WORDS[value.lower()]
        if plain is float:
            return _finite(value)
        if plain in (int, str, Path):
            return plain(value)
    except (ValueError, KeyError):
        raise ConfigError(f"{where} = {value!r} is not a valid {plain.__name__}") from None
    raise ConfigError(f"{where} cannot be written in an address")


def _finite(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [part for part in typing.get_args(annotation) if part is not type(None)]
        return members[0]
    return annotation
