from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_emo.clock import ManualClock, MonotonicClock, ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.camera.live import LiveSource
from edge_emo.drivers.camera.opencv import OpenCvCamera
from edge_emo.drivers.camera.v4l2 import list_nodes
from edge_emo.drivers.virtual_scene import draw_number, read_number
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks
from edge_emo.types import StreamInfo
from tests.fakes.mjpeg_server import MjpegServer
from tests.fakes.reading import end_of_read

N_FRAMES = 24


def write_video(path: Path, rate_hz: float = 25.0, n_frames: int = N_FRAMES) -> Path:
    """Write a numbered video, red on the left and blue on the right."""
    codec = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
    writer = cv2.VideoWriter(str(path), codec, rate_hz, (320, 240))
    for number in range(n_frames):
        image = np.zeros((240, 320, 3), np.uint8)
        image[:, :160, 0] = image[:, 160:, 2] = 220
        draw_number(image, number)
        writer.write(image[:, :, ::-1])
    writer.release()
    return path


def read_until_lost(camera: OpenCvCamera) -> DeviceLostError:
    """Read until the camera is lost; each read has the time that a stall may take."""
    while True:
        try:
            camera.read(10.0)
        except DeviceLostError as error:
            return error


class TestFileContract(DriverContract):
    finite = True

    @pytest.fixture(autouse=True)
    def _video(self, tmp_path: Path) -> None:
        self.path = write_video(tmp_path / "clip.avi", rate_hz=60.0)

    def make(self) -> Driver:
        return OpenCvCamera(str(self.path))


class TestUrlContract(DriverContract):
    continuous = False

    @pytest.fixture(autouse=True)
    def _server(self):
        with MjpegServer() as self.server:
            yield

    def make(self) -> Driver:
        return OpenCvCamera(self.server.url)


@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("rate_hz", [10.0, 25.0])
def test_a_file_gives_every_frame_at_its_own_time(tmp_path, name, rate_hz):
    camera = OpenCvCamera(str(write_video(tmp_path / name, rate_hz)))
    clock = ReplayClock()
    clock.advance_to(5_000_000_000)
    with camera:
        info = camera.open(clock)
        chunks = read_chunks(camera, N_FRAMES + 5)
        assert camera.dropped == 0
    assert (info.rate_hz, info.live, info.kind) == (rate_hz, False, "camera")
    assert [read_number(chunk.image) for chunk in chunks] == list(range(N_FRAMES))
    assert [chunk.seq for chunk in chunks] == list(range(N_FRAMES))
    expected_ns = [5_000_000_000 + round(n * 1e9 / rate_hz) for n in range(N_FRAMES)]
    assert [chunk.t_ns for chunk in chunks] == pytest.approx(expected_ns, abs=1_000_000)


def test_colours_are_rgb(tmp_path):
    with OpenCvCamera(str(write_video(tmp_path / "clip.avi"))) as camera:
        camera.open(ReplayClock())
        image = camera.read(1.0).image
    assert image[200, 40] == pytest.approx([220, 0, 0], abs=12)
    assert image[200, 280] == pytest.approx([0, 0, 220], abs=12)


def test_a_file_is_paced_by_the_clock(tmp_path):
    clock = ManualClock()
    with OpenCvCamera(str(write_video(tmp_path / "clip.avi"))) as camera:
        camera.open(clock)
        assert read_number(camera.read(0.0).image) == 0
        with pytest.raises(DeviceTimeoutError):
            camera.read(0.0)
        clock.advance(0.041)
        assert read_number(camera.read(0.0).image) == 1


def test_a_looped_file_runs_on(tmp_path):
    camera = OpenCvCamera(str(write_video(tmp_path / "clip.avi", n_frames=3)), loop=True)
    with camera:
        camera.open(ReplayClock())
        chunks = read_chunks(camera, 7)
    assert [read_number(chunk.image) for chunk in chunks] == [0, 1, 2, 0, 1, 2, 0]
    assert [chunk.seq for chunk in chunks] == list(range(7))
    assert [round(chunk.t_ns / 1e6) for chunk in chunks] == [40 * n for n in range(7)]


