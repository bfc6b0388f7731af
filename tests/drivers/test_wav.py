from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import threading
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock, MonotonicClock, ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.microphone.wav import SoundFileMicrophone
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    UnavailableError,
)
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks
from edge_emo.types import Chunk, StreamInfo
from tests.fakes.reading import AskedClock, end_of_read

RATE_HZ = 16000
Sound = npt.NDArray[np.float64]


@pytest.fixture
def sound() -> Sound:
    """One second of noise, mono, below full scale."""
    return np.random.default_rng(3).uniform(-0.9, 0.9, (RATE_HZ, 1))


class TestContract(DriverContract):
    finite = True

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path, sound: Sound) -> None:
        self.path = write_wav(tmp_path / "speech.wav", sound[:4000])

    def make(self) -> Driver:
        return SoundFileMicrophone(str(self.path))


class TestLoopingContract(TestContract):
    finite = False

    def make(self) -> Driver:
        return SoundFileMicrophone(str(self.path), loop=True)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_reads_integers_of_any_width(tmp_path: Path, sound: Sound, width: int) -> None:
    path = write_wav(tmp_path / "speech.wav", sound, width=width)
    _, heard = read_file(path)
    np.testing.assert_allclose(heard, sound, atol=1.01 / 2 ** (8 * width - 1) + 1e-7)


@pytest.mark.parametrize(("width", "step"), [(1, 2.0**-7), (2, 2.0**-15), (3, 2.0**-23)])
def test_full_scale_is_one(tmp_path: Path, width: int, step: float) -> None:
    extremes = np.array([[-1.0], [0.0], [1.0 - step], [step]])
    _, heard = read_file(write_wav(tmp_path / "speech.wav", extremes, width=width))
    np.testing.assert_array_equal(heard, extremes)


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("extensible", [False, True])
def test_reads_floats(tmp_path: Path, sound: Sound, dtype: str, extensible: bool) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(float_wav(sound.astype(dtype), extensible=extensible))
    _, heard = read_file(path)
    np.testing.assert_array_equal(heard, sound.astype(np.float32))


def test_keeps_channels_and_rate_of_the_file(tmp_path: Path) -> None:
    stereo = np.random.default_rng(1).uniform(-1, 1, (4410, 2))
    info, heard = read_file(write_wav(tmp_path / "clip.wav", stereo, rate_hz=44100))
    assert (info.rate_hz, info.channels, info.live) == (44100.0, ("left", "right"), False)
    np.testing.assert_allclose(heard, stereo, atol=4e-5)


def test_blocks_follow_each_other_and_the_last_is_short(tmp_path: Path, sound: Sound) -> None:
    path = write_wav(tmp_path / "speech.wav", sound[:1000])
    chunks = replay(SoundFileMicrophone(str(path), block_s=0.025))
    assert [(chunk.seq, chunk.n_samples) for chunk in chunks] == [(0, 400), (400, 400), (800, 200)]
    assert [chunk.t_ns for chunk in chunks] == [0, 25_000_000, 50_000_000]


def test_begins_where_told(tmp_path: Path, sound: Sound) -> None:
    path = write_wav(tmp_path / "speech.wav", sound)
    chunks = replay(SoundFileMicrophone(str(path), start_s=0.75))
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert (chunks[0].seq, chunks[0].t_ns) == (0, 0)
    np.testing.assert_allclose(heard, sound[12000:], atol=4e-5)


def test_a_loop_goes_on_numbering(tmp_path: Path, sound: Sound) -> None:
    path = write_wav(tmp_path / "speech.wav", sound[:500])
    with SoundFileMicrophone(str(path), loop=True, block_s=0.02) as driver:
        driver.open(ReplayClock())
        chunks = read_chunks(driver, 6)
    assert [(chunk.seq, chunk.n_samples) for chunk in chunks[2:5]] == [
        (500, 320),
        (820, 180),
        (1000, 320),
    ]
    assert chunks[4].t_ns == 62_500_000
    np.testing.assert_array_equal(chunks[2].samples, chunks[0].samples)


