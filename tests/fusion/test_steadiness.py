"""A body signal that contradicts itself is noticed; a steady or a changing one is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from edge_emo.fusion.base import Trust
from edge_emo.fusion.doubt import DOUBTED_WEIGHT
from edge_emo.fusion.pooling import PooledFusion
from edge_emo.fusion.smoothing import Smoothing
from edge_emo.types import Modality, Posterior, Prediction

SECOND = 1_000_000_000
LABELS = {"eeg": ("rest", "load"), "physio": ("baseline", "stress")}
HOP_S = {"eeg": 1.0, "physio": 10.0}
WINDOW_S = {"eeg": 10.0, "physio": 120.0}


def drifting(seconds: float, random: np.random.Generator) -> list[float]:
    """A healthy share of load: it wanders, and turns within some windows now and then."""
    shares, aim, share = [], 0.2, 0.2
    for step in range(round(seconds)):
        if step % 20 == 0:
            aim = float(random.uniform(0.05, 0.95))
        share += 0.1 * (aim - share) + float(random.normal(0.0, 0.03))
        share = min(max(share, 0.01), 0.99)
        shares.append(share)
    return shares


def broken(fault: str, seconds: float, random: np.random.Generator) -> list[float]:
    if fault == "stuck":
        return [0.7] * round(seconds)
    return random.uniform(0.02, 0.98, round(seconds)).tolist()


def prediction(modality: Modality, share: float, t_s: float) -> Prediction:
    posterior = Posterior(LABELS[modality], (1.0 - share, share))
    duration_ns = round(WINDOW_S[modality] * SECOND)
    t_ns = round(t_s * SECOND)
    return Prediction(
        modality, t_ns, duration_ns, posterior, None, share - 0.5, None, 1.0, "m", 0
    )  # fmt: skip


def doubted(modality: Modality, shares: list[float]) -> tuple[float | None, PooledFusion]:
    """When a modality came to be doubted, in seconds; None for never."""
    fusion = PooledFusion({modality: Trust(0.5, 10.0)})
    hop_s, first = HOP_S[modality], None
    for number, share in enumerate(shares):
        t_s = number * hop_s
        fusion.update(prediction(modality, share, t_s))
        for half in range(round(2 * hop_s)):
            fusion.fuse(round((t_s + WINDOW_S[modality] + half / 2) * SECOND))
            if first is None and fusion.doubts():
                first = t_s + half / 2
    return first, fusion


@pytest.mark.parametrize("fault", ["random", "stuck"])
@pytest.mark.parametrize("seed", range(3))
def test_a_broken_eeg_is_noticed_within_30_s(fault: str, seed: int) -> None:
    first, fusion = doubted("eeg", broken(fault, 40, np.random.default_rng(seed)))
    assert first is not None
    assert first <= 30.0
    words = {"random": "jumps", "stuck": "same answer"}[fault]
    assert words in fusion.doubts()["eeg"]


@pytest.mark.parametrize("fault", ["random", "stuck"])
def test_a_broken_wrist_band_is_noticed_as_soon_as_its_windows_allow(fault: str) -> None:
    first, _ = doubted("physio", broken(fault, 12, np.random.default_rng(1)))
    assert first is not None
    assert first <= 80.0


@pytest.mark.parametrize("modality", ["eeg", "physio"])
@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_signal_is_not_blamed(modality: Modality, seed: int) -> None:
    first, _ = doubted(modality, drifting(120, np.random.default_rng(seed)))
    assert first is None


def test_one_that_is_healthy_again_is_trusted_again() -> None:
    random = np.random.default_rng(0)
    shares = broken("random", 40, random)
    assert doubted("eeg", shares)[0] is not None
    _, fusion = doubted("eeg", shares + drifting(60, random))
    assert fusion.doubts() == {}


def test_a_gap_alone_clears_no_doubt() -> None:
    random = np.random.default_rng(0)
    _, fusion = doubted("eeg", broken("random", 40, random))
    assert "eeg" in fusion.doubts()
    for number, share in enumerate(broken("random", 12, random)):
        t_s = 60.0 + number
        fusion.update(prediction("eeg", share, t_s))
        fusion.fuse(round((t_s + WINDOW_S["eeg"]) * SECOND))
        assert "eeg" in fusion.doubts()


def test_windows_that_do_not_overlap_may_jump() -> None:
    fusion = PooledFusion({"eeg": Trust(0.5, 10.0)})
    for number in range(60):
        fusion.update(prediction("eeg", (0.1, 0.9)[number % 2], number * 10.0))
        fusion.fuse(round((number * 10.0 + 10.0) * SECOND))
    assert fusion.doubts() == {}


def test_a_doubted_signal_weighs_less_and_a_lost_one_starts_again() -> None:
    trust = {"eeg": Trust(0.5, 10.0), "physio": Trust(0.5, 10.0)}
    at_once = Smoothing("hysteresis", posterior_s=0.0, dimension_s=0.0)
    fusion = PooledFusion(trust, smoothing=at_once)  # type: ignore[arg-type]

    def arousal(t_s: float) -> float | None:
        for modality, share in (("eeg", 0.7), ("physio", 0.2)):
            fusion.update(prediction(modality, share, t_s - WINDOW_S[modality]))  # type: ignore[arg-type]
        felt = fusion.fuse(round(t_s * SECOND)).felt
        return felt.arousal if felt else None

    for second in range(40):
        fusion.update(prediction("eeg", 0.7, second))
        fusion.fuse(round((second + WINDOW_S["eeg"]) * SECOND))
    assert "eeg" in fusion.doubts()
    assert arousal(50.0) == pytest.approx((0.2 * DOUBTED_WEIGHT - 0.3) / (DOUBTED_WEIGHT + 1.0))
    fusion.lost("eeg")
    assert fusion.doubts() == {}
    assert arousal(51.0) == pytest.approx((0.2 - 0.3) / 2.0)
