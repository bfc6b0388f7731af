"""Any board that BrainFlow knows: ``brainflow:synthetic``, ``brainflow:cyton?serial_port=…``.

Boards and the parameters that each needs:
https://brainflow.readthedocs.io/en/stable/SupportedBoards.html
"""

from __future__ import annotations

import difflib
import math
import os
import platform
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edge_emo import vendor
from edge_emo.clock import Clock
from edge_emo.drivers.base import DeviceEntry, Driver
from edge_emo.drivers.eeg.ages import SampleAges
from edge_emo.drivers.eeg.chunker import Chunker
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    UnavailableError,
)
from edge_emo.types import Chunk, Kind, StreamInfo

_BOARDS_PAGE = "https://brainflow.readthedocs.io/en/stable/SupportedBoards.html"
_BUILD = "https://brainflow.readthedocs.io/en/stable/BuildBrainFlow.html"
_BLOCK_S = 0.04
_BUFFER_S = 60
_POLL_S = 0.002
_NUMBERED = {"SYNTHETIC_BOARD", "CYTON_BOARD"}
"""Boards whose packet number counts every sample and wraps at 256. The others number radio
packets of several samples, or wrap elsewhere: their losses cannot be counted by it."""
_ALIASES = {"playback": "playback_file"}
_STAND_INS = {"PLAYBACK_FILE_BOARD", "STREAMING_BOARD"}
_LOG, _NO_LOG = "LEVEL_INFO", "LEVEL_OFF"

# BrainFlowExitCodes, https://brainflow.readthedocs.io/en/stable/UserAPI.html
_BUSY_CODES = {1, 16}
_PORT_CODES = {2}
_SILENT_CODES = {3, 4, 5, 6, 7, 18}
_ARGUMENT_CODES = {13, 14}
_GONE_AT_STOP = {4, 5, 11, 15}
"""Write error, read error, no thread, no session: so a board that was unplugged answers."""


