from __future__ import annotations

import numpy as np
import pytest

from edge_emo.sync.health import HealthTracker
from edge_emo.types import Chunk, Kind, StreamInfo

RATE_HZ = 250.0
S = 1_000_000_000


def eeg_info(rate_hz: float = RATE_HZ, kind: Kind = "eeg") -> StreamInfo:
    return StreamInfo(kind, rate_hz, ("C3", "C4"), "uv", "simulated board")


def feed(
    tracker: HealthTracker,
    seconds: float,
    *,
    true_hz: float = RATE_HZ,
    n: int = 10,
    start_seq: int = 0,
    start_s: float = 0.0,
    change: dict[int, float] | None = None,
) -> tuple[int, int]:
    """Feed noise; ``change`` sets channels to a constant. Returns next seq and the time."""
    rng = np.random.default_rng(3)
    seq, end_ns = start_seq, 0
    for i in range(round(seconds * true_hz / n)):
        data = rng.normal(0, 20, (n, 2)).astype(np.float32)
        for channel, value in (change or {}).items():
            data[:, channel] = value
        end_ns = round((start_s + (i + 1) * n / true_hz) * 1e9)
        chunk = Chunk("eeg", seq, end_ns - round(n * 1e9 / RATE_HZ), RATE_HZ, data)
        tracker.chunk(chunk, end_ns)
        seq += n
    return seq, end_ns


def test_before_the_first_sample_nothing_is_known() -> None:
    health = HealthTracker("eeg", eeg_info()).snapshot(0)
    assert (health.alive, health.age_ns, health.rate_hz) == (False, None, 0.0)
    assert health.reason == "nothing has arrived yet"


def test_a_good_stream_is_ok() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    _, now_ns = feed(tracker, 8)
    health = tracker.snapshot(now_ns + 4_000_000)
    assert health.ok
    assert health.reason == ""
    assert health.age_ns == 4_000_000
    assert health.rate_hz == pytest.approx(250, rel=1e-3)
    assert (health.drops, health.reconnects) == (0, 0)


def test_silence_for_longer_than_a_second_is_death() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    _, now_ns = feed(tracker, 3)
    assert tracker.snapshot(now_ns + S).alive
    health = tracker.snapshot(now_ns + round(2.5 * S))
    assert not health.alive
    assert not health.rate_ok
    assert health.reason == "nothing has arrived for 2.5 s"


def test_long_chunks_may_take_five_times_their_length() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    _, now_ns = feed(tracker, 6, n=250)
    assert tracker.snapshot(now_ns + 5 * S).alive
    assert not tracker.snapshot(now_ns + 5 * S + 1).alive


def test_text_is_alive_without_lines() -> None:
    tracker = HealthTracker("text", StreamInfo("text", 0.0, (), "text", "keyboard"))
    assert tracker.snapshot(1000 * S).ok
    tracker.chunk(Chunk("text", 0, 5, 0.0, "hello"), 5)
    assert tracker.snapshot(1000 * S).ok
    tracker.lost("end of file")
    assert tracker.snapshot(1000 * S).reason == "end of file"


@pytest.mark.parametrize(
    ("true_hz", "kind", "ok"),
    [
        (230.0, "eeg", True),
        (220.0, "eeg", False),
        (280.0, "eeg", False),
        (240.0, "microphone", True),
        (235.0, "microphone", False),
    ],
)
def test_rate_tolerance(true_hz: float, kind: Kind, ok: bool) -> None:
    tracker = HealthTracker(kind, eeg_info(kind=kind))
    _, now_ns = feed(tracker, 6, true_hz=true_hz)
    health = tracker.snapshot(now_ns)
    assert health.rate_ok is ok
    assert health.rate_hz == pytest.approx(true_hz, rel=1e-3)
    assert health.reason == ("" if ok else f"{true_hz:.1f} Hz instead of 250 Hz")


def test_the_rate_forgets_what_is_over() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    seq, now_ns = feed(tracker, 6, true_hz=125)
    assert not tracker.snapshot(now_ns).rate_ok
    _, now_ns = feed(tracker, 6, start_seq=seq, start_s=now_ns / 1e9)
    assert tracker.snapshot(now_ns).rate_ok


def test_samples_missing_from_the_numbers_are_drops() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    seq, now_ns = feed(tracker, 1)
    feed(tracker, 1, start_seq=seq + 35, start_s=now_ns / 1e9)
    assert tracker.snapshot(2 * S).drops == 35


def test_loss_seen_twice_is_counted_once() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    seq, now_ns = feed(tracker, 1)
    feed(tracker, 1, start_seq=seq + 30, start_s=now_ns / 1e9)
    tracker.drop(30)
    assert tracker.snapshot(2 * S).drops == 30
    tracker.drop(5)
    assert tracker.snapshot(2 * S).drops == 35


def test_nan_is_named_and_forgotten_after_a_second() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    seq, now_ns = feed(tracker, 2, change={1: np.nan})
    health = tracker.snapshot(now_ns)
    assert not health.valid
    assert health.reason == "not a number: C4"
    _, now_ns = feed(tracker, 1.2, start_seq=seq, start_s=now_ns / 1e9)
    assert tracker.snapshot(now_ns).valid


def test_a_channel_is_flat_after_seconds() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    seq, now_ns = feed(tracker, 2.5, change={0: 187500.0})
    assert tracker.snapshot(now_ns).valid
    seq, now_ns = feed(tracker, 1, start_seq=seq, start_s=now_ns / 1e9, change={0: 187500.0})
    health = tracker.snapshot(now_ns)
    assert (health.valid, health.reason) == (False, "flat: C3")
    _, now_ns = feed(tracker, 0.1, start_seq=seq, start_s=now_ns / 1e9)
    assert tracker.snapshot(now_ns).valid


def test_digital_silence_of_a_microphone_is_valid_and_a_stuck_level_is_not() -> None:
    for level, valid in ((0.0, True), (0.5, False)):
        tracker = HealthTracker("microphone", eeg_info(kind="microphone"))
        _, now_ns = feed(tracker, 6, change={0: level, 1: level})
        assert tracker.snapshot(now_ns).valid is valid


def test_frames_are_not_looked_at() -> None:
    info = StreamInfo("camera", 30.0, (), "rgb8", "a camera")
    tracker = HealthTracker("camera", info)
    frame = np.zeros((4, 4, 3), np.uint8)
    for i in range(90):
        tracker.chunk(Chunk("camera", i, round(i * 1e9 / 30), 30.0, frame), round(i * 1e9 / 30))
    health = tracker.snapshot(3 * S)
    assert health.ok
    assert health.rate_hz == pytest.approx(30, rel=1e-3)


def test_lost_and_reconnected() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    _, now_ns = feed(tracker, 2)
    tracker.lost("the port vanished")
    assert tracker.snapshot(now_ns).reason == "the port vanished"
    assert not tracker.snapshot(now_ns).alive
    tracker.reconnected()
    _, now_ns = feed(tracker, 2, start_s=now_ns / 1e9 + 9)
    health = tracker.snapshot(now_ns)
    assert health.ok
    assert (health.reconnects, health.drops) == (1, 0)
    assert health.rate_hz == pytest.approx(250, rel=1e-3)


def test_publishes_the_drift_it_was_told() -> None:
    tracker = HealthTracker("eeg", eeg_info())
    tracker.drift_ppm = 37.5
    assert tracker.snapshot(0).drift_ppm == 37.5
