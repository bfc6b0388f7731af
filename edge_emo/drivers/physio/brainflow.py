"""Pulse and skin of a BrainFlow board: ``brainflow:emotibit``, ``brainflow:muse_2?config=p50``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.drivers.eeg.brainflow import Board, BrainFlowEeg, describe, find_board, plain
from edge_emo.drivers.physio.held import Held
from edge_emo.errors import ConfigError
from edge_emo.types import StreamInfo

_SIGNALS = {"bvp": "ppg_channels", "eda": "eda_channels", "temp": "temperature_channels"}
_PRESETS = {"default": 0, "auxiliary": 1, "ancillary": 2}


class BrainFlowPhysio(BrainFlowEeg):
    """Reads pulse, skin conductance and temperature of one board as one stream.

    A board has up to three presets: groups of channels, each of one rate. The stream has the rate
    and the stamps of the preset with the pulse, else of the one with most signals. Signals that
    only another preset has, such as the skin of an EmotiBit, are interpolated to these stamps; the
    newest sample stands for two seconds, then they are not a number. Of several light sensors
    the one in the middle is read: where there are three, as on a Muse, it is the infrared one.

    Args:
        target: Board, as for EEG.
        preset: ``default``, ``auxiliary`` or ``ancillary``, or several with commas between. Empty
            takes all that have a signal.
        config: Command sent to the board after its start, such as ``p50`` for a Muse's pulse.
        serial_port: As for EEG, and likewise below.
        mac_address: Of some Bluetooth boards.
        ip_address: Of network boards.
        ip_port: Likewise.
        ip_protocol: 0 none, 1 UDP, 2 TCP.
        other_info: What some boards ask for beyond that.
        serial_number: To choose among several boards.
        file: Recording of the default preset that ``playback`` plays.
        file_auxiliary: Likewise of the auxiliary preset.
        file_ancillary: Likewise of the ancillary preset.
        master_board: Board that ``playback`` or ``streaming`` carries.
        loop: ``playback`` begins again at the end.
        timeout_s: How long the board may take to answer at ``open``, in whole seconds.
        lost_after_s: A board that delivers no sample for so long is lost.
        log: Let BrainFlow log to stderr.
    """

    kind = "physio"
    unit = "physical"

    def __init__(
        self,
        target: str = "synthetic",
        *,
        preset: str = "",
        config: str = "",
        serial_port: str = "",
        mac_address: str = "",
        ip_address: str = "",
        ip_port: int = 0,
        ip_protocol: int = 0,
        other_info: str = "",
        serial_number: str = "",
        file: Path | None = None,
        file_auxiliary: Path | None = None,
        file_ancillary: Path | None = None,
        master_board: str = "",
        loop: bool = False,
        timeout_s: float = 5.0,
        lost_after_s: float = 2.0,
        log: bool = False,
    ) -> None:
        super().__init__(
            target,
            serial_port=serial_port,
            mac_address=mac_address,
            ip_address=ip_address,
            ip_port=ip_port,
            ip_protocol=ip_protocol,
            other_info=other_info,
            serial_number=serial_number,
            file=file,
            master_board=master_board,
            loop=loop,
            timeout_s=timeout_s,
            lost_after_s=lost_after_s,
            log=log,
        )
        self._presets = _presets(preset)
        self._files = dict(enumerate((file, file_auxiliary, file_ancillary)))
        for key, path in (("file_aux", file_auxiliary), ("file_anc", file_ancillary)):
            self._params[key] = str(path.expanduser()) if path else ""
        self._config = config
        self._beside: list[Held] = []

    def open(self, clock: Clock) -> StreamInfo:
        """Prepare the board's session, start its stream, and send ``config``."""
        info = super().open(clock)
        if self._config and self._session is not None:
            self._session.configure(self._config)
        return info

    def _find(self, shim: Any) -> Board:
        board, master = find_board(shim, self._target, self._master)
        found = {
            preset: (about, _rows(about))
            for preset in shim.BoardShim.get_board_presets(master.value)
            if self._serves(preset)
            for about in [shim.BoardShim.get_board_descr(master.value, preset)]
        }
        main = max(found, key=lambda one: _worth(found[one][1]), default=0)
        if not found or not {"bvp", "eda"} & set(found[main][1]):
            where = f" in its {' or '.join(self._presets)} preset" if self._presets else ""
            raise ConfigError(f"the board {plain(master.name)} has no pulse or skin sensor{where}")
        about, rows = found.pop(main)
        file = self._files[main]
        self._file = file.expanduser() if file else None
        names = [*rows, *self._find_beside(found, set(rows))]
        return describe(shim, board, master, about, tuple(rows.values()), tuple(names), main)

    def _serves(self, preset: int) -> bool:
        """Tell whether a preset is wanted and, when files are played, has one."""
        wanted = not self._presets or preset in map(_PRESETS.get, self._presets)
        return wanted and (self._files[preset] is not None or not any(self._files.values()))

    def _find_beside(
        self, found: Mapping[int, tuple[Mapping[str, Any], Mapping[str, int]]], known: set[str]
    ) -> list[str]:
        """Set up the presets with signals that are not known yet; return their names."""
        self._beside, added = [], []
        for preset, (about, rows) in found.items():
            own = [name for name in rows if name not in known]
            if own:
                self._beside.append(
                    Held(preset, [rows[name] for name in own], about["timestamp_channel"])
                )
                known |= set(own)
                added += own
        return added

    def _samples(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return the samples of the preset that leads, and beside them those of the others."""
        columns = [super()._samples(rows)]
        if self._session is not None:
            for held in self._beside:
                if waiting := self._session.count(held.preset):
                    held.add(self._session.take(waiting, held.preset))
                columns.append(held.at(rows[self._board.stamp_row]))
        return np.concatenate(columns, axis=1)


def _presets(words: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in words.split(",")) if words else ()
    unknown = [name for name in names if name not in _PRESETS]
    if unknown:
        raise ConfigError(f"preset = {unknown[0]!r}: choose from {', '.join(_PRESETS)}")
    return names


def _worth(rows: Mapping[str, int]) -> tuple[bool, bool, int]:
    return "bvp" in rows, "eda" in rows, len(rows)


def _rows(about: Mapping[str, Any]) -> dict[str, int]:
    """Return the row of each signal that a preset has."""
    listed = {name: about.get(key, ()) for name, key in _SIGNALS.items()}
    return {name: rows[len(rows) // 2] for name, rows in listed.items() if len(rows)}
