from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from lab.pulse import PulseMicrophone, missing, pulse_microphone

from edge_emo.clock import MonotonicClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.microphone.portaudio import PortAudioMicrophone
from edge_emo.drivers.microphone.quiet import quiet_stderr
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    UnavailableError,
)
from edge_emo.testing import DriverContract, read_chunks

needs_lab = pytest.mark.skipif(bool(missing()), reason=missing() or "all there")


@pytest.fixture(scope="module")
def microphone() -> Iterator[PulseMicrophone]:
    """One that every test leaves as it found it."""
    with pulse_microphone() as running:
        yield running


@pytest.fixture
def doomed() -> Iterator[PulseMicrophone]:
    """One that the test may break."""
    with pulse_microphone() as running:
        yield running


@needs_lab
@pytest.mark.usefixtures("microphone")
class TestContract(DriverContract):
    def make(self) -> Driver:
        return PortAudioMicrophone("edge_mic")


@needs_lab
def test_every_sample_arrives_as_it_was_played(microphone: PulseMicrophone) -> None:
    played = np.random.default_rng(7).integers(-9000, 9000, 16000).astype(np.int16)
    padded = np.concatenate([np.zeros(8000, np.int16), played, np.zeros(16000, np.int16)])
    with PortAudioMicrophone("edge_mic", block_s=0.02) as driver:
        driver.open(MonotonicClock())
        player = threading.Thread(target=microphone.play, args=(padded,))
        player.start()
        chunks = read_chunks(driver, 200)
        player.join()
    heard = np.concatenate([chunk.samples[:, 0] for chunk in chunks])
    start = find(heard, played)
    assert chunks[-1].seq == 199 * 320
    np.testing.assert_array_equal(heard[start : start + 16000] * 32768, played)


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_reads_back_rate_channels_and_device() -> None:
    with PortAudioMicrophone("edge_mic", rate_hz=8000, channels=2, block_s=0.05) as driver:
        info = driver.open(MonotonicClock())
        chunk = read_chunks(driver, 1)[0]
    assert (info.rate_hz, info.channels, info.unit) == (8000.0, ("left", "right"), "full-scale")
    assert chunk.samples.shape == (400, 2)
    assert "edge_mic" in info.device
    assert info.live


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_a_refused_rate_becomes_the_devices_own_and_says_so() -> None:
    with PortAudioMicrophone("edge_mic", rate_hz=3_000_000) as driver:
        info = driver.open(MonotonicClock())
        chunk = read_chunks(driver, 1)[0]
    assert info.rate_hz == chunk.rate_hz == 44100.0
    assert "refuses 3000000 Hz" in info.device


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_digital_silence_is_sound() -> None:
    with PortAudioMicrophone("edge_mic", watchdog_s=1.0) as driver:
        driver.open(MonotonicClock())
        chunks = read_chunks(driver, 60)
    assert not np.concatenate([chunk.samples for chunk in chunks]).any()
    assert driver.dropped == 0


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_lists_inputs_with_addresses_that_open() -> None:
    entries = PortAudioMicrophone.devices()
    entry = next(entry for entry in entries if "edge_mic" in entry.description)
    with PortAudioMicrophone(entry.address.removeprefix("portaudio:")) as driver:
        assert "edge_mic" in driver.open(MonotonicClock()).device


@needs_lab
@pytest.mark.usefixtures("microphone")
@pytest.mark.parametrize(("target", "device"), [("default", "default"), ("EDGE", "edge_mic")])
def test_finds_a_device_by(target: str, device: str) -> None:
    with PortAudioMicrophone(target) as driver:
        assert driver.open(MonotonicClock()).device.startswith(device)


@needs_lab
@pytest.mark.usefixtures("microphone")
@pytest.mark.parametrize("target", ["Blue Yeti", "77"])
def test_an_absent_device_is_an_error_that_lists_what_there_is(target: str) -> None:
    with pytest.raises(DeviceNotFoundError, match=target) as caught:
        PortAudioMicrophone(target).open(MonotonicClock())
    assert "(edge_mic)" in caught.value.hint
    assert "(pipe_mic)" in caught.value.hint


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_a_name_that_fits_two_devices_is_refused() -> None:
    with pytest.raises(ConfigError, match="several") as caught:
        PortAudioMicrophone("_mic").open(MonotonicClock())
    assert "(pipe_mic)" in caught.value.hint


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_channels_that_the_device_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match="edge_mic cannot be opened") as caught:
        PortAudioMicrophone("edge_mic", channels=99).open(MonotonicClock())
    assert "channels=" in caught.value.hint


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_opening_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with PortAudioMicrophone("edge_mic") as driver:
        driver.open(MonotonicClock())
        PortAudioMicrophone.devices()
    assert capfd.readouterr().err == ""


