from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from edge_emo.clock import ManualClock, ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.eeg.openbci import OpenBciEeg
from edge_emo.errors import ConfigError, DeviceError, DeviceNotFoundError
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks

HEADER = (
    "%OpenBCI Raw EXG Data\n"
    "%Number of channels = {channels}\n"
    "%Sample Rate = 250 Hz\n"
    "%Board = OpenBCI_GUI$BoardCytonSerial\n"
)


def save(path: Path, numbers: Iterable[int] = range(50), channels: int = 8) -> Path:
    """Write samples whose value in channel c is 10 times their number, plus c."""
    names = ", ".join(f"EXG Channel {c}" for c in range(channels))
    lines = [f"Sample Index, {names}, Accel Channel 0, Timestamp (Formatted)"]
    for number in numbers:
        cells = ", ".join(f"{10 * number + c:.2f}" for c in range(channels))
        lines.append(f"{number}, {cells}, 0.040, 12:00:53.329")
    path.write_text(HEADER.format(channels=channels) + "\n".join(lines) + "\n")
    return path


class TestContract(DriverContract):
    finite = True

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.file = save(tmp_path / "raw.txt")

    def make(self) -> Driver:
        return OpenBciEeg(str(self.file))


def test_reads_rate_channels_and_samples(tmp_path: Path) -> None:
    with OpenBciEeg(str(save(tmp_path / "raw.txt"))) as driver:
        info = driver.open(ReplayClock())
        chunks = read_chunks(driver, 99)
    assert info.rate_hz == 250.0
    assert info.channels == ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
    assert "BoardCytonSerial" in info.device
    data = np.concatenate([chunk.samples for chunk in chunks])
    np.testing.assert_array_equal(data[:, 5], 10 * np.arange(50) + 5)


def test_packets_missing_in_the_recording_become_a_gap(tmp_path: Path) -> None:
    numbers = [253, 254, 255, 2, 3]
    with OpenBciEeg(str(save(tmp_path / "raw.txt", numbers))) as driver:
        driver.open(ReplayClock())
        chunks = read_chunks(driver, 99)
        assert driver.dropped == 2
    assert [(c.seq, c.n_samples, c.t_ns) for c in chunks] == [(0, 3, 0), (5, 2, 20_000_000)]


@pytest.mark.parametrize(
    "numbers",
    [
        [number for number in range(1, 101) for _ in (1, 2)] * 2,  # a Ganglion that compresses
        [*range(201), *range(201)],  # one that does not
        [2 * number % 256 for number in range(300)],  # a Cyton with a Daisy
    ],
)
def test_numbers_that_do_not_count_samples_tell_of_no_loss(
    tmp_path: Path, numbers: list[int]
) -> None:
    with OpenBciEeg(str(save(tmp_path / "raw.txt", numbers, channels=4))) as driver:
        driver.open(ReplayClock())
        chunks = read_chunks(driver, 999)
        assert driver.dropped == 0
    assert sum(chunk.n_samples for chunk in chunks) == chunks[-1].seq + chunks[-1].n_samples
    assert chunks[-1].seq + chunks[-1].n_samples == len(numbers)


def test_other_boards_have_numbered_channels_unless_named(tmp_path: Path) -> None:
    file = str(save(tmp_path / "raw.txt", channels=4))
    with OpenBciEeg(file) as driver:
        assert driver.open(ReplayClock()).channels == ("EEG1", "EEG2", "EEG3", "EEG4")
    with OpenBciEeg(file, channels="Fz,Cz,Pz,Oz") as driver:
        assert driver.open(ReplayClock()).channels == ("Fz", "Cz", "Pz", "Oz")
    with pytest.raises(ConfigError, match="names 2, but the file has 4"):
        OpenBciEeg(file, channels="Fz,Cz").open(ReplayClock())


def test_a_line_cut_short_is_named(tmp_path: Path) -> None:
    file = save(tmp_path / "raw.txt", range(3))
    with file.open("a") as text:
        text.write("3, 30.0, 31")
    with pytest.raises(DeviceError, match=r"raw\.txt, line 9: 3 of 9 values"):
        OpenBciEeg(str(file)).open(ManualClock())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no header"),
        (b"1, 2, 3\n", "no header"),
        (b"\xff\xfe\x00binary", "is no text"),
        (HEADER.format(channels=8).encode(), "holds no sample"),
        (HEADER.format(channels=2).encode() + b"0, 1.0, x\n", "line 5: could not convert"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "raw.txt").write_bytes(content)
    with pytest.raises(DeviceError, match=reason):
        OpenBciEeg(str(tmp_path / "raw.txt")).open(ManualClock())


def test_no_such_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match=r"none\.txt"):
        OpenBciEeg(str(tmp_path / "none.txt")).open(ManualClock())


def test_its_address_makes_it(tmp_path: Path) -> None:
    address = Address.parse(
        f"openbci:{save(tmp_path / 'raw.txt')}?loop=true&channels=A,B,C,D,E,F,G,H"
    )
    with construct(DRIVERS.load("eeg.openbci"), address) as driver:
        assert driver.open(ReplayClock()).channels[7] == "H"