def test_a_block_comes_when_its_last_sample_is_recorded(tmp_path: Path, sound: Sound) -> None:
    clock = AskedClock(7_000_000)
    path = write_wav(tmp_path / "speech.wav", sound)
    with SoundFileMicrophone(str(path), block_s=0.02) as driver:
        driver.open(clock)
        heard: list[Chunk | None] = []
        reader = threading.Thread(target=lambda: heard.append(driver.read(5.0)))
        reader.start()
        assert clock.asked_ns.get(timeout=10) == 27_000_000
        clock.advance_to(27_000_000)
        reader.join(5.0)
    assert heard[0] is not None
    assert (heard[0].t_ns, heard[0].n_samples) == (7_000_000, 320)


def test_a_time_out_keeps_the_block_for_the_next_read(tmp_path: Path, sound: Sound) -> None:
    clock = ManualClock()
    path = write_wav(tmp_path / "speech.wav", sound)
    with SoundFileMicrophone(str(path), block_s=0.02) as driver:
        driver.open(clock)
        with pytest.raises(DeviceTimeoutError):
            driver.read(0.0)
        clock.advance(0.02)
        chunk = driver.read(0.0)
    assert chunk is not None
    assert chunk.seq == 0


def test_closing_ends_a_waiting_read(tmp_path: Path, sound: Sound) -> None:
    driver = SoundFileMicrophone(str(write_wav(tmp_path / "speech.wav", sound)))
    driver.open(ManualClock())
    assert isinstance(end_of_read(driver), ClosedError)


def test_a_cut_file_gives_the_samples_that_are_there(tmp_path: Path, sound: Sound) -> None:
    path = write_wav(tmp_path / "speech.wav", sound)
    os.truncate(path, 44 + 2 * 4000 + 1)
    info, heard = read_file(path)
    assert "cut: 0.25 s of the 1.00 s promised" in info.device
    np.testing.assert_allclose(heard, sound[:4000], atol=4e-5)


@pytest.mark.parametrize("promise", [0, 0xFFFFFFFF])
def test_a_recorder_that_was_killed_left_its_samples(
    tmp_path: Path, sound: Sound, promise: int
) -> None:
    path = write_wav(tmp_path / "speech.wav", sound)
    with path.open("r+b") as stream:
        for position in (4, 40):
            stream.seek(position)
            stream.write(struct.pack("<I", promise))
    info, heard = read_file(path)
    assert "did not finish the header" in info.device
    np.testing.assert_allclose(heard, sound, atol=4e-5)


def test_other_chunks_around_the_samples_are_not_heard(tmp_path: Path, sound: Sound) -> None:
    data = (sound[:1000] * 32767).astype("<i2").tobytes()
    note = riff_chunk(b"LIST", b"INFOodd")
    body = riff_chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16))
    path = tmp_path / "speech.wav"
    path.write_bytes(riff_file(note + body + note + riff_chunk(b"data", data) + note))
    _, heard = read_file(path)
    np.testing.assert_allclose(heard, sound[:1000], atol=7e-5)


def test_holds_one_block_in_memory(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "hour.wav", np.zeros((1, 1)))
    hour_bytes = 3600 * RATE_HZ * 2
    with path.open("r+b") as stream:
        for position, size in ((4, hour_bytes + 36), (40, hour_bytes)):
            stream.seek(position)
            stream.write(struct.pack("<I", size))
        stream.truncate(44 + hour_bytes)
    tracemalloc.start()
    try:
        with SoundFileMicrophone(str(path), start_s=3599.9) as driver:
            driver.open(ReplayClock())
            assert sum(chunk.n_samples for chunk in read_chunks(driver, 100)) == 1600
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < hour_bytes / 100


