from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from lab.cyton_board import CytonBoard

from edge_emo.clock import ManualClock, MonotonicClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.eeg.ages import SampleAges
from edge_emo.drivers.eeg.brainflow import BrainFlowEeg, _release
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
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks
from edge_emo.types import Chunk
from tests.fakes.reading import end_of_read

ROWS = 32
"""Columns of a recording of the synthetic board: number, 16 EEG, …, stamp in 30."""


def missing() -> str:
    """Return what makes BrainFlow work here; empty when it does."""
    with BrainFlowEeg("synthetic") as driver:
        try:
            driver.open(MonotonicClock())
        except UnavailableError as error:
            return f"{error}: {error.hint}"
    return ""


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def recording(path: Path, count: int = 60, **cells: object) -> Path:
    """Write what BrainFlow would: sample i of EEG channel c is 10 i + c."""
    rows = np.zeros((count, ROWS))
    rows[:, 0] = np.arange(count) % 256
    rows[:, 1:17] = 10 * np.arange(count)[:, None] + np.arange(16)
    rows[:, 30] = 1_700_000_000 + np.arange(count) / 250
    return write(path, rows)


def write(path: Path, rows: npt.NDArray[np.float64]) -> Path:
    np.savetxt(path, rows, fmt="%.6f", delimiter="\t")
    return path


def playback(path: Path, *, loop: bool = False) -> BrainFlowEeg:
    return BrainFlowEeg("playback", file=path, master_board="synthetic", loop=loop)


def all_chunks(driver: Driver) -> list[Chunk]:
    driver.open(MonotonicClock())
    return read_chunks(driver, 10_000)


def joined(chunks: list[Chunk]) -> npt.NDArray[np.float32]:
    return np.concatenate([chunk.samples for chunk in chunks])


class TestContractOfTheSyntheticBoard(DriverContract):
    def make(self) -> Driver:
        return BrainFlowEeg("synthetic")


class TestContractOfPlayback(DriverContract):
    finite = True

    @pytest.fixture(autouse=True)
    def _recording(self, tmp_path: Path) -> None:
        self.file = recording(tmp_path / "rec.csv")

    def make(self) -> Driver:
        return playback(self.file)


@pytest.mark.parametrize(
    "name", ["synthetic", "SYNTHETIC", "Synthetic_Board", "synthetic-board", ""]
)
def test_a_board_goes_by_any_spelling(name: str) -> None:
    with BrainFlowEeg(name) as driver:
        info = driver.open(MonotonicClock())
    assert info.rate_hz == 250.0
    assert info.channels[:4] == ("Fz", "C3", "Cz", "C4")
    assert len(info.channels) == 16


def test_its_address_makes_it(tmp_path: Path) -> None:
    file = recording(tmp_path / "rec.csv")
    address = Address.parse(f"brainflow:playback?file={file}&master_board=SYNTHETIC_BOARD")
    with construct(DRIVERS.load("eeg.brainflow"), address) as driver:
        assert "playback_file (Synthetic)" in driver.open(MonotonicClock()).device


def test_stamps_lie_between_opening_and_reading() -> None:
    clock = MonotonicClock()
    with BrainFlowEeg("synthetic") as driver:
        before = clock.now_ns()
        driver.open(clock)
        chunks = read_chunks(driver, 4)
        after = clock.now_ns()
    assert before < chunks[0].t_ns < chunks[3].t_ns < after


def test_ages_are_reckoned_from_the_hosts_time() -> None:
    ages = SampleAges().of(np.array([1000.0, 1000.004]), 1000.010)
    np.testing.assert_allclose(ages, [10e6, 6e6], atol=1e3)


def test_a_senders_clock_that_is_elsewhere_is_shifted_once() -> None:
    ages = SampleAges()
    np.testing.assert_allclose(ages.of(np.array([50.0, 50.004]), 1000.0), [4e6, 0], atol=1e3)
    np.testing.assert_allclose(ages.of(np.array([50.100]), 1000.120), [24e6], atol=1e3)


@pytest.mark.parametrize("behind_s", [-4.9, -1.0, 1.0, 4.9, 40.0])
def test_a_senders_clock_that_is_seconds_off_ages_no_sample(behind_s: float) -> None:
    ages = SampleAges()
    for second in range(1000, 1200):
        lateness_s = 0.02 if second % 10 else 0.0
        drift_s = (second - 1000) * 1e-3
        stamp = np.array([second - behind_s - drift_s - lateness_s])
        (age,) = ages.of(stamp, float(second))
    assert age == pytest.approx(20e6, abs=61e6)  # it drifts by 60 ms in the minute that is known


def test_a_stamp_of_the_future_is_of_now() -> None:
    np.testing.assert_array_equal(SampleAges().of(np.array([1000.001]), 1000.0), [0])


