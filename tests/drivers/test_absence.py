"""An input that is away is not looked for more often than the memory of a year allows."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from edge_emo.clock import ManualClock
from edge_emo.drivers.capture import BACK_OFF_S
from edge_emo.drivers.microphone import absence
from edge_emo.drivers.microphone.portaudio import PortAudioMicrophone
from edge_emo.errors import DeviceNotFoundError


class EmptyPyAudio(types.ModuleType):
    """A PyAudio without any input."""

    def __init__(self) -> None:
        super().__init__("pyaudio")
        self.started = 0

    def PyAudio(self) -> EmptyPyAudio:  # noqa: N802 - PyAudio's name
        self.started += 1
        return self

    def terminate(self) -> None:
        pass

    def get_device_count(self) -> int:
        return 0

    def get_device_info_by_index(self, index: int) -> dict[str, object]:
        raise AssertionError(f"there is no device {index}")

    def get_default_input_device_info(self) -> dict[str, object]:
        raise OSError(-9996, "No Default Input Device Available")


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    (tmp_path / "pcmC0D0p").touch()
    return tmp_path


@pytest.fixture
def library(devices: Path, monkeypatch: pytest.MonkeyPatch) -> EmptyPyAudio:
    module = EmptyPyAudio()
    monkeypatch.setitem(sys.modules, "pyaudio", module)
    monkeypatch.setattr(absence.Absence.__init__, "__defaults__", (devices,))
    return module


@pytest.mark.parametrize("target", ["default", "headset", "7"])
def test_it_is_looked_for_every_ten_seconds_for_a_minute_then_every_five(
    target: str, library: EmptyPyAudio
) -> None:
    microphone, clock, told = PortAudioMicrophone(target), ManualClock(), set()
    for _ in range(6 * 60):
        with pytest.raises(DeviceNotFoundError) as caught:
            microphone.open(clock)
        told.add(caught.value.message)
        clock.advance(10)
    assert library.started == 10 + 11
    assert f"there is still no input '{target}'" in told


def test_it_is_looked_for_in_the_minute_in_which_a_session_tries_most(
    library: EmptyPyAudio,
) -> None:
    microphone, clock = PortAudioMicrophone(), ManualClock()
    for wait_s in (0.0, *BACK_OFF_S, *[BACK_OFF_S[-1]] * 3):
        clock.advance(wait_s)
        with pytest.raises(DeviceNotFoundError):
            microphone.open(clock)
    assert library.started == 9
    assert clock.now_ns() < 60e9


def test_it_is_looked_for_in_a_session_of_another_clock(library: EmptyPyAudio) -> None:
    microphone, clock = PortAudioMicrophone(), ManualClock(3_600_000_000_000)
    for _ in range(20):
        with pytest.raises(DeviceNotFoundError):
            microphone.open(clock)
    before = library.started
    with pytest.raises(DeviceNotFoundError):
        microphone.open(ManualClock())
    assert library.started == before + 1


@pytest.mark.parametrize("change", ["another card", "another mode"])
def test_it_is_looked_for_at_once_when_the_sound_devices_change(
    change: str, library: EmptyPyAudio, devices: Path
) -> None:
    microphone, clock = PortAudioMicrophone(), ManualClock()
    for _ in range(20):
        with pytest.raises(DeviceNotFoundError):
            microphone.open(clock)
    before = library.started
    if change == "another card":
        (devices / "pcmC1D0c").touch()
    else:
        (devices / "pcmC0D0p").chmod(0o660)
    with pytest.raises(DeviceNotFoundError):
        microphone.open(clock)
    assert library.started == before + 1
