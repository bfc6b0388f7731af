from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_emo.clock import Clock, ManualClock, MonotonicClock, ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.eeg.npz import NpzEeg
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks
from tests.fakes.reading import end_of_read

SECOND = 1_000_000_000


def save(path: Path, **changed: Any) -> Path:
    """Write 100 samples of three channels at 250 Hz; sample i of channel c is 10 i + c."""
    ramp = (10 * np.arange(100)[:, None] + np.arange(3)).astype(np.float32)
    arrays = {"data": ramp, "rate_hz": 250.0, "channels": np.array(["Fz", "Cz", "Pz"])} | changed
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save(tmp_path / "rest.npz")


class TestContract(DriverContract):
    finite = True

    @pytest.fixture(autouse=True)
    def _file(self, file: Path) -> None:
        self.file = file

    def make(self) -> Driver:
        return NpzEeg(str(self.file))


class TestContractInReplay(TestContract):
    def clock(self) -> Clock:
        return ReplayClock()

    stamp_slack_s = 1.0


def test_its_address_makes_it(file: Path) -> None:
    address = Address.parse(f"npz:{file}?loop=true&block_s=0.1")
    with construct(DRIVERS.load("eeg.npz"), address) as driver:
        driver.open(ReplayClock())
        assert driver.read(9.0).n_samples == 25


def test_delivers_the_file_sample_for_sample(file: Path) -> None:
    with NpzEeg(str(file)) as driver:
        info = driver.open(ReplayClock())
        chunks = read_chunks(driver, 99)
    data = np.concatenate([chunk.samples for chunk in chunks])
    np.testing.assert_array_equal(data[:, 1], 10 * np.arange(100) + 1)
    assert (info.channels, info.rate_hz, info.unit, info.live) == (
        ("Fz", "Cz", "Pz"), 250.0, "uv", False,
    )  # fmt: skip


def test_file_time_zero_is_the_start_of_open(file: Path) -> None:
    clock = ReplayClock()
    clock.advance_to(3 * SECOND)
    with NpzEeg(str(file)) as driver:
        driver.open(clock)
        stamps = [chunk.t_ns for chunk in read_chunks(driver, 3)]
    assert stamps == [3_000_000_000, 3_040_000_000, 3_080_000_000]


def test_a_block_comes_when_its_last_sample_is_due(file: Path) -> None:
    clock = ManualClock()
    with NpzEeg(str(file)) as driver:
        driver.open(clock)
        clock.advance_to(39_999_999)
        with pytest.raises(DeviceTimeoutError):
            driver.read(0.0)
        clock.advance_to(40_000_000)
        chunk = driver.read(0.0)
    assert chunk is not None
    assert (chunk.seq, chunk.t_ns, chunk.n_samples) == (0, 0, 10)


def test_times_out_when_the_block_is_too_far_away(tmp_path: Path) -> None:
    path = save(tmp_path / "slow.npz", rate_hz=1.0)
    with NpzEeg(str(path), block_s=100.0) as driver:
        driver.open(MonotonicClock())
        with pytest.raises(DeviceTimeoutError):
            driver.read(0.01)


def test_the_last_block_may_be_short(tmp_path: Path) -> None:
    path = save(tmp_path / "odd.npz", data=np.zeros((23, 3), dtype=np.float32))
    with NpzEeg(str(path)) as driver:
        driver.open(ReplayClock())
        assert [chunk.n_samples for chunk in read_chunks(driver, 9)] == [10, 10, 3]


def test_a_loop_runs_on(tmp_path: Path) -> None:
    data = np.arange(15, dtype=np.float32)[:, None]
    path = save(tmp_path / "loop.npz", data=data, channels=np.array(["Cz"]))
    with NpzEeg(str(path), loop=True) as driver:
        driver.open(ReplayClock())
        chunks = read_chunks(driver, 6)
    played = np.concatenate([chunk.samples for chunk in chunks])[:, 0]
    np.testing.assert_array_equal(played, np.arange(45) % 15)
    assert [chunk.seq for chunk in chunks] == [0, 10, 15, 25, 30, 40]
    assert chunks[3].t_ns == 100_000_000


