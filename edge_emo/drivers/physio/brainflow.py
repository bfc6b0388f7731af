"""Pulse and skin of a BrainFlow board: ``brainflow:emotibit``, ``brainflow:muse_2?config=p50``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_emo.clock import Clock
from edge_emo.drivers.eeg.brainflow import Board, BrainFlowEeg, describe, find_board, plain
from edge_emo.errors import ConfigError
from edge_emo.types import StreamInfo

_SIGNALS = {"bvp": "ppg_channels", "eda": "eda_channels", "temp": "temperature_channels"}
_PRESETS = {"default": 0, "auxiliary": 1, "ancillary": 2}


class BrainFlowPhysio(BrainFlowEeg):
    """Reads pulse, skin conductance and temperature of one board, of one of its presets.

    Of several light sensors the one in the middle is read: where there are three, as on a Muse,
    it is the infrared one.

    Args:
        target: Board, as for EEG.
        preset: ``default``, ``auxiliary`` or ``ancillary``: the group of channels, which share a
            rate. Empty takes the one with most of the three signals, the pulse first.
        config: Command sent to the board after its start, such as ``p50`` for a Muse's pulse.
        serial_port: As for EEG, and likewise below.
        mac_address: Of some Bluetooth boards.
        ip_address: Of network boards.
        ip_port: Likewise.
        ip_protocol: 0 none, 1 UDP, 2 TCP.
        other_info: What some boards ask for beyond that.
        serial_number: To choose among several boards.
        file: Recording that ``playback`` plays.
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
        if preset and preset not in _PRESETS:
            raise ConfigError(f"preset = {preset!r}: choose from {', '.join(_PRESETS)}")
        self._preset = preset
        self._config = config

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
            if not self._preset or preset == _PRESETS[self._preset]
            for about in [shim.BoardShim.get_board_descr(master.value, preset)]
            if {"bvp", "eda"} & set(_rows(about))
        }
        if not found:
            where = f" in its {self._preset} preset" if self._preset else ""
            raise ConfigError(f"the board {plain(master.name)} has no pulse or skin sensor{where}")
        preset = max(found, key=lambda one: ("bvp" in found[one][1], len(found[one][1])))
        about, rows = found[preset]
        return describe(shim, board, master, about, tuple(rows.values()), tuple(rows), preset)


def _rows(about: Mapping[str, Any]) -> dict[str, int]:
    """Return the row of each signal that a preset has."""
    listed = {name: about.get(key, ()) for name, key in _SIGNALS.items()}
    return {name: rows[len(rows) // 2] for name, rows in listed.items() if len(rows)}