def test_a_clock_that_is_set_while_a_session_runs_does_not_age_its_samples() -> None:
    hour_s = 3600.0
    ages = SampleAges()
    ages.of(np.array([1000.0]), 1000.010)
    assert ages.of(np.array([1000.1, 1000.2]), 1000.210 + hour_s).tolist() == [100_000_000, 0]
    after = ages.of(np.array([1000.3 + hour_s]), 1000.310 + hour_s)
    np.testing.assert_allclose(after, [10e6], atol=1e3)
    sender = SampleAges()
    sender.of(np.array([50.0]), 1000.0)
    np.testing.assert_array_equal(sender.of(np.array([50.1]), 1000.1 + hour_s), [0])
    np.testing.assert_allclose(sender.of(np.array([50.2]), 1000.21 + hour_s), [10e6], atol=1e3)


class BoardError(Exception):
    exit_code = 17


class Shim:
    BrainFlowError = BoardError


class Unstoppable:
    """A board that fails to stop in a way that nobody foresaw."""

    released = False

    def stop_stream(self) -> None:
        raise BoardError("GENERAL_ERROR:17")

    def release_session(self) -> None:
        self.released = True


def test_a_board_that_does_not_stop_is_released_all_the_same() -> None:
    board = Unstoppable()
    with pytest.raises(DeviceError, match="GENERAL_ERROR"):
        _release(Shim, [board])
    assert board.released


def test_plays_a_recording_sample_for_sample_to_its_end(tmp_path: Path) -> None:
    with playback(recording(tmp_path / "rec.csv", 63)) as driver:
        chunks = all_chunks(driver)
        assert driver.read(1.0) is None
    np.testing.assert_array_equal(joined(chunks)[:, 2], 10 * np.arange(63) + 2)
    assert driver.dropped == 0


def test_a_loop_does_not_end_and_counts_no_loss(tmp_path: Path) -> None:
    with playback(recording(tmp_path / "rec.csv", 20), loop=True) as driver:
        driver.open(MonotonicClock())
        data = joined(read_chunks(driver, 5))
    np.testing.assert_array_equal(data[:, 0], 10 * (np.arange(len(data)) % 20))
    assert len(data) > 20
    assert driver.dropped == 0


def test_packets_missing_in_the_recording_become_a_gap(tmp_path: Path) -> None:
    file = recording(tmp_path / "rec.csv", 40)
    rows = np.delete(np.loadtxt(file), slice(7, 12), axis=0)
    with playback(write(file, rows)) as driver:
        chunks = all_chunks(driver)
    bounds = [(chunk.seq, chunk.seq + chunk.n_samples) for chunk in chunks]
    assert 7 in [end for _, end in bounds]
    assert 12 in [first for first, _ in bounds]
    assert bounds[-1][1] == 40
    assert driver.dropped == 5
    for chunk in chunks:
        assert chunk.samples[0, 0] == 10 * chunk.seq


def test_not_a_number_stays_so(tmp_path: Path) -> None:
    file = recording(tmp_path / "rec.csv", 10)
    rows = np.loadtxt(file)
    rows[:, 3] = np.nan
    with playback(write(file, rows)) as driver:
        data = joined(all_chunks(driver))
    np.testing.assert_array_equal(np.isnan(data).any(axis=0), np.arange(16) == 2)


def test_a_recording_cut_in_a_line_ends_before_it(tmp_path: Path) -> None:
    file = recording(tmp_path / "rec.csv", 20)
    with file.open("a") as text:
        text.write("20.0\t1.0\t2.0")
    with playback(file) as driver:
        assert len(joined(all_chunks(driver))) == 20


def test_channels_may_be_named(tmp_path: Path) -> None:
    names = [f"X{i}" for i in range(16)]
    with BrainFlowEeg(channels=", ".join(names)) as driver:
        assert driver.open(MonotonicClock()).channels == tuple(names)


@pytest.mark.parametrize(
    ("target", "options", "message", "hint"),
    [
        ("sintetic", {}, "knows no board 'sintetic'", "did you mean synthetic"),
        ("muse2", {}, "knows no board 'muse2'", "muse_2"),
        ("no", {}, "knows no board 'no'", "the boards: "),
        ("playback", {}, "carries another board", "master_board="),
        ("playback", {"master_board": "zyton"}, "no master_board 'zyton'", "cyton"),
        ("playback", {"master_board": "synthetic"}, "needs a file", "file=rec.csv"),
        ("emotibit", {}, "has no EEG", "SupportedBoards"),
        ("synthetic", {"channels": "Fz,Cz"}, "names 2, but the board has 16", ""),
        ("cyton", {}, "INVALID_ARGUMENTS", "SupportedBoards"),
    ],
)
def test_what_it_cannot_open_is_told_with_a_hint(
    target: str, options: dict[str, str], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        BrainFlowEeg(target, **options).open(MonotonicClock())  # type: ignore[arg-type]
    assert hint in caught.value.hint


def test_no_such_port_is_not_found() -> None:
    with pytest.raises(DeviceNotFoundError, match="UNABLE_TO_OPEN_PORT") as caught:
        BrainFlowEeg("cyton", serial_port="/dev/ttyNone").open(MonotonicClock())
    assert "edge-emo devices" in caught.value.hint


def test_no_such_recording_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match=r"none\.csv"):
        playback(tmp_path / "none.csv").open(MonotonicClock())