def test_a_file_cut_short_counts_what_is_missing(tmp_path):
    path = write_video(tmp_path / "clip.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with OpenCvCamera(str(path)) as camera:
        camera.open(ReplayClock())
        chunks = read_chunks(camera, N_FRAMES)
        assert 0 < len(chunks) < N_FRAMES
        assert camera.dropped == N_FRAMES - len(chunks)
        assert camera.read(1.0) is None
        assert camera.dropped == N_FRAMES - len(chunks)


@pytest.mark.parametrize("content", [b"", b"not a video at all", None])
def test_an_unreadable_file_is_named(tmp_path, content):
    path = write_video(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    camera = OpenCvCamera(str(path))
    with pytest.raises(ConfigError, match=r"clip\.mp4 holds no video") as raised:
        camera.open(ReplayClock())
    assert "ffplay" in raised.value.hint
    with pytest.raises(ClosedError):
        camera.read(0.1)


def test_failing_to_open_prints_nothing(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not a video at all")
    script = (
        "import sys\n"
        "from edge_emo.clock import MonotonicClock\n"
        "from edge_emo.drivers.camera.opencv import OpenCvCamera\n"
        "from edge_emo.errors import EdgeEmoError\n"
        "for target in sys.argv[1:]:\n"
        "    try:\n"
        "        OpenCvCamera(target).open(MonotonicClock())\n"
        "    except EdgeEmoError as error:\n"
        "        print(type(error).__name__)\n"
    )
    targets = [str(path), "http://127.0.0.1:9/video.mjpg", "/dev/null"]
    done = subprocess.run(
        [sys.executable, "-c", script, *targets], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["ConfigError", "DeviceNotFoundError", "DeviceNotFoundError"]
    assert done.stderr == ""


def test_a_missing_file_or_camera_is_not_found():
    for target in ("no/such/clip.mp4", "97", "/dev/video97"):
        with pytest.raises(DeviceNotFoundError, match=r"there is no camera") as raised:
            OpenCvCamera(target).open(MonotonicClock())
        assert "edge-emo devices" in raised.value.hint


def test_an_existing_node_that_is_no_camera_is_not_found():
    with pytest.raises(DeviceNotFoundError, match="/dev/null is no camera"):
        OpenCvCamera("/dev/null").open(MonotonicClock())


@pytest.mark.absent_in_ci("it runs as root")
@pytest.mark.skipif(
    os.geteuid() == 0 or not Path("/dev/mem").exists(),
    reason="root may open every node: run pytest as another user",
)
def test_a_forbidden_node_names_the_group():
    with pytest.raises(DeviceError, match="may not be used") as raised:
        OpenCvCamera("/dev/mem").open(MonotonicClock())
    assert "usermod -aG video" in raised.value.hint


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("http://127.0.0.1:9/", {"width_px": 640}),
        ("http://127.0.0.1:9/", {"loop": True}),
        ("clip.mp4", {"rate_hz": 30.0}),
        ("0", {"loop": True}),
    ],
)
def test_options_that_do_not_fit_are_refused(target, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        OpenCvCamera(target, **options).open(MonotonicClock())


def test_a_camera_that_exists_is_listed_with_its_name(tmp_path):
    sysfs = tmp_path / "sys"
    for number, name in ((10, "second"), (2, "USB Camera: first")):
        (tmp_path / f"video{number}").touch()
        (sysfs / f"video{number}").mkdir(parents=True)
        (sysfs / f"video{number}" / "name").write_text(name + "\n")
    (tmp_path / "videofoo").touch()
    entries = list_nodes(tmp_path, sysfs)
    assert [(entry.address, entry.description) for entry in entries] == [
        ("opencv:2", "USB Camera: first"),
        ("opencv:10", "second"),
    ]


@pytest.mark.parametrize(
    ("text", "rest", "options"),
    [
        ("opencv:http://h/v?res=1&fps=9", "http://h/v?res=1&fps=9", {}),
        ("opencv:http://h/v?res=1&timeout_s=3", "http://h/v?res=1", {"timeout_s": "3"}),
        ("opencv:http://h/v?loop=1?", "http://h/v?loop=1", {}),
        ("opencv:http://h/v?a=1?b=2", "http://h/v?a=1&b=2", {}),
        ("opencv:0?colour=blue", "0", {"colour": "blue"}),
    ],
)
def test_a_url_keeps_its_query(text, rest, options):
    address = OpenCvCamera.adopt(Address.parse(text))
    assert (address.rest, address.options) == (rest, options)


def test_a_stream_is_described_without_its_secrets():
    with MjpegServer() as server:
        url = server.url.replace("://", "://user:hidden@") + "?token=secret"
        with OpenCvCamera(url, rate_hz=50.0) as camera:
            info = camera.open(MonotonicClock())
        assert "video.mjpg, 320×240 MJPG" in info.device
        assert "hidden" not in info.device
        assert "secret" not in info.device
        assert (info.rate_hz, info.live) == (50.0, True)
        assert server.requests == ["/video.mjpg?token=secret"]


def test_mjpeg_states_no_rate_and_frames_carry_numbers_and_colours():
    with MjpegServer() as server, OpenCvCamera(server.url) as camera:
        assert camera.open(MonotonicClock()).rate_hz == 0.0
        chunks = read_chunks(camera, 10)
    assert [read_number(chunk.image) for chunk in chunks] == [chunk.seq for chunk in chunks]
    assert chunks[0].image[200, 40] == pytest.approx([220, 0, 0], abs=12)


def test_a_slow_reader_gets_a_fresh_frame():
    with MjpegServer() as server, OpenCvCamera(server.url) as camera:
        clock = MonotonicClock()
        camera.open(clock)
        first = camera.read(5.0)
        server.wait_sent(30)
        sent_ns = clock.now_ns()
        server.wait_sent(60)
        chunk = camera.read(5.0)
    assert read_number(first.image) < 30 < read_number(chunk.image)
    assert read_number(chunk.image) == chunk.seq
    assert chunk.t_ns > sent_ns > first.t_ns


def test_corrupt_frames_are_skipped_and_counted():
    with MjpegServer() as server, OpenCvCamera(server.url) as camera:
        camera.open(MonotonicClock())
        camera.read(5.0)
        server.corrupt(5)
        server.wait_corrupted()
        while camera.dropped == 0:
            after = camera.read(5.0)
        assert camera.dropped == 5
        assert read_number(after.image) == after.seq


def test_a_stall_is_lost_in_time_and_opens_again():
    with MjpegServer() as server, OpenCvCamera(server.url, timeout_s=0.3) as camera:
        camera.open(MonotonicClock())
        camera.read(5.0)
        server.stall()
        with pytest.raises((DeviceTimeoutError, DeviceLostError)):
            [camera.read(0.05) for _ in range(10_000)]
        assert "stalled" in read_until_lost(camera).message
        camera.close()
        server.resume()
        camera.open(MonotonicClock())
        again = camera.read(5.0)
    assert read_number(again.image) == again.seq


def test_a_server_that_dies_is_lost_and_comes_back():
    with MjpegServer() as server, OpenCvCamera(server.url) as camera:
        camera.open(MonotonicClock())
        camera.read(5.0)
        server.die()
        assert "closed" in read_until_lost(camera).message
        with pytest.raises(DeviceNotFoundError, match="no video stream answers"):
            camera.open(MonotonicClock())
        server.come_back()
        camera.open(MonotonicClock())
        assert camera.read(5.0).image.shape == (240, 320, 3)


def test_a_server_that_says_nothing_times_out():
    with MjpegServer() as server, OpenCvCamera(server.url, timeout_s=0.3) as camera:
        server.refuse_to_answer()
        with pytest.raises(DeviceTimeoutError):
            camera.open(MonotonicClock())


def test_close_ends_a_waiting_read():
    with MjpegServer() as server, OpenCvCamera(server.url, timeout_s=30.0) as camera:
        camera.open(MonotonicClock())
        server.stall()
        assert isinstance(end_of_read(camera), ClosedError)


def test_options_can_be_written_in_an_address():
    address = Address.parse("opencv:0?width_px=640&height_px=480&rate_hz=15&timeout_s=1.5")
    assert construct(DRIVERS.load("camera.opencv"), address).kind == "camera"


class StampingCapture:
    """A local camera whose kernel stamps each frame some time before it can be grabbed.

    Args:
        age_s: How old a frame is when it is grabbed, by its stamp.
    """

    def __init__(self, age_s: float) -> None:
        self._age_s = age_s
        self._grabbed_s = 0.0
        self._next = threading.Event()

    def getBackendName(self) -> str:  # noqa: N802 - OpenCV's name
        return "V4L2"

    def grab(self) -> bool:
        self._next.wait(0.01)
        self._grabbed_s = time.monotonic()
        return True

    def get(self, prop: int) -> float:
        assert prop == cv2.CAP_PROP_POS_MSEC
        return (self._grabbed_s - self._age_s) * 1e3

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((8, 8, 3), np.uint8)

    def release(self) -> None:
        self._next.set()


def first_stamp_ns(age_s: float) -> tuple[int, int]:
    """Return the clock before the first frame, and that frame's stamp, on a clock at 100 s."""
    info = StreamInfo("camera", 30.0, (), "rgb8", "stamping")
    clock = ManualClock(100_000_000_000)
    source = LiveSource("stamping", lambda: (StampingCapture(age_s), info), clock, 2.0)
    stamp_ns = source.read(5.0).t_ns
    source.close()
    return clock.now_ns(), stamp_ns


def test_a_local_camera_is_stamped_by_the_kernel():
    now_ns, stamp_ns = first_stamp_ns(0.4)
    assert now_ns - 900_000_000 < stamp_ns <= now_ns - 400_000_000


@pytest.mark.parametrize("age_s", [-5.0, 3600.0])
def test_an_implausible_stamp_of_the_kernel_is_not_used(age_s):
    now_ns, stamp_ns = first_stamp_ns(age_s)
    assert stamp_ns == now_ns


class HangingCapture:
    """A vendor's capture whose grab does not come back until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.released = threading.Event()

    def grab(self) -> bool:
        self.let_go.wait(20.0)
        return False

    def release(self) -> None:
        self.released.set()


def test_a_capture_that_hangs_is_abandoned():
    capture = HangingCapture()
    info = StreamInfo("camera", 30.0, (), "rgb8", "hanging")
    source = LiveSource("hanging", lambda: (capture, info), MonotonicClock(), 0.05)
    with pytest.raises(DeviceTimeoutError):
        source.read(0.0)
    with pytest.raises(DeviceLostError, match="hangs"):
        _read_for_good(source)
    source.close()
    assert not capture.released.is_set()
    capture.let_go.set()
    assert capture.released.wait(5.0)


def _read_for_good(source: LiveSource) -> None:
    while True:
        with contextlib.suppress(DeviceTimeoutError):
            source.read(0.2)


def test_an_opener_that_hangs_is_abandoned():
    capture, may_open = HangingCapture(), threading.Event()
    info = StreamInfo("camera", 30.0, (), "rgb8", "hanging")

    def opener() -> tuple[HangingCapture, StreamInfo]:
        may_open.wait(20.0)
        return capture, info

    with pytest.raises(DeviceTimeoutError, match="did not open"):
        LiveSource("hanging", opener, MonotonicClock(), 0.05)
    may_open.set()
    assert capture.released.wait(5.0)


def test_an_error_of_opencv_itself_reaches_the_reader_at_once():
    class Raw(StampingCapture):
        def retrieve(self) -> tuple[bool, np.ndarray]:
            return True, np.zeros((8, 8, 2), np.uint8)  # YUYV as it came

    info = StreamInfo("camera", 30.0, (), "rgb8", "raw")
    source = LiveSource("raw", lambda: (Raw(0.0), info), MonotonicClock(), 60.0)
    with pytest.raises(cv2.error):
        source.read(5.0)
    source.close()


def test_an_opener_that_fails_in_any_way_is_heard_at_once():
    def opener() -> tuple[StampingCapture, StreamInfo]:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        LiveSource("broken", opener, MonotonicClock(), 60.0)


class OddCapture(StampingCapture):
    """A capture whose library raises what no library should, at the first frame."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.may_fail = threading.Event()
        self.released = threading.Event()

    def grab(self) -> bool:
        self.may_fail.wait(20.0)
        raise ValueError("a bug")

    def release(self) -> None:
        self.released.set()


def odd_source(capture: OddCapture) -> LiveSource:
    info = StreamInfo("camera", 30.0, (), "rgb8", "odd")
    return LiveSource("odd", lambda: (capture, info), MonotonicClock(), 60.0)


def test_a_capture_that_fails_in_any_way_is_heard_and_released():
    capture = OddCapture()
    source = odd_source(capture)
    capture.may_fail.set()
    for _ in range(2):
        with pytest.raises(ValueError, match="a bug"):
            source.read(5.0)
    assert capture.released.wait(5.0)
    source.close()


def test_a_failure_that_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture):
    capture = OddCapture()
    source = odd_source(capture)
    source.close()
    capture.may_fail.set()
    assert capture.released.wait(5.0)
    assert "odd failed after it was given up: a bug" in caplog.text
    assert "Traceback" in caplog.text