def test_a_missing_electrode_stays_not_a_number(tmp_path: Path) -> None:
    data = np.zeros((10, 3), dtype=np.float32)
    data[:, 1] = np.nan
    with NpzEeg(str(save(tmp_path / "nan.npz", data=data))) as driver:
        driver.open(ReplayClock())
        chunk = driver.read(1.0)
    assert chunk is not None
    np.testing.assert_array_equal(np.isnan(chunk.samples), [[False, True, False]] * 10)


def test_changing_a_chunk_does_not_change_the_file(file: Path) -> None:
    with NpzEeg(str(file)) as driver:
        for _ in range(2):
            driver.open(ReplayClock())
            chunk = driver.read(1.0)
            assert chunk is not None
            assert chunk.samples[0, 2] == 2.0
            chunk.samples[:] = 99.0


def test_closing_ends_a_read_that_waits(file: Path) -> None:
    driver = NpzEeg(str(file))
    driver.open(ManualClock())
    assert isinstance(end_of_read(driver), ClosedError)


def test_no_such_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match=r"nothing\.npz"):
        NpzEeg(str(tmp_path / "nothing.npz")).open(ManualClock())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"data": None}, "has no 'data'"),
        ({"rate_hz": None}, "has no 'rate_hz'"),
        ({"channels": None}, "has no 'channels'"),
        ({"data": np.zeros(9, dtype=np.float32)}, r"shape \(9,\)"),
        ({"data": np.zeros((0, 3), dtype=np.float32)}, r"shape \(0, 3\)"),
        ({"data": np.zeros((4, 3), dtype=complex)}, "is complex128"),
        ({"data": np.array([[None, 1, 2]])}, "cannot be read: Object arrays"),
        ({"rate_hz": 0.0}, "not above 0"),
        ({"rate_hz": np.nan}, "not above 0"),
        ({"rate_hz": [250.0, 250.0]}, "not one number"),
        ({"rate_hz": "fast"}, "not one number"),
        ({"channels": np.array(["Fz", "Cz"])}, "one name for 3 columns"),
        ({"channels": np.array([1, 2, 3])}, "one name for 3 columns"),
    ],
)
def test_a_file_of_another_shape_is_refused(
    tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    path = save(tmp_path / "wrong.npz", **changed)
    with pytest.raises(DeviceError, match=reason) as caught:
        NpzEeg(str(path)).open(ManualClock())
    assert "float32 (n_samples, n_channels)" in caught.value.hint


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_a_truncated_file_is_refused(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DeviceError, match="cannot be read"):
        NpzEeg(str(file)).open(ManualClock())


def test_a_flipped_byte_is_noticed(file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    damaged[400] ^= 0xFF
    file.write_bytes(damaged)
    with pytest.raises(DeviceError, match="cannot be read"):
        NpzEeg(str(file)).open(ManualClock())


@pytest.mark.parametrize("place", [6, 8, 10])
def test_an_archive_that_python_does_not_unpack_is_refused(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[data.index(b"PK\x01\x02") + place] |= 0x61  # version, flags or method of its first entry
    file.write_bytes(data)
    with pytest.raises(DeviceError, match="cannot be read"):
        NpzEeg(str(file)).open(ReplayClock())


def test_an_array_that_says_it_is_larger_than_any_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, rate_hz=250.0, channels=np.array(["Fz", "Cz", "Pz"]))
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**15, 3)}
    with zipfile.ZipFile(path, "a") as archive, archive.open("data.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(entry, header)
    with pytest.raises(DeviceError, match="cannot be read"):
        NpzEeg(str(path)).open(ReplayClock())


def test_a_bare_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "bare.npy", np.zeros((9, 3)))
    with pytest.raises(DeviceError, match="one array without a name"):
        NpzEeg(str(tmp_path / "bare.npy")).open(ManualClock())


def test_refuses_blocks_of_no_length() -> None:
    with pytest.raises(ConfigError, match="block_s"):
        NpzEeg("any.npz", block_s=0.0)


def test_a_file_of_text_is_said_to_be_no_archive(tmp_path: Path) -> None:
    (tmp_path / "notes.npz").write_text("a list of electrodes")
    with pytest.raises(DeviceError, match=r"it is no \.npz archive") as caught:
        NpzEeg(str(tmp_path / "notes.npz")).open(ManualClock())
    assert "pickle" not in str(caught.value)
