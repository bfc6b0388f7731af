from __future__ import annotations

import pytest

from edge_emo.clock import ManualClock
from edge_emo.drivers.microphone.intake import Intake

RATE_HZ = 16000
BLOCK = 320
BLOCK_NS = 20_000_000
# PortAudio's stream clock has an epoch of its own.
EPOCH_S = 5000.0


class Device:
    """A sound card: its clock is the session's plus an epoch, its blocks wait a while."""

    def __init__(self, capacity: int = 250) -> None:
        self.clock = ManualClock(1_000_000_000)
        self.intake = Intake(self.clock, RATE_HZ, capacity)

    def deliver(
        self, age_s: float | None, *, lock_wait_ns: int = 0, overflow: bool = False
    ) -> None:
        """Call back for a block whose first sample is ``age_s`` old; None: the age is unknown."""
        now_s = EPOCH_S + self.clock.now_ns() / 1e9
        adc_s = 0.0 if age_s is None else now_s - age_s
        self.clock.advance(lock_wait_ns / 1e9)
        self.intake.take(bytes(2 * BLOCK), BLOCK, adc_s, now_s, overflow=overflow)

    def pass_time(self, time_ns: int = BLOCK_NS) -> None:
        self.clock.advance_to(self.clock.now_ns() + time_ns)


def read_all(intake: Intake) -> list[tuple[int, int]]:
    blocks = iter(lambda: intake.get(0), None)
    return [(block.seq, block.t_ns) for block in blocks if block]


def test_a_block_has_its_adc_time() -> None:
    device = Device()
    device.deliver(0.035)
    (_, t_ns), *_ = read_all(device.intake)
    assert t_ns == pytest.approx(1_000_000_000 - 35_000_000, abs=1000)


def test_waiting_for_the_interpreter_lock_does_not_move_the_stamp() -> None:
    device = Device()
    device.deliver(0.035)
    device.pass_time()
    device.deliver(0.035, lock_wait_ns=15_000_000)
    (_, first_ns), (_, second_ns) = read_all(device.intake)
    assert second_ns - first_ns == pytest.approx(BLOCK_NS, abs=1000)


@pytest.mark.parametrize("age_s", [None, -0.5, 30.0])
def test_an_implausible_adc_time_gives_way_to_the_time_of_the_callback(age_s: float) -> None:
    device = Device()
    device.deliver(age_s)
    assert read_all(device.intake) == [(0, 1_000_000_000 - BLOCK_NS)]


def test_the_first_sample_is_at_least_as_old_as_the_block_is_long() -> None:
    device = Device()
    device.deliver(0.005)
    assert read_all(device.intake) == [(0, 1_000_000_000 - BLOCK_NS)]


def test_stamps_never_run_backwards() -> None:
    device = Device()
    device.deliver(0.020)
    device.deliver(0.500)
    (_, first_ns), (_, second_ns) = read_all(device.intake)
    assert second_ns >= first_ns


def test_an_overrun_is_counted_as_the_samples_that_fit_into_the_gap() -> None:
    device = Device()
    device.deliver(0.020)
    device.pass_time(BLOCK_NS + 100_000_000)
    device.deliver(0.020, overflow=True)
    (first, _), (second, _) = read_all(device.intake)
    assert second - first - BLOCK == device.intake.dropped == 1600


def test_an_overrun_of_unknown_length_still_shows() -> None:
    device = Device()
    device.deliver(0.020)
    device.pass_time()
    device.deliver(0.020, overflow=True)
    (_, _), (second, _) = read_all(device.intake)
    assert second == BLOCK + 1
    assert device.intake.dropped == 1


def test_a_reader_that_stalls_loses_blocks_and_sees_it() -> None:
    device = Device(capacity=2)
    for _ in range(5):
        device.deliver(0.020)
        device.pass_time()
    assert [seq for seq, _ in read_all(device.intake)] == [0, BLOCK]
    assert device.intake.dropped == 3 * BLOCK
    device.deliver(0.020)
    assert [seq for seq, _ in read_all(device.intake)] == [5 * BLOCK]


@pytest.mark.parametrize("step_s", [-0.3, -1.0, -1.9])
def test_a_stream_clock_that_is_set_back_is_followed_within_blocks(step_s: float) -> None:
    device, behind_s = Device(), 0.0
    for number in range(60):
        behind_s = step_s if number >= 30 else 0.0
        now_s = EPOCH_S + behind_s + device.clock.now_ns() / 1e9
        device.intake.take(bytes(2 * BLOCK), BLOCK, now_s - 0.035, now_s, overflow=False)
        device.pass_time()
    (_, t_ns) = read_all(device.intake)[-1]
    assert t_ns == pytest.approx(device.clock.now_ns() - BLOCK_NS - 35_000_000, abs=1000)
