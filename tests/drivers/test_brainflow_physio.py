from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import MonotonicClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.physio.brainflow import BrainFlowPhysio
from edge_emo.drivers.physio.held import Held
from edge_emo.errors import ConfigError, DeviceError
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks

START_S = 1_700_000_000.0
PULSE_HZ, SKIN_HZ = 25.0, 15.0


def auxiliary(path: Path, count: int = 20) -> Path:
    """Write the pulse preset of an EmotiBit: light sensor k of sample i is 100 k + i."""
    rows = np.zeros((count, 6))
    rows[:, 1:4] = np.arange(count)[:, None] + np.array([100, 200, 300])
    rows[:, 4] = START_S + np.arange(count) / PULSE_HZ
    np.savetxt(path, rows, fmt="%.6f", delimiter="\t")
    return path


def ancillary(path: Path, count: int = 12) -> Path:
    """Write its skin preset: conductance of sample i is 2 + i / 10, temperature 33."""
    rows = np.zeros((count, 8))
    rows[:, 1] = 2.0 + np.arange(count) / 10.0
    rows[:, 2] = 33.0
    rows[:, 4] = START_S + np.arange(count) / SKIN_HZ
    np.savetxt(path, rows, fmt="%.6f", delimiter="\t")
    return path


def emotibit(folder: Path, preset: str = "", *, loop: bool = False) -> BrainFlowPhysio:
    return BrainFlowPhysio(
        "playback",
        preset=preset,
        master_board="emotibit",
        file_auxiliary=auxiliary(folder / "aux.csv"),
        file_ancillary=ancillary(folder / "anc.csv"),
        loop=loop,
    )


def played(driver: Driver) -> npt.NDArray[np.float32]:
    driver.open(MonotonicClock())
    return np.concatenate([chunk.samples for chunk in read_chunks(driver, 10_000)])


class TestContractOfTheSyntheticBoard(DriverContract):
    def make(self) -> Driver:
        return BrainFlowPhysio("synthetic")


class TestContractOfTwoPresets(DriverContract):
    finite = True

    @pytest.fixture(autouse=True)
    def _recording(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> Driver:
        return emotibit(self.folder)


def test_pulse_and_skin_of_an_emotibit_come_as_one_stream(tmp_path: Path) -> None:
    with emotibit(tmp_path) as driver:
        info = driver.open(MonotonicClock())
        data = np.concatenate([chunk.samples for chunk in read_chunks(driver, 10_000)])
    assert (info.channels, info.rate_hz) == (("bvp", "eda", "temp"), PULSE_HZ)
    np.testing.assert_array_equal(data[:, 0], 200.0 + np.arange(20))
    skin = data[np.isfinite(data[:, 1]), 1]
    assert len(skin) >= 10
    assert np.all(np.diff(skin) >= 0.0)
    assert 2.0 <= skin[0] <= skin[-1] <= 3.1 + 1e-6
    assert set(data[np.isfinite(data[:, 2]), 2].tolist()) == {33.0}


def test_one_preset_may_be_chosen(tmp_path: Path) -> None:
    with emotibit(tmp_path, "ancillary") as driver:
        info = driver.open(MonotonicClock())
    assert (info.channels, info.rate_hz) == (("eda", "temp"), SKIN_HZ)


def test_two_presets_may_be_named_in_the_address(tmp_path: Path) -> None:
    aux, anc = auxiliary(tmp_path / "aux.csv"), ancillary(tmp_path / "anc.csv")
    address = Address.parse(
        "brainflow:playback?preset=auxiliary,ancillary&master_board=emotibit"
        f"&file_auxiliary={aux}&file_ancillary={anc}"
    )
    with construct(DRIVERS.load("physio.brainflow"), address) as driver:
        assert driver.open(MonotonicClock()).channels == ("bvp", "eda", "temp")


def test_only_presets_whose_file_is_given_are_played(tmp_path: Path) -> None:
    driver = BrainFlowPhysio(
        "playback", master_board="emotibit", file_auxiliary=auxiliary(tmp_path / "aux.csv")
    )
    with driver:
        assert driver.open(MonotonicClock()).channels == ("bvp",)
        data = np.concatenate([chunk.samples for chunk in read_chunks(driver, 10_000)])
    np.testing.assert_array_equal(data[:, 0], 200.0 + np.arange(20))


def test_the_synthetic_board_needs_one_preset_only() -> None:
    with BrainFlowPhysio("synthetic") as driver:
        info = driver.open(MonotonicClock())
    assert info.channels == ("bvp", "eda", "temp")


@pytest.mark.parametrize(
    ("target", "preset", "words"),
    [
        ("cyton", "", "has no pulse or skin sensor"),
        ("emotibit", "default", "no pulse or skin sensor in its default preset"),
        ("synthetic", "middle", "preset = 'middle'"),
    ],
)
def test_what_has_no_signal_is_refused(target: str, preset: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        BrainFlowPhysio(target, preset=preset).open(MonotonicClock())


def test_a_recording_of_another_preset_is_refused(tmp_path: Path) -> None:
    wrong = ancillary(tmp_path / "anc.csv")
    driver = BrainFlowPhysio("playback", master_board="emotibit", file_auxiliary=wrong)
    with pytest.raises(DeviceError, match="no sample of 6 columns"):
        driver.open(MonotonicClock())


def held(stamps_s: list[float], values: list[float]) -> Held:
    one = Held(2, [1], stamp_row=0)
    one.add(np.array([stamps_s, values]))
    return one


def test_a_slower_signal_is_interpolated_and_then_held() -> None:
    one = held([10.0, 11.0], [1.0, 3.0])
    np.testing.assert_allclose(one.at(np.array([10.5, 11.0, 12.9]))[:, 0], [2.0, 3.0, 3.0])
    one.add(np.array([[13.0], [5.0]]))
    np.testing.assert_allclose(one.at(np.array([13.0, 13.5]))[:, 0], [5.0, 5.0])


def test_a_clock_that_is_set_back_does_not_stop_a_slower_signal() -> None:
    one = held([5000.0, 5001.0], [1.0, 2.0])
    one.add(np.array([[1000.0, 1001.0], [3.0, 4.0]]))
    np.testing.assert_allclose(one.at(np.array([1000.0, 1001.0]))[:, 0], [3.0, 4.0])


def test_what_did_not_come_is_not_a_number() -> None:
    assert np.isnan(Held(2, [1, 2], stamp_row=0).at(np.array([1.0]))).all()
    answer = held([10.0, 20.0], [1.0, 2.0]).at(np.array([9.9, 11.9, 12.1, 20.0, 22.1]))[:, 0]
    np.testing.assert_array_equal(np.isnan(answer), [True, False, True, False, True])