@needs_lab
def test_a_removed_device_times_out_then_is_lost_and_comes_back(
    microphone: PulseMicrophone,
) -> None:
    with PortAudioMicrophone("edge_mic", watchdog_s=0.4) as driver:
        driver.open(MonotonicClock())
        read_chunks(driver, 5)
        microphone.remove_source()
        assert timeouts_until_lost(driver) >= 1
        driver.close()
        microphone.add_source()
        driver.open(MonotonicClock())
        assert len(read_chunks(driver, 5)) == 5


@needs_lab
def test_a_suspended_device_is_lost_and_comes_back(microphone: PulseMicrophone) -> None:
    with PortAudioMicrophone("edge_mic", watchdog_s=0.4) as driver:
        driver.open(MonotonicClock())
        read_chunks(driver, 5)
        microphone.suspend_source(True)
        assert timeouts_until_lost(driver) >= 1
        driver.close()
        microphone.suspend_source(False)
        driver.open(MonotonicClock())
        assert len(read_chunks(driver, 5)) == 5


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_a_device_that_never_speaks_is_lost() -> None:
    with PortAudioMicrophone("pipe_mic", watchdog_s=0.4) as driver:
        driver.open(MonotonicClock())
        assert timeouts_until_lost(driver) >= 1


@needs_lab
def test_a_killed_sound_server_is_noticed_without_the_watchdog(doomed: PulseMicrophone) -> None:
    with PortAudioMicrophone("edge_mic", watchdog_s=3600.0) as driver:
        driver.open(MonotonicClock())
        read_chunks(driver, 5)
        doomed.kill()
        timeouts_until_lost(driver)
    with pytest.raises(DeviceNotFoundError):
        driver.open(MonotonicClock())


@needs_lab
def test_a_frozen_sound_server_is_abandoned_and_opened_when_it_thaws(
    doomed: PulseMicrophone, caplog: pytest.LogCaptureFixture
) -> None:
    driver = PortAudioMicrophone("edge_mic", open_timeout_s=0.3)
    driver.open(MonotonicClock())
    read_chunks(driver, 5)
    doomed.daemon.send_signal(signal.SIGSTOP)
    with caplog.at_level(logging.WARNING):
        driver.close()
    assert "abandoned" in caplog.text
    with pytest.raises(DeviceTimeoutError, match="does not answer"):
        driver.open(MonotonicClock())
    doomed.daemon.send_signal(signal.SIGCONT)
    with PortAudioMicrophone("edge_mic", open_timeout_s=20.0) as again:
        again.open(MonotonicClock())
        assert len(read_chunks(again, 5)) == 5


@needs_lab
def test_a_hung_close_does_not_keep_the_interpreter(doomed: PulseMicrophone) -> None:
    program = """
        import os, signal, sys
        from edge_emo.clock import MonotonicClock
        from edge_emo.drivers.microphone.portaudio import PortAudioMicrophone

        driver = PortAudioMicrophone("edge_mic")
        driver.open(MonotonicClock())
        driver.read(5.0)
        os.kill(int(sys.argv[1]), signal.SIGSTOP)
        driver.close()
        print("abandoned")
        """
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(doomed.daemon.pid)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "abandoned"), done.stderr


@needs_lab
@pytest.mark.usefixtures("microphone")
def test_closing_from_another_thread_ends_a_waiting_read() -> None:
    with PortAudioMicrophone("pipe_mic", watchdog_s=60.0) as driver:
        driver.open(MonotonicClock())
        closer = threading.Timer(0.2, driver.close)
        closer.start()
        with pytest.raises(ClosedError):
            driver.read(30.0)
        closer.join()


def test_without_pyaudio_the_hint_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    with pytest.raises(UnavailableError) as caught:
        PortAudioMicrophone().open(MonotonicClock())
    assert "apt-get install portaudio19-dev" in caught.value.hint
    assert "edge-emo[mic]" in caught.value.hint
    assert PortAudioMicrophone.devices() == []


class OddPyAudio(types.ModuleType):
    """A PyAudio whose library raises what no library should, once it may."""

    def __init__(self) -> None:
        super().__init__("pyaudio")
        self.may_fail = threading.Event()

    def PyAudio(self) -> None:  # noqa: N802 - PyAudio's name
        self.may_fail.wait(20)
        raise ValueError("a bug")


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[OddPyAudio]:
    module = OddPyAudio()
    monkeypatch.setitem(sys.modules, "pyaudio", module)
    yield module
    module.may_fail.set()