BAD_FILES = {
    "empty": (b"", "is empty"),
    "no sound in it": (None, "holds no sound"),
    "cut in the header": (b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00", "ends inside"),
    "no format": (b"RIFF\x04\x00\x00\x00WAVEdata\x00\x00\x00\x00", "no format"),
    "short format": (
        b"RIFF\x04\x00\x00\x00WAVEfmt \x04\x00\x00\x00\x01\x00\x01\x00",
        "damaged|ends",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_a_clear_error(tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    path = write_wav(tmp_path / "speech.wav", np.zeros((0, 1)))
    if content is not None:
        path.write_bytes(content)
    driver = SoundFileMicrophone(str(path))
    with pytest.raises(ConfigError, match=message):
        driver.open(ReplayClock())
    with pytest.raises(ClosedError):
        driver.read(0.1)


def test_no_such_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match=r"absent\.wav"):
        SoundFileMicrophone(str(tmp_path / "absent.wav")).open(ReplayClock())
    with pytest.raises(ConfigError, match="not a file"):
        SoundFileMicrophone(str(tmp_path)).open(ReplayClock())


def test_an_address_makes_the_driver(tmp_path: Path, sound: Sound) -> None:
    path = write_wav(tmp_path / "speech.wav", sound)
    address = Address.parse(f"wav:{path}?block_s=0.1&loop=true&start_s=0.5")
    with construct(DRIVERS.load("microphone.wav"), address) as driver:
        driver.open(ReplayClock())
        assert read_chunks(driver, 1)[0].n_samples == 1600


@pytest.mark.parametrize("option", ["block_s=0", "block_s=nan", "start_s=-1", "start_s=inf"])
def test_options_out_of_range_are_refused(option: str) -> None:
    with pytest.raises(ConfigError):
        construct(SoundFileMicrophone, Address.parse(f"wav:speech.wav?{option}"))


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [("flac", "PCM_16", 4e-5), ("ogg", "VORBIS", 0.02), ("mp3", "MPEG_LAYER_III", 0.02)],
)
def test_reads_compressed_sound(
    tmp_path: Path, suffix: str, subtype: str, tolerance: float
) -> None:
    soundfile = pytest.importorskip("soundfile", reason="pip install 'edge-emo[audio]'")
    path = tmp_path / f"speech.{suffix}"
    soundfile.write(path, tone(), RATE_HZ, subtype=subtype)
    info, heard = read_file(path)
    assert (info.rate_hz, info.channels) == (16000.0, ("mono",))
    assert np.sqrt(np.mean((heard[: len(tone())] - tone()) ** 2)) < tolerance


def test_reads_a_law_encoding_through_libsndfile(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="pip install 'edge-emo[audio]'")
    soundfile.write(tmp_path / "phone.wav", tone(), RATE_HZ, subtype="ALAW")
    _, heard = read_file(tmp_path / "phone.wav")
    np.testing.assert_allclose(heard, tone(), atol=0.03)


def test_without_soundfile_the_hint_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / "speech.flac").write_bytes(b"fLaC and more")
    with pytest.raises(UnavailableError) as caught:
        SoundFileMicrophone(str(tmp_path / "speech.flac")).open(ReplayClock())
    assert "edge-emo[audio]" in caught.value.hint


needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="needs ffmpeg: sudo apt-get install ffmpeg"
)


@needs_ffmpeg
def test_reads_the_sound_track_of_a_video(tmp_path: Path) -> None:
    write_wav(tmp_path / "tone.wav", tone())
    clip = tmp_path / "clip.mkv"
    run_ffmpeg(f"-f lavfi -i color=s=64x48:d=1 -i {tmp_path / 'tone.wav'} -c:a pcm_s16le {clip}")
    info, heard = read_file(clip)
    assert (info.rate_hz, info.channels) == (16000.0, ("mono",))
    np.testing.assert_allclose(heard, tone(), atol=1e-4)


@needs_ffmpeg
def test_sound_that_begins_after_the_picture_keeps_its_distance(tmp_path: Path) -> None:
    write_wav(tmp_path / "tone.wav", tone())
    clip = tmp_path / "clip.mkv"
    run_ffmpeg(
        f"-f lavfi -i color=s=64x48:d=2 -itsoffset 0.5 -i {tmp_path / 'tone.wav'} "
        f"-c:a pcm_s16le {clip}"
    )
    _, heard = read_file(clip)
    np.testing.assert_allclose(heard[8000 : 8000 + len(tone())], tone(), atol=1e-4)
    assert not heard[:7900].any()


