from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_emo.clock import ManualClock, MonotonicClock, ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.virtual import PERIOD_S, VirtualCamera, VirtualEeg, VirtualMicrophone
from edge_emo.drivers.virtual_face import EXPRESSIONS, draw_head
from edge_emo.drivers.virtual_scene import Scene, draw_number, read_number
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks
from edge_emo.types import Chunk
from tests.fakes.reading import end_of_read

ALL = [VirtualCamera, VirtualMicrophone, VirtualEeg]


class TestCameraContract(DriverContract):
    continuous = False

    def make(self) -> Driver:
        return VirtualCamera(width_px=160, height_px=128)


class TestFiniteCameraContract(DriverContract):
    continuous = False
    finite = True

    def make(self) -> Driver:
        return VirtualCamera(width_px=160, height_px=128, duration_s=0.2)


class TestMicrophoneContract(DriverContract):
    def make(self) -> Driver:
        return VirtualMicrophone(channels=2)


class TestFiniteEegContract(DriverContract):
    finite = True

    def make(self) -> Driver:
        return VirtualEeg(duration_s=0.25)


class TestUnsteadyEegContract(DriverContract):
    def make(self) -> Driver:
        return VirtualEeg(jitter_ms=10.0, drift_ppm=200.0)


def play(driver: Driver, count: int) -> list[Chunk]:
    """Read as a replay does: nobody waits."""
    with driver:
        driver.open(ReplayClock())
        return read_chunks(driver, count)


def joined(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """A green picture with a white middle."""
    picture = np.zeros((300, 240, 3), np.uint8)
    picture[..., 1] = 200
    picture[120:180, 90:150] = 255
    path = tmp_path / "portrait.png"
    assert cv2.imwrite(str(path), picture)
    return path


@pytest.mark.parametrize("driver", ALL)
def test_the_seed_decides_every_byte(driver):
    first, again, other = (play(driver(seed=seed), 20) for seed in (7, 7, 8))
    assert [c.samples.tobytes() for c in first] == [c.samples.tobytes() for c in again]
    assert [c.samples.tobytes() for c in first] != [c.samples.tobytes() for c in other]
    assert [c.t_ns for c in first] == [c.t_ns for c in again]


@pytest.mark.parametrize("seed", range(5))
def test_a_portrait_stays_whole_and_moves(portrait, seed):
    frames = [chunk.image for chunk in play(VirtualCamera(seed=seed, image=portrait), 90)]
    places = []
    for image in frames:
        green = (image[..., 1].astype(int) - image[..., 0]) > 60
        rows, columns = np.nonzero(green)
        places.append((columns.mean(), rows.mean(), len(rows)))
        # The middle is white, so a whole portrait is 19/20 green; it is scaled by up to 8 %.
        assert len(rows) == pytest.approx(0.95 * 384 * 307, rel=0.18)
    assert np.ptp([place[0] for place in places]) > 5
    assert np.ptp([place[2] for place in places]) > 200
    steps = np.abs(np.diff([place[:2] for place in places], axis=0))
    assert 0 < steps.max() < 16
    assert len({image[0, 0].tobytes() for image in frames}) == 1


def test_a_picture_must_be_there_and_readable(tmp_path):
    with pytest.raises(DeviceNotFoundError, match=r"no\.png"):
        VirtualCamera(image=tmp_path / "no.png").open(ManualClock())
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="no picture that can be read"):
        VirtualCamera(image=tmp_path / "bad.png").open(ManualClock())


@pytest.mark.parametrize("number", [0, 1, 2**15, 2**16, 305_419_896, 2**32 - 1])
def test_a_frame_number_survives_jpeg(number):
    image = np.full((128, 128, 3), 90, np.uint8)
    draw_number(image, number)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])
    assert read_number(cv2.imdecode(data, cv2.IMREAD_COLOR)) == number


def test_a_slow_reader_of_the_camera_gets_the_newest_frame():
    clock = ManualClock()
    with VirtualCamera(numbered=True, rate_hz=50.0) as camera:
        camera.open(clock)
        assert camera.read(0.0).seq == 0
        clock.advance(1.0)
        chunk = camera.read(0.0)
        assert (chunk.seq, chunk.t_ns, read_number(chunk.image)) == (50, 1_000_000_000, 50)
        with pytest.raises(DeviceTimeoutError):
            camera.read(0.0)