class BrainFlowEeg(Driver):
    """Reads the EEG channels of one board through BrainFlow.

    Args:
        target: Board, as in BrainFlow's ``BoardIds``, in any case, with or without ``_BOARD``:
            ``synthetic``, ``cyton``, ``muse_2``, ``playback`` (a file), ``streaming`` (another
            program's board, over the network).
        serial_port: For serial boards, such as /dev/ttyUSB0.
        mac_address: For some Bluetooth boards; empty takes the first one found.
        ip_address: For network boards and ``streaming``.
        ip_port: Likewise; 0 is the board's own.
        ip_protocol: 0 none, 1 UDP, 2 TCP.
        other_info: What some boards ask for beyond that.
        serial_number: To choose among several boards.
        file: Recording that ``playback`` plays: the CSV that BrainFlow writes.
        master_board: Board that ``playback`` or ``streaming`` carries.
        loop: ``playback`` begins again at the end.
        channels: Comma-separated 10-20 names, one per EEG channel, for boards without names
            and to rename.
        timeout_s: How long the board may take to answer at ``open``, in whole seconds.
        lost_after_s: A board that delivers no sample for so long is lost. BrainFlow itself
            does not tell: its session stays "prepared" when a board is unplugged.
        log: Let BrainFlow log to stderr.
    """

    kind: ClassVar[Kind] = "eeg"
    unit: ClassVar[str] = "uv"

    def __init__(
        self,
        target: str = "synthetic",
        *,
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
        channels: str = "",
        timeout_s: float = 5.0,
        lost_after_s: float = 2.0,
        log: bool = False,
    ) -> None:
        self._target = target or "synthetic"
        self._params = {
            "serial_port": serial_port,
            "mac_address": mac_address,
            "ip_address": ip_address,
            "ip_port": ip_port,
            "ip_protocol": ip_protocol,
            "other_info": other_info,
            "serial_number": serial_number,
            "file": str(file.expanduser()) if file else "",
            "timeout": math.ceil(timeout_s),
        }
        self._file = file.expanduser() if file else None
        self._master = master_board
        self._loop = loop
        self._names = tuple(name.strip() for name in channels.split(",")) if channels else ()
        self._lost_after_s = lost_after_s
        self._log = log
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._session: _Session | None = None
        self._chunker = Chunker(1.0, 1)

    def open(self, clock: Clock) -> StreamInfo:
        """Prepare the board's session and start its stream.

        Raises:
            UnavailableError: BrainFlow is missing, or has no library for this processor.
            ConfigError: Unknown board, or parameters that it does not take.
            DeviceNotFoundError: Nothing at that port, address or path.
            DeviceBusyError: This process already reads the same board.
            DeviceTimeoutError: The board does not answer.
        """
        self.close()
        shim = _load_shim(self._log)
        self._board = board = self._find(shim)
        self._check_recording(board)
        self._begin(clock, board)
        params = self._params | {"master_board": board.master}
        self._session = session = _Session.start(shim, board, params)
        if self._loop:
            session.configure("loopback_true")
        return StreamInfo(
            kind=self.kind,
            rate_hz=board.rate_hz,
            channels=board.names,
            unit=self.unit,
            device=f"BrainFlow {board.device}",
        )

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next samples, up to 40 ms at a time; None when a played file ends.

        Raises:
            DeviceTimeoutError: Nothing came within ``timeout_s``.
            DeviceLostError: Nothing came for ``lost_after_s``, or BrainFlow reports an error.
            ClosedError: The driver is closed.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._fetch(time.monotonic() >= deadline_s):
            if self._left == 0:
                return None
            self._check_alive()
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise DeviceTimeoutError(f"{self._target}: no sample within {timeout_s} s")
            self._stop.wait(min(remaining_s, max(_POLL_S, self._until_block_s())))
        return self._ready.popleft()

    def close(self) -> None:
        """Stop the stream and release the board; a read that waits ends with ClosedError."""
        self._stop.set()
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                session.release()

    @property
    def dropped(self) -> int:
        """Samples missing by the packet numbers of a board that numbers its samples."""
        return self._chunker.dropped

    @classmethod
    def devices(cls) -> list[DeviceEntry]:
        """List the simulated board; BrainFlow cannot search for the others."""
        if not vendor.installed("brainflow"):
            return []
        return [DeviceEntry(cls.kind, "brainflow:synthetic", "BrainFlow's simulated board")]

    def _find(self, shim: Any) -> Board:
        board, master = find_board(shim, self._target, self._master)
        about = shim.BoardShim.get_board_descr(master.value)
        rows = tuple(about.get("eeg_channels", ()))
        if not rows:
            raise ConfigError(f"the board {plain(master.name)} has no EEG", hint=_BOARDS_PAGE)
        names = _channel_names(about.get("eeg_names", ""), self._names, len(rows))
        return describe(shim, board, master, about, rows, names)

    def _check_recording(self, board: Board) -> None:
        self._left: int | None = None
        if _ALIASES.get(plain(self._target), plain(self._target)) != "playback_file":
            return
        if self._file is None:
            raise ConfigError(
                "playback needs a file",
                hint="brainflow:playback?file=rec.csv&master_board=synthetic",
            )
        lines = _count_samples(self._file, board.columns)
        self._left = None if self._loop else lines

    def _begin(self, clock: Clock, board: Board) -> None:
        self._clock = clock
        self._block = max(1, round(_BLOCK_S * board.rate_hz))
        self._chunker = Chunker(board.rate_hz, self._block, stream=self.kind)
        self._ready: deque[Chunk] = deque()
        self._waiting = 0
        self._ages = SampleAges()
        self._heard_ns = clock.now_ns()
        self._stop = threading.Event()

    def _fetch(self, partial: bool) -> bool:
        """Move what has arrived into ``_ready``; tell whether a chunk is there."""
        with self._lock:
            if self._session is None:
                raise ClosedError(f"the board {self._target!r} is not open")
            if self._ready:
                return True
            self._waiting = self._session.count()
            wanted = 1 if partial else min(self._block, self._left or self._block)
            if self._waiting < wanted:
                return False
            whole = self._waiting // self._block * self._block
            self._take(self._session.take(whole or self._waiting))
            self._waiting = 0
        return True

    def _take(self, rows: npt.NDArray[np.float64]) -> None:
        board = self._board
        self._heard_ns = self._clock.now_ns()
        if self._left is not None:
            self._left -= rows.shape[1]
        stamps_ns = self._heard_ns - self._ages.of(rows[board.stamp_row], _unix_s())
        counted = board.numbered and not self._loop
        numbers = rows[board.number_row].astype(np.int64) if counted else None
        self._ready.extend(self._chunker.cut(self._samples(rows), stamps_ns, numbers))

    def _samples(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return the samples (n, n_channels) of what was taken, shape (rows of the board, n)."""
        return np.ascontiguousarray(rows[list(self._board.rows)].T, dtype=np.float32)

    def _until_block_s(self) -> float:
        return (self._block - self._waiting) / self._board.rate_hz

    def _check_alive(self) -> None:
        if self._waiting or self._clock.now_ns() - self._heard_ns <= self._lost_after_s * 1e9:
            return
        raise DeviceLostError(
            f"the board {self._target!r} delivered nothing for {self._lost_after_s} s",
            hint="check its power, its cable or its distance",
        )


@dataclass(frozen=True, slots=True)
class Board:
    """What BrainFlow says of a board; rows are those of its data matrix."""

    board_id: int
    master: int
    device: str
    rate_hz: float
    names: tuple[str, ...]
    rows: tuple[int, ...]
    stamp_row: int
    number_row: int
    columns: int
    numbered: bool
    preset: int


class _Session:
    """A prepared board that streams. Holds the only reference to BrainFlow's object.

    BrainFlow's destructor prints a traceback when it runs while the interpreter shuts down, so
    a session that nobody released is released before that.
    """

    def __init__(self, shim: Any, board: Any, preset: int) -> None:
        self._shim = shim
        self._preset = preset
        self._held = [board]
        self.release = weakref.finalize(self, _release, shim, self._held)

    @classmethod
    def start(cls, shim: Any, board: Board, params: Mapping[str, Any]) -> _Session:
        """Prepare the board and start its stream.

        Raises:
            DeviceError: BrainFlow's exit code, in words.
        """
        given = shim.BrainFlowInputParams()
        vars(given).update(params)
        handle = shim.BoardShim(board.board_id, given)
        try:
            handle.prepare_session()
        except shim.BrainFlowError as error:
            # The destructor releases whatever session has its parameters: give it none.
            given.other_info = "never prepared"
            handle.input_json = given.to_json().encode()
            raise _open_error(error, board, params) from error
        session = cls(shim, handle, board.preset)
        try:
            handle.start_stream(round(_BUFFER_S * board.rate_hz))
        except shim.BrainFlowError as error:
            session.release()
            raise _open_error(error, board, params) from error
        return session

    def configure(self, command: str) -> None:
        """Send a text command to the board."""
        self._call("config_board", command)

    def count(self, preset: int | None = None) -> int:
        """Return how many samples of a preset wait; of the board's own one without a number."""
        return int(self._call("get_board_data_count", self._preset if preset is None else preset))

    def take(self, count: int, preset: int | None = None) -> npt.NDArray[np.float64]:
        """Take samples away: shape (rows of the preset, count)."""
        number = self._preset if preset is None else preset
        rows: npt.NDArray[np.float64] = self._call("get_board_data", count, number)
        return rows

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            return getattr(self._held[0], method)(*arguments)
        except self._shim.BrainFlowError as error:
            raise DeviceLostError(f"BrainFlow lost the board: {error}") from error


def _release(shim: Any, held: list[Any]) -> None:
    board = held.pop()
    failed = None
    for step in (board.stop_stream, board.release_session):
        try:
            step()
        except shim.BrainFlowError as error:
            if error.exit_code not in _GONE_AT_STOP:
                failed = error
    if failed is not None:
        raise DeviceError(f"BrainFlow cannot release the board: {failed}") from failed


def _load_shim(log: bool) -> Any:
    shim = vendor.load("brainflow.board_shim")
    level = shim.LogLevels[_LOG if log else _NO_LOG].value
    try:  # the first call loads the native library
        with warnings.catch_warnings():  # of pkg_resources, which BrainFlow imports there
            warnings.simplefilter("ignore", UserWarning)
            shim.BoardShim.set_log_level(level)
    except ImportError as error:
        raise UnavailableError(
            f"BrainFlow needs setuptools: {error}", hint=vendor.VENDORS["brainflow"].install
        ) from error
    except OSError as error:
        raise UnavailableError(
            f"BrainFlow's library does not load on {platform.machine()}: {error}",
            hint=f"for an OpenBCI Cyton use cyton:/dev/ttyUSB0; or build BrainFlow: {_BUILD}",
        ) from error
    return shim


def plain(name: str) -> str:
    """Return a board's name as users write it."""
    return name.strip().lower().replace("-", "_").removesuffix("_board")


def find_board(shim: Any, target: str, master: str) -> tuple[Any, Any]:
    """Return the board to open, and the board whose data it gives."""
    ids = {plain(board.name): board for board in shim.BoardIds if board.name != "NO_BOARD"}
    board = _board_named(ids, _ALIASES.get(plain(target), target), "board")
    if board.name not in _STAND_INS:
        return board, board
    if not master:
        raise ConfigError(
            f"{target} carries another board; name it",
            hint=f"brainflow:{target}?master_board=synthetic",
        )
    return board, _board_named(ids, master, "master_board")


def _board_named(ids: Mapping[str, Any], name: str, what: str) -> Any:
    if plain(name) in ids:
        return ids[plain(name)]
    close = difflib.get_close_matches(plain(name), ids, n=5, cutoff=0.5)
    raise ConfigError(
        f"BrainFlow knows no {what} {name!r}",
        hint=f"did you mean {', '.join(close)}?" if close else f"the boards: {', '.join(ids)}",
    )


def describe(
    shim: Any,
    board: Any,
    master: Any,
    about: Mapping[str, Any],
    rows: tuple[int, ...],
    names: tuple[str, ...],
    preset: int = 0,
) -> Board:
    """Return what is read of a board: some rows of one of its presets."""
    carried = f" ({about['name']})" if board is not master else ""
    return Board(
        board_id=board.value,
        master=master.value if carried else shim.BoardIds.NO_BOARD.value,
        device=f"{plain(board.name)}{carried}",
        rate_hz=float(about["sampling_rate"]),
        names=names,
        rows=rows,
        stamp_row=about["timestamp_channel"],
        number_row=about["package_num_channel"],
        columns=about["num_rows"],
        numbered=master.name in _NUMBERED and preset == 0,
        preset=preset,
    )


def _channel_names(own: str, wanted: tuple[str, ...], count: int) -> tuple[str, ...]:
    if wanted and len(wanted) != count:
        raise ConfigError(f"channels names {len(wanted)}, but the board has {count} EEG channels")
    names = wanted or tuple(filter(None, own.split(",")))
    return names if len(names) == count else tuple(f"EEG{i + 1}" for i in range(count))


def _count_samples(path: Path, columns: int) -> int:
    """Count the lines that BrainFlow will play: it skips those of another width in silence."""
    try:
        with path.open("rb") as lines:
            count = sum(line.count(b"\t") + line.count(b",") == columns - 1 for line in lines)
    except OSError as error:
        raise DeviceNotFoundError(f"the recording {str(path)!r} cannot be read: {error}") from error
    if not count:
        raise DeviceError(
            f"{path.name} holds no sample of {columns} columns",
            hint="play BrainFlow's own CSV, with the master_board that made it",
        )
    return count


def _open_error(error: Any, board: Board, params: Mapping[str, Any]) -> DeviceError | ConfigError:
    message = f"BrainFlow cannot open {board.device}: {error}"
    if error.exit_code in _PORT_CODES:
        return _port_error(message, str(params["serial_port"]))
    if error.exit_code in _SILENT_CODES:
        return DeviceTimeoutError(message, hint="switch the board on; check battery and distance")
    if error.exit_code in _ARGUMENT_CODES:
        return ConfigError(message, hint=f"what each board needs: {_BOARDS_PAGE}")
    if error.exit_code in _BUSY_CODES:
        return DeviceBusyError(message, hint="this process reads the same board already; close it")
    return DeviceError(message, hint="add log=true to the address to see BrainFlow's own log")


def _port_error(message: str, port: str) -> DeviceError:
    if not port:
        return DeviceNotFoundError(message, hint="switch the board on; is Bluetooth on?")
    if not Path(port).exists():
        return DeviceNotFoundError(message, hint="list what is attached: edge-emo devices")
    if not os.access(port, os.R_OK | os.W_OK):
        return DeviceError(message, hint="sudo usermod -aG dialout $USER; then log in again")
    return DeviceBusyError(message, hint=f"find who holds the port: fuser -v {port}")


def _unix_s() -> float:
    # BrainFlow stamps samples with the wall clock; only differences to it are used.
    return time.clock_gettime(time.CLOCK_REALTIME)
