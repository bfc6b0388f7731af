"""Recordings of Lab Streaming Layer: ``xdf:FILE.xdf``, read by pyxdf.

https://github.com/sccn/xdf/wiki/Specifications
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo import vendor
from edge_emo.drivers.eeg.signal_file import (
    UNITS_UV,
    Signal,
    SignalFileEeg,
    check_times,
    places_of,
)
from edge_emo.errors import ConfigError, DeviceError

_BROKEN = (
    *(OSError, ValueError, EOFError, RuntimeError, LookupError, struct.error),
    *(SyntaxError, MemoryError, TypeError, AttributeError),
)
"""What pyxdf's parser happens to raise on a damaged file, and Python's of XML: a SyntaxError."""

_HINT = "give an XDF file with a stream of type EEG"


class XdfEeg(SignalFileEeg):
    """Plays one EEG stream of an XDF file, its clock corrected and its stamps dejittered.

    Args:
        target: Path of the file.
        stream: Name of the stream; needed when several are of type EEG.
        loop: Begin again at the end.
        block_s: Length of a chunk.
    """

    def __init__(
        self, target: str, *, stream: str = "", loop: bool = False, block_s: float = 0.04
    ) -> None:
        super().__init__(target, loop=loop, block_s=block_s)
        self._stream_name = stream

    def load(self, path: Path) -> Signal:
        """Read the file.

        Raises:
            UnavailableError: pyxdf is missing.
            ConfigError: No stream of that name, several of it, or several without a name.
            DeviceError: No such format, or no EEG in it.
        """
        library = vendor.load("pyxdf")
        try:
            with path.open("rb") as file:  # pyxdf leaves a file of another format open
                streams, _ = library.load_xdf(file)
        except _BROKEN as error:
            raise DeviceError(f"{path.name} cannot be read: {error}", hint=_HINT) from error
        stream = self._chosen(path, streams)
        rate_hz = float(stream["info"]["nominal_srate"][0])
        samples = np.asarray(stream["time_series"])
        if rate_hz <= 0 or samples.ndim != 2 or not len(samples) or samples.dtype.kind not in "fiu":
            raise DeviceError(f"{path.name}: its EEG holds no regular samples", hint=_HINT)
        times_s = np.asarray(stream["time_stamps"], dtype=np.float64)
        check_times(path, times_s, _HINT)
        names, scales = _channels(path, stream, samples.shape[1])
        return Signal(
            data=(samples * scales).astype(np.float32),
            rate_hz=rate_hz,
            channels=names,
            places=places_of(times_s, rate_hz),
            device=f"XDF recording {path.name}, {_name(stream)}",
        )

    def _chosen(self, path: Path, streams: list[Any]) -> Any:
        eeg = [stream for stream in streams if _type(stream).upper() == "EEG"]
        if not eeg:
            raise DeviceError(f"{path.name} holds no stream of type EEG", hint=_HINT)
        names = sorted({_name(stream) for stream in eeg})
        wanted = self._stream_name or (names[0] if len(names) == 1 else "")
        found = [stream for stream in eeg if _name(stream) == wanted]
        if not found:
            raise ConfigError(
                f"{path.name} has no EEG stream {wanted!r}",
                hint=f"add ?stream= with one of: {', '.join(names)}",
            )
        if len(found) > 1:
            raise ConfigError(
                f"{path.name} has {len(found)} EEG streams {wanted!r}, which may be of two people",
                hint="record each under a name of its own, or take the others out of the file",
            )
        return found[0]


def _name(stream: Mapping[str, Any]) -> str:
    return str(stream["info"]["name"][0])


def _type(stream: Mapping[str, Any]) -> str:
    return str((stream["info"]["type"] or [""])[0])


def _channels(
    path: Path, stream: Mapping[str, Any], count: int
) -> tuple[tuple[str, ...], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Return the names and how many µV one of each unit is; unnamed channels get a number."""
    try:
        listed = stream["info"]["desc"][0]["channels"][0]["channel"]
    except (KeyError, IndexError, TypeError):
        listed = []
    names = [_text(one, "label") for one in listed] or [f"EEG{i + 1}" for i in range(count)]
    units = [(_text(one, "unit") or "uv").lower() for one in listed] or ["uv"] * count
    unknown = [unit for unit in units if unit not in UNITS_UV]
    if len(names) != count or unknown:
        fault = (
            f"the unit {unknown[0]!r}" if unknown else f"{len(names)} names for {count} channels"
        )
        raise DeviceError(f"{path.name}: its EEG has {fault}", hint=_HINT)
    return tuple(names), np.array([UNITS_UV[unit] for unit in units])


def _text(channel: Mapping[str, Any], key: str) -> str:
    return str((channel.get(key) or [""])[0] or "").strip()