def test_eeg_sample_numbers_prove_order():
    chunks = play(VirtualEeg(numbered=True, block_s=0.1), 40)
    assert joined(chunks)[:, 0].tolist() == list(range(1000))
    assert [chunk.t_ns for chunk in chunks] == [n * 100_000_000 for n in range(40)]
    assert chunks[0].samples.shape == (25, 8)


def test_a_block_comes_when_its_last_sample_is_there():
    clock = ManualClock(3_000_000_000)
    with VirtualEeg(block_s=0.1) as eeg:
        eeg.open(clock)
        clock.advance(0.05)
        with pytest.raises(DeviceTimeoutError):
            eeg.read(0.0)
        clock.advance(0.05)
        assert eeg.read(0.0).t_ns == 3_000_000_000


def test_drift_and_jitter_move_the_stamps_only():
    steady = play(VirtualEeg(), 500)
    moved = play(VirtualEeg(drift_ppm=200.0, jitter_ms=5.0), 500)
    assert np.array_equal(joined(steady), joined(moved))
    stamps_ns = np.array([chunk.t_ns for chunk in moved])
    true_ns = np.array([chunk.t_ns for chunk in steady]) / 1.0002
    late_ms = (stamps_ns - true_ns) / 1e6
    assert (np.diff(stamps_ns) >= 0).all()
    assert late_ms.min() >= -0.001
    # Mean of the absolute value of a normal distribution: its deviation times sqrt(2 / pi).
    assert late_ms.mean() == pytest.approx(5.0 * np.sqrt(2 / np.pi), rel=0.15)


def test_eeg_has_alpha_behind_and_blinks_in_front():
    eeg = VirtualEeg(channels="Fp1+Cz+O1", rate_hz=200.0, block_s=1.0)
    data = joined(play(eeg, PERIOD_S))
    power = np.abs(np.fft.rfft(data, axis=0)) ** 2
    hz = np.fft.rfftfreq(len(data), 1 / 200.0)
    alpha = power[(hz > 9) & (hz < 11)].sum(axis=0) / power[(hz > 20) & (hz < 40)].sum(axis=0)
    assert alpha[2] > 3 * alpha[1] > alpha[0]
    assert data[:, 0].max() > 80 > data[:, 2].max()
    assert 5 < data[:, 2].std() < 40


def test_signals_repeat_without_a_seam():
    chunks = play(VirtualEeg(block_s=1.0), PERIOD_S + 1)
    assert np.array_equal(chunks[0].samples, chunks[PERIOD_S].samples)
    steps = np.abs(np.diff(joined(chunks)[:, 7]))
    seam = PERIOD_S * 250 - 1
    assert steps[seam] <= np.delete(steps, seam).max()
    assert chunks[PERIOD_S].seq == PERIOD_S * 250


def test_sound_has_voice_noise_and_pauses():
    sound = joined(play(VirtualMicrophone(block_s=0.25), PERIOD_S * 4)).reshape(-1, 4000)
    peaks = np.abs(sound).max(axis=1)
    crossings = (np.diff(np.signbit(sound), axis=1)).mean(axis=1)
    assert peaks.max() <= 0.5
    assert (peaks == 0).any()
    assert ((peaks > 0.2) & (crossings < 0.2)).sum() > 40
    assert ((peaks > 0.04) & (crossings > 0.4)).sum() > 5


@pytest.mark.parametrize("driver", [VirtualMicrophone, VirtualEeg])
def test_duration_ends_on_the_sample(driver):
    n_samples = sum(chunk.n_samples for chunk in play(driver(duration_s=0.99), 1000))
    assert n_samples == round(0.99 * driver()._rate_hz)


def test_a_camera_of_one_second_has_its_frames():
    assert [chunk.seq for chunk in play(VirtualCamera(duration_s=1.0), 99)] == list(range(30))