@pytest.mark.parametrize("text", ["", "hello\nworld\n", "1\t2\t3\n"])
def test_a_file_that_is_no_recording_of_that_board_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.csv"
    file.write_text(text)
    with pytest.raises(DeviceError, match="no sample of 32 columns") as caught:
        playback(file).open(MonotonicClock())
    assert "master_board" in caught.value.hint


def test_one_board_cannot_be_read_twice() -> None:
    with BrainFlowEeg("synthetic") as first, BrainFlowEeg("synthetic") as second:
        first.open(MonotonicClock())
        with pytest.raises(DeviceBusyError, match="ANOTHER_BOARD_IS_CREATED"):
            second.open(MonotonicClock())
        assert first.read(5.0) is not None
        first.close()
        second.open(MonotonicClock())


def test_closing_ends_a_read_that_waits(tmp_path: Path) -> None:
    driver = playback(recording(tmp_path / "rec.csv", 5), loop=True)
    driver.open(ManualClock())
    assert isinstance(end_of_read(driver), ClosedError)


class TestCytonOnASerialPort:
    @pytest.fixture
    def board(self, tmp_path: Path) -> Iterator[CytonBoard]:
        with CytonBoard(tmp_path) as board:
            yield board

    def test_unplugged_is_lost_and_plugged_in_again_it_streams(self, board: CytonBoard) -> None:
        with BrainFlowEeg("cyton", serial_port=str(board.path)) as driver:
            clock = ManualClock()
            self.start(driver, board, clock)
            board.send(board.ramp(20))
            chunks = read_chunks(driver, 2)
            np.testing.assert_allclose(
                chunks[1].samples[0, 3], 1003 * 4.5e6 / 24 / (2**23 - 1), 1e-6
            )
            board.send(board.ramp(10), drop=4)
            assert driver.read(5.0).seq == 24  # type: ignore[union-attr]
            assert driver.dropped == 4
            board.unplug()
            clock.advance(1.9)
            with pytest.raises(DeviceTimeoutError):
                driver.read(0.0)
            clock.advance(0.2)
            with pytest.raises(DeviceLostError, match=r"nothing for 2\.0 s"):
                driver.read(0.0)
            with pytest.raises(DeviceNotFoundError):
                driver.open(clock)
            board.plug()
            self.start(driver, board, clock)
            board.send(board.ramp(10))
            chunk = driver.read(5.0)
            assert chunk is not None
            assert (chunk.seq, driver.dropped) == (0, 0)

    @staticmethod
    def start(driver: BrainFlowEeg, board: CytonBoard, clock: ManualClock) -> None:
        info = driver.open(clock)
        assert info.channels == ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
        assert board.streaming.wait(5.0)


def run(script: str, tmp_path: Path | None = None) -> subprocess.CompletedProcess[str]:
    lines = (
        "import sys\n"
        f"sys.path[:0] = {[str(tmp_path)] if tmp_path else []}\n"
        "from edge_emo.clock import MonotonicClock\n"
        "from edge_emo.drivers.eeg.brainflow import BrainFlowEeg\n"
        "from edge_emo.errors import UnavailableError\n"
        "driver = BrainFlowEeg()\n"
    )
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", lines + script],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip


OPEN = (
    "try: driver.open(MonotonicClock())\n"
    "except UnavailableError as error: print(error, '|', error.hint)\n"
)


def test_a_program_that_forgets_to_close_ends_in_silence() -> None:
    done = run("driver.open(MonotonicClock()); driver.read(5.0)\n")
    assert (done.stdout, done.stderr) == ("", "")


def test_without_brainflow_it_names_the_line_that_installs_it() -> None:
    done = run("sys.modules['brainflow'] = None\n" + OPEN)
    assert "pip install 'edge-emo[eeg]'" in done.stdout


def test_without_a_library_for_the_processor_it_names_the_way_out(tmp_path: Path) -> None:
    package = tmp_path / "brainflow"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "board_shim.py").write_text(
        "import ctypes, enum\n"
        "class LogLevels(enum.IntEnum):\n    LEVEL_OFF = 6\n"
        "class BoardShim:\n"
        "    @classmethod\n"
        "    def set_log_level(cls, level): ctypes.CDLL(__file__)\n"
    )
    done = run(OPEN, tmp_path)
    assert "does not load on" in done.stdout
    assert "use cyton:/dev/ttyUSB0" in done.stdout