def test_a_sound_system_that_fails_in_any_way_is_heard_and_given_free(odd: OddPyAudio) -> None:
    odd.may_fail.set()
    for _ in range(2):
        with pytest.raises(ValueError, match="a bug"):
            PortAudioMicrophone().open(MonotonicClock())
    with pytest.raises(ValueError, match="a bug"):
        PortAudioMicrophone.devices()


def test_a_failure_that_nobody_waits_for_is_logged(
    odd: OddPyAudio, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DeviceTimeoutError, match="does not answer"):
        PortAudioMicrophone(open_timeout_s=0.01).open(MonotonicClock())
    odd.may_fail.set()
    for thread in threading.enumerate():
        if thread.name == "portaudio":
            thread.join(10)
    assert "the sound system failed after it was given up: a bug" in caplog.text
    assert "Traceback" in caplog.text


class GonePyAudio(types.ModuleType):
    """A PyAudio of one input, whose stream answers any question by an error.

    Attributes:
        started: How often PortAudio was started and not ended; it looks for devices at its first
            start alone.
        closed: Whether the stream was closed.
    """

    paInt16, paInputOverflow, paContinue, paAbort = 8, 2, 0, 2  # noqa: N815 - PyAudio's names

    def __init__(self) -> None:
        super().__init__("pyaudio")
        self.started = 0
        self.closed = False
        self._stream = types.SimpleNamespace(sampleRate=16000.0)

    def PyAudio(self) -> GonePyAudio:  # noqa: N802 - PyAudio's name
        self.started += 1
        return self

    def terminate(self) -> None:
        self.started -= 1

    def get_device_count(self) -> int:
        return 1

    def get_device_info_by_index(self, index: int) -> dict[str, object]:
        facts = {"name": "headset", "hostApi": 0, "defaultSampleRate": 16000.0}
        return facts | {"index": index, "maxInputChannels": 1}

    def get_default_input_device_info(self) -> dict[str, object]:
        return self.get_device_info_by_index(0)

    def get_host_api_info_by_index(self, index: int) -> dict[str, object]:
        return {"name": "ALSA", "index": index}

    def open(self, **_options: object) -> GonePyAudio:
        return self

    def is_active(self) -> bool:
        raise OSError(-9999, "Unanticipated host error")

    def close(self) -> None:
        self.closed = True
        raise OSError(-9988, "Stream closed")


def test_a_stream_that_answers_by_errors_is_lost_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = GonePyAudio()
    monkeypatch.setitem(sys.modules, "pyaudio", module)
    microphone = PortAudioMicrophone()
    microphone.open(MonotonicClock())
    with pytest.raises(DeviceLostError, match=r"headset .* Unanticipated host error"):
        microphone.read(0.0)
    microphone.close()
    assert module.closed
    assert module.started == 0
    assert "did not close cleanly: [Errno -9988] Stream closed" in caplog.text


@pytest.mark.parametrize("option", ["rate_hz", "channels", "block_s", "watchdog_s"])
def test_options_out_of_range_are_refused(option: str) -> None:
    with pytest.raises(ConfigError):
        PortAudioMicrophone("default", **{option: -1})  # type: ignore[arg-type]


def test_only_the_noise_of_sound_libraries_is_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr():
        os.write(2, b"ALSA lib pcm.c:2666: Unknown PCM rear\nsomebody's log line\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "somebody's log line\nafterwards\n"


@pytest.mark.parametrize("trouble", ["tempfile.tempdir = '/nowhere'", "os.close(2)"])
def test_without_a_place_to_hold_it_the_noise_is_no_error(trouble: str) -> None:
    program = f"""
        import os, tempfile
        from edge_emo.drivers.microphone.quiet import quiet_stderr

        {trouble}
        for _ in range(2):
            with quiet_stderr():
                print("inside")
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("inside\ninside\n", 0)


def timeouts_until_lost(driver: Driver) -> int:
    timeouts = 0
    while True:
        try:
            driver.read(0.1)
        except DeviceTimeoutError:
            timeouts += 1
        except DeviceLostError:
            return timeouts


def find(heard: npt.NDArray[np.float32], played: npt.NDArray[np.int16]) -> int:
    """Return where ``played`` begins in ``heard``: the peak of their cross-correlation."""
    length = len(heard) + len(played)
    product = np.fft.rfft(heard, length) * np.conj(np.fft.rfft(played, length))
    return int(np.argmax(np.fft.irfft(product, length)[: len(heard)]))