@needs_ffmpeg
def test_a_video_without_sound_and_a_text_are_clear_errors(tmp_path: Path) -> None:
    clip = tmp_path / "silent.mkv"
    run_ffmpeg(f"-f lavfi -i color=s=64x48:d=1 {clip}")
    text = tmp_path / "speech.txt"
    text.write_text("This is no sound.\n" * 20)
    for path in (clip, text):
        with pytest.raises(ConfigError, match="no sound that can be read"):
            SoundFileMicrophone(str(path)).open(ReplayClock())


@needs_ffmpeg
def test_a_video_can_be_closed_in_the_middle_and_opened_again(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    run_ffmpeg(f"-f lavfi -i sine=d=60 -c:a flac {clip}")
    driver = SoundFileMicrophone(str(clip))
    for _ in range(2):
        driver.open(ReplayClock())
        assert len(read_chunks(driver, 3)) == 3
        driver.close()


def test_without_ffmpeg_the_hint_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "clip.mpg").write_bytes(b"\x00\x00\x01\xba and more")
    with pytest.raises(UnavailableError) as caught:
        SoundFileMicrophone(str(tmp_path / "clip.mpg")).open(ReplayClock())
    assert caught.value.hint == "sudo apt-get install ffmpeg"


@needs_ffmpeg
def test_reads_the_sound_of_a_talking_head() -> None:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "video" / "grid"
    clips = sorted(folder.glob("*.mpg"))
    if not clips:
        pytest.skip("needs ../shared/data/video: put the shared folder beside the checkout")
    info, heard = read_file(clips[0])
    assert info.rate_hz == 44100.0
    assert heard.shape[0] / info.rate_hz == pytest.approx(3.0, abs=0.1)
    assert 0.01 < np.abs(heard).max() <= 1.0


def test_paces_itself_on_a_live_clock(tmp_path: Path, sound: Sound) -> None:
    clock = MonotonicClock()
    path = write_wav(tmp_path / "speech.wav", sound)
    with SoundFileMicrophone(str(path), block_s=0.02) as driver:
        driver.open(clock)
        chunks = read_chunks(driver, 5)
        assert clock.now_ns() >= chunks[-1].end_ns


def tone() -> Sound:
    return 0.5 * np.sin(np.arange(RATE_HZ) * 2 * np.pi * 440 / RATE_HZ).reshape(-1, 1)


def write_wav(path: Path, sound: Sound, *, rate_hz: int = RATE_HZ, width: int = 2) -> Path:
    scale = 2 ** (8 * width - 1)
    integers = np.clip(np.round(sound * scale), -scale, scale - 1).astype("<i8")
    raw = integers.reshape(-1, 1).view(np.uint8)[:, :width]
    with wave.open(str(path), "wb") as file:
        file.setparams((sound.shape[1], width, rate_hz, 0, "NONE", ""))
        # WAV stores 8 bits unsigned.
        file.writeframes((raw ^ 0x80 if width == 1 else raw).tobytes())
    return path


def float_wav(samples: npt.NDArray[np.floating], *, extensible: bool) -> bytes:
    n_bytes = samples.dtype.itemsize
    tag = 0xFFFE if extensible else 3
    form = struct.pack("<HHIIHH", tag, 1, RATE_HZ, RATE_HZ * n_bytes, n_bytes, 8 * n_bytes)
    if extensible:
        form += struct.pack("<HHIH", 22, 8 * n_bytes, 4, 3) + bytes(14)
    return riff_file(riff_chunk(b"fmt ", form) + riff_chunk(b"data", samples.tobytes()))


def riff_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def riff_file(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def read_file(path: Path) -> tuple[StreamInfo, npt.NDArray[np.float32]]:
    with SoundFileMicrophone(str(path)) as driver:
        info = driver.open(ReplayClock())
        chunks = read_chunks(driver, 1_000_000)
    return info, np.concatenate([chunk.samples for chunk in chunks])


def replay(driver: SoundFileMicrophone) -> list[Chunk]:
    with driver:
        driver.open(ReplayClock())
        return read_chunks(driver, 1_000_000)


def run_ffmpeg(arguments: str) -> None:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments.split()]
    subprocess.run(command, check=True, timeout=60)