@pytest.mark.parametrize("driver", ALL)
def test_a_device_vanishes_and_is_back(driver):
    clock = ManualClock()
    with driver(vanish_after_s=0.2, back_after_s=1.0) as device:
        device.open(clock)
        clock.advance(0.19)
        before = device.read(0.0)
        assert before.end_ns <= 200_000_000
        clock.advance(0.1)
        with pytest.raises(DeviceLostError):
            [device.read(0.0) for _ in range(50)]
        with pytest.raises(DeviceLostError):
            device.read(0.0)
        device.close()
        clock.advance(0.5)
        with pytest.raises(DeviceNotFoundError):
            device.open(clock)
        clock.advance(0.5)
        device.open(clock)
        clock.advance(0.5)
        assert device.read(0.0).t_ns >= 1_200_000_000


def test_a_device_that_is_not_to_come_back_stays_away():
    clock = ManualClock()
    with VirtualEeg(vanish_after_s=0.0) as device:
        device.open(clock)
        with pytest.raises(DeviceLostError):
            device.read(0.0)
        clock.advance(3600.0)
        with pytest.raises(DeviceNotFoundError):
            device.open(clock)


@pytest.mark.parametrize("driver", ALL)
def test_a_stalled_device_times_out_until_opened_again(driver):
    with driver(stall_after_s=0.1) as device:
        for _ in range(2):
            device.open(ReplayClock())
            with pytest.raises(DeviceTimeoutError, match="stalls"):
                [device.read(0.1) for _ in range(50)]


def test_a_stall_keeps_the_time_out():
    clock = MonotonicClock()
    with VirtualEeg(stall_after_s=0.0) as device:
        device.open(clock)
        began_ns = clock.now_ns()
        with pytest.raises(DeviceTimeoutError):
            device.read(0.05)
        assert clock.now_ns() - began_ns >= 49_000_000


def test_channels_go_flat_or_invalid():
    data = joined(play(VirtualEeg(flat_channel="C3", nan_channel="O2"), 5))
    assert (data[:, 2] == 0).all()
    assert np.isnan(data[:, 7]).all()
    assert np.isfinite(data[:, :7]).all()
    assert data[:, 0].std() > 0
    sound = joined(play(VirtualMicrophone(channels=2, flat_channel="right"), 200))
    assert (sound[:, 1] == 0).all()
    assert sound[:, 0].std() > 0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("virtual:?seed=3&rate_hz=15&numbered=true&image=face.png", "camera"),
        ("virtual:?channels=2&block_s=0.1", "microphone"),
        ("virtual:?channels=O1+O2&jitter_ms=3&vanish_after_s=2&back_after_s=1", "eeg"),
    ],
)
def test_options_can_be_written_in_an_address(text, kind):
    address = Address.parse(text)
    assert construct(DRIVERS.load(f"{kind}.virtual"), address).kind == kind


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VirtualCamera("0"), "points at nothing"),
        (lambda: VirtualCamera(width_px=100), "at least 128"),
        (lambda: VirtualEeg(rate_hz=0.0), "rate_hz"),
        (lambda: VirtualEeg(channels=""), "at least one channel"),
        (lambda: VirtualMicrophone(channels=0), "at least one channel"),
        (lambda: VirtualEeg(flat_channel="X9"), "X9"),
    ],
)
def test_wrong_options_are_named(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_close_ends_a_waiting_read():
    eeg = VirtualEeg()
    eeg.open(ManualClock())
    assert isinstance(end_of_read(eeg), ClosedError)


def test_the_drawn_head_changes_its_expression_smoothly():
    scene = Scene(0, (320, 240), None, numbered=False)
    heads = [scene._portrait(t / 10).astype(float) for t in range(150)]
    steps = [float(np.abs(after - before).mean()) for before, after in itertools.pairwise(heads)]
    assert max(steps) < 2.0
    assert sum(step > 0 for step in steps) > 30
    mouths = [head[round(0.66 * 192) : round(0.78 * 192), 70:122] for head in heads]
    shown = [mouths[round(10 * (3 * n + 1))] for n in range(4)]
    for one, other in itertools.combinations(shown, 2):
        assert np.abs(one - other).mean() > 5.0
    assert np.array_equal(heads[0], heads[120])


@pytest.mark.parametrize("side_px", [1, 7, 102, 320])
def test_a_head_is_drawn_at_any_size_and_always_the_same(side_px):
    for expression in EXPRESSIONS:
        head = draw_head(side_px, expression)
        assert (head.shape, head.dtype) == ((side_px, side_px, 3), np.uint8)
        assert np.array_equal(head, draw_head(side_px, expression))
