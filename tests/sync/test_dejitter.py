from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edge_emo.errors import ConfigError
from edge_emo.sync.dejitter import Dejitter, needs_dejitter
from edge_emo.types import Chunk, StreamInfo

MINIMUM_DELAY_S = 0.02
START_S = 3.0


@dataclass
class Link:
    """A device with its own sample clock behind a radio link that delays, never hurries.

    The delay is a constant minimum, plus an exponential part that is the same for all packets
    of one 10 ms radio slot, plus bursts in which packets are held back and then come at once.
    """

    rate_hz: float
    n: int
    drift_ppm: float = 0.0
    minutes: float = 30.0
    seed: int = 1

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        count = int(self.minutes * 60 * self.rate_hz / self.n)
        chunk_s = self.n / self.rate_hz / (1 + self.drift_ppm * 1e-6)
        self.first_s = START_S + np.arange(count) * chunk_s
        sent_s = self._hold(self.first_s + chunk_s, rng)
        slot = (sent_s / 0.01).astype(int)
        slot_delay_s = rng.exponential(0.008, slot[-1] + 1)
        self.arrival_s = np.maximum.accumulate(sent_s + slot_delay_s[slot]) + MINIMUM_DELAY_S

    @staticmethod
    def _hold(sent_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        held_s, t_s = sent_s.copy(), START_S
        while t_s < sent_s[-1]:
            t_s += rng.exponential(5.0)
            until_s = t_s + (rng.uniform(0.05, 0.4) if rng.random() < 0.95 else rng.uniform(1, 3))
            held_s[(sent_s >= t_s) & (sent_s < until_s)] = until_s
            t_s = until_s
        return held_s

    def chunk(self, index: int, seq: int | None = None) -> Chunk:
        t_ns = round((self.arrival_s[index] - self.n / self.rate_hz) * 1e9)
        data = np.zeros((self.n, 1), np.float32)
        return Chunk("eeg", index * self.n if seq is None else seq, t_ns, self.rate_hz, data)

    def error_s(self, index: int, stamped: Chunk) -> float:
        return float(stamped.t_ns / 1e9 - self.first_s[index] - MINIMUM_DELAY_S)

    def errors_s(self, dejitter: Dejitter) -> np.ndarray:
        stamps = [dejitter.stamp(self.chunk(i)) for i in range(len(self.first_s))]
        return np.array([self.error_s(i, stamped) for i, stamped in enumerate(stamps)])

    def after(self, settling_s: float) -> np.ndarray:
        return self.first_s - START_S > settling_s


@pytest.mark.parametrize(
    ("rate_hz", "n", "minutes"),
    [(4, 1, 30), (250, 25, 30), (250, 100, 30), (32, 1, 5), (1000, 20, 5)],
)
@pytest.mark.parametrize("drift_ppm", [-200.0, 200.0])
def test_bluetooth_and_drift_stay_within_5_ms(
    rate_hz: float, n: int, minutes: float, drift_ppm: float
) -> None:
    link = Link(rate_hz, n, drift_ppm, minutes)
    dejitter = Dejitter(rate_hz)
    errors_s = np.abs(link.errors_s(dejitter))
    assert errors_s[link.after(5.0)].max() < 0.005
    assert dejitter.drift_ppm == pytest.approx(drift_ppm, abs=60.0)
    assert dejitter.restarts == 0


@pytest.mark.parametrize("seed", range(8))
def test_settles_within_5_s_whatever_the_beginning(seed: int) -> None:
    link = Link(250, 10, 200.0, minutes=0.5, seed=seed)
    errors_s = np.abs(link.errors_s(Dejitter(250)))
    assert errors_s[link.after(5.0)].max() < 0.005


def test_every_sample_in_a_chunk_of_its_own_at_1_khz() -> None:
    link = Link(1000, 1, -200.0, minutes=1)
    errors_s = np.abs(link.errors_s(Dejitter(1000)))
    assert errors_s[link.after(5.0)].max() < 0.005


def test_chunks_of_25_s_settle_by_their_number() -> None:
    link = Link(4, 100, 200.0)
    errors_s = np.abs(link.errors_s(Dejitter(4)))
    raw_s = link.arrival_s - link.n / link.rate_hz - link.first_s - MINIMUM_DELAY_S
    assert errors_s[20:].max() < 0.01
    assert raw_s[20:].max() > 0.03


def test_stamps_neither_go_back_nor_step() -> None:
    link = Link(250, 10, 200.0, minutes=5)
    dejitter = Dejitter(250)
    stamps = np.array([dejitter.stamp(link.chunk(i)).t_ns for i in range(len(link.first_s))])
    steps_s = np.diff(stamps) / 1e9
    assert steps_s.min() >= 0
    settled = link.after(5.0)[1:]
    assert np.abs(steps_s[settled] - 0.04).max() < 0.0005


def test_publishes_offset_and_jitter() -> None:
    link = Link(250, 10, 0.0, minutes=2)
    dejitter = Dejitter(250)
    link.errors_s(dejitter)
    assert dejitter.offset_ns / 1e9 == pytest.approx(START_S + MINIMUM_DELAY_S, abs=0.005)
    assert 0.004 < dejitter.jitter_ns / 1e9 < 0.08


def test_lost_chunks_keep_the_fit() -> None:
    link = Link(250, 10, 200.0, minutes=3)
    dejitter = Dejitter(250)
    kept = [i for i in range(len(link.first_s)) if i % 7 and not 2000 < i < 2600]
    errors_s = [abs(link.error_s(i, dejitter.stamp(link.chunk(i)))) for i in kept]
    assert max(errors_s[200:]) < 0.005
    assert dejitter.restarts == 0


def test_repeated_chunks_disturb_nothing() -> None:
    link = Link(250, 10, 200.0, minutes=2)
    dejitter = Dejitter(250)
    errors_s, last_ns = [], 0
    for i in range(len(link.first_s)):
        stamped = dejitter.stamp(link.chunk(i))
        errors_s.append(abs(link.error_s(i, stamped)))
        assert stamped.t_ns >= last_ns
        last_ns = stamped.t_ns
        if i % 5 == 4:
            again = dejitter.stamp(link.chunk(i, seq=(i - 3) * link.n))
            assert again.t_ns >= last_ns
            last_ns = again.t_ns
    assert max(errors_s[200:]) < 0.005
    assert dejitter.restarts == 0


def delayed(chunk: Chunk, seconds: float) -> Chunk:
    return replace(chunk, t_ns=chunk.t_ns + round(seconds * 1e9))


def test_a_suspended_device_restarts_the_fit_within_seconds() -> None:
    link = Link(250, 10, 200.0, minutes=4)
    dejitter = Dejitter(250)
    errors_s = []
    for i in range(len(link.first_s)):
        suspended_s = 7.0 if i >= 3000 else 0.0
        stamped = dejitter.stamp(delayed(link.chunk(i), suspended_s))
        errors_s.append(abs(link.error_s(i, stamped) - suspended_s))
    assert dejitter.restarts == 1
    assert max(errors_s[200:3000]) < 0.005
    assert max(errors_s[3000 + 25 * 6 :]) < 0.005


def test_a_gap_that_hides_more_loss_than_it_says_restarts_the_fit() -> None:
    link = Link(250, 10, minutes=2)
    dejitter = Dejitter(250)
    errors_s = []
    for i in range(len(link.first_s)):
        # A packet counter of one byte: 4 s are lost, and the numbers tell of 0.4 s.
        seq = i * link.n if i < 1000 else (i - 90) * link.n
        if not 1000 <= i < 1100:
            errors_s.append(abs(link.error_s(i, dejitter.stamp(link.chunk(i, seq)))))
    assert dejitter.restarts == 1
    assert max(errors_s[1000 + 25 * 6 :]) < 0.005


def test_stamps_that_become_early_restart_and_do_not_go_back() -> None:
    link = Link(250, 10, minutes=1)
    dejitter = Dejitter(250)
    stamps = [
        dejitter.stamp(delayed(link.chunk(i), -5.0 if i >= 600 else 0.0)).t_ns
        for i in range(len(link.first_s))
    ]
    assert dejitter.restarts == 1
    assert np.diff(stamps).min() >= 0
    assert stamps[-1] / 1e9 - link.first_s[-1] == pytest.approx(MINIMUM_DELAY_S - 5.0, abs=0.005)


def test_a_long_hold_of_packets_is_no_jump() -> None:
    dejitter = Dejitter(250)
    for i in range(3000):
        sent_s = i * 0.04
        arrival_s = 84.0 if 80.0 <= sent_s < 84.0 else sent_s
        t_ns = round(arrival_s * 1e9)
        stamped = dejitter.stamp(Chunk("eeg", i * 10, t_ns, 250.0, np.zeros((10, 1), np.float32)))
        assert stamped.t_ns == pytest.approx(sent_s * 1e9, abs=1e6)
    assert dejitter.restarts == 0


def test_restart_forgets_the_numbering() -> None:
    dejitter = Dejitter(100.0)
    data = np.zeros((10, 1), np.float32)
    for i in range(50):
        dejitter.stamp(Chunk("eeg", i * 10, i * 100_000_000, 100.0, data))
    dejitter.restart()
    again = dejitter.stamp(Chunk("eeg", 0, 9_000_000_000, 100.0, data))
    assert again.t_ns == 9_000_000_000
    assert dejitter.restarts == 0


def test_a_rate_far_from_nominal_is_followed() -> None:
    link = Link(250, 10, drift_ppm=-5000.0, minutes=3)
    dejitter = Dejitter(250)
    errors_s = np.abs(link.errors_s(dejitter))
    assert errors_s[link.after(15.0)].max() < 0.005
    assert dejitter.drift_ppm == pytest.approx(-5000, abs=60)


@pytest.mark.parametrize("percent", [-3, -5, -9, 9])
def test_a_device_far_slower_than_it_says_is_no_device_that_jumps(percent: int) -> None:
    link = Link(250, 10, drift_ppm=percent * 10_000, minutes=3)
    dejitter = Dejitter(250)
    errors_s = np.abs(link.errors_s(dejitter))
    assert dejitter.restarts <= 1  # where packets are held back before the rate is known
    assert errors_s[link.after(30.0)].max() < 0.01
    assert dejitter.drift_ppm == pytest.approx(percent * 10_000, abs=200)


def test_leaves_samples_alone() -> None:
    data = np.arange(6, dtype=np.float32).reshape(3, 2)
    chunk = Chunk("eeg", 30, 5, 100.0, data)
    stamped = Dejitter(100.0).stamp(chunk)
    assert stamped.data is data
    assert (stamped.stream, stamped.seq, stamped.rate_hz) == ("eeg", 30, 100.0)


def test_irregular_streams_have_no_clock() -> None:
    with pytest.raises(ConfigError, match="0 Hz"):
        Dejitter(0)


@pytest.mark.parametrize(
    ("kind", "rate_hz", "live", "expected"),
    [
        ("eeg", 250.0, True, True),
        ("microphone", 16000.0, True, True),
        ("eeg", 250.0, False, False),
        ("camera", 30.0, True, False),
        ("text", 0.0, True, False),
    ],
)
def test_which_streams_need_it(kind: str, rate_hz: float, live: bool, expected: bool) -> None:
    info = StreamInfo(kind, rate_hz, (), "", "a device", live)  # type: ignore[arg-type]
    assert needs_dejitter(info) is expected


def test_a_backlog_that_comes_at_one_instant_has_a_drift_that_can_be_told() -> None:
    dejitter, arrival_ns = Dejitter(250.0), 10**9
    for seq in range(0, 5000, 10):
        t_ns = arrival_ns - round(10 * 1e9 / 250.0)
        dejitter.stamp(Chunk("eeg", seq, t_ns, 250.0, np.zeros((10, 1), np.float32)))
    assert 0 < dejitter.drift_ppm <= 1e6
