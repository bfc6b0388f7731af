from __future__ import annotations

import numpy as np
import pytest

from edge_emo.clock import ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.virtual import VirtualPhysio
from edge_emo.features.physio import find_beats
from edge_emo.features.physio_skin import read_skin
from edge_emo.testing import DriverContract, read_chunks


class TestContract(DriverContract):
    def make(self) -> Driver:
        return VirtualPhysio(seed=3)


@pytest.mark.parametrize("bpm", [55.0, 90.0])
def test_its_heart_beats_as_it_says(bpm: float) -> None:
    with VirtualPhysio(heart_rate_bpm=bpm, responses_per_min=6.0) as driver:
        info = driver.open(ReplayClock())
        data = np.concatenate([chunk.samples for chunk in read_chunks(driver, 128)])
    assert info.channels == ("bvp", "eda", "temp")
    assert find_beats(data[:, 0], 64.0).rate_bpm == pytest.approx(bpm, abs=3.0)
    assert 3.0 <= read_skin(data[:, 1], 64.0).responses_per_min <= 9.0
