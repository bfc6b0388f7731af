"""A broken modality is noticed, weighs less and is reported; a healthy one is left alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fusion.votes import sharp, to_vote

from edge_emo.fusion.base import Trust, Vote
from edge_emo.fusion.doubt import DOUBTED_WEIGHT, Watch
from edge_emo.fusion.pooling import PooledFusion
from edge_emo.types import CATEGORIES, Modality, Posterior, Prediction

SECOND = 1_000_000_000
HALF_NS = SECOND // 2
HOP_S = {"face": 0.1, "voice": 0.5, "text": 1.0}


def told(modality: Modality, label: str, random: np.random.Generator) -> Posterior:
    """A healthy answer: usually right, sometimes not, never quite the same."""
    right = {"face": 0.8, "voice": 0.65, "text": 0.7}[modality]
    name = label if random.random() < right else str(random.choice(CATEGORIES))
    return sharp(name, random.uniform(0.5, 0.9))


def broken(fault: str, random: np.random.Generator) -> Posterior:
    if fault == "random":
        return sharp(str(random.choice(CATEGORIES)), random.uniform(0.5, 0.9))
    return sharp("sadness", 0.8 if fault == "stuck" else random.uniform(0.7, 0.9))


def session(
    modalities: tuple[Modality, ...],
    seed: int,
    fault: str = "",
    at: Modality = "voice",
    seconds: float = 40.0,
) -> dict[Modality, float]:
    """When each modality came to be doubted, in a minute in which the label changes every 4 s."""
    random = np.random.default_rng(seed)
    fusion = PooledFusion({m: Trust(0.5, 2.0) for m in modalities})
    first: dict[Modality, float] = {}
    for step in range(round(seconds * 10)):
        label = CATEGORIES[(step // 40 * 3 + seed) % 7]
        for modality in modalities:
            if step % round(HOP_S[modality] * 10) == 0:
                faulty = fault and modality == at
                shares = broken(fault, random) if faulty else told(modality, label, random)
                fusion.update(
                    Prediction(
                        modality, step * SECOND // 10, 0, shares, None, None, None, 1.0, "m", 0
                    )
                )
        fusion.fuse(step * SECOND // 10)
        for modality in fusion.doubts():
            first.setdefault(modality, step / 10)
    return first


@pytest.mark.parametrize("modalities", [("face", "voice"), ("face", "voice", "text")])
@pytest.mark.parametrize("at", ["face", "voice"])
@pytest.mark.parametrize("fault", ["random", "stuck", "always sad"])
def test_a_broken_modality_is_noticed_within_30_s(
    modalities: tuple[Modality, ...], at: Modality, fault: str
) -> None:
    for seed in range(3):
        assert session(modalities, seed, fault, at).get(at, 99.0) <= 30.0


@pytest.mark.parametrize("modalities", [("face", "voice"), ("face", "voice", "text")])
def test_healthy_modalities_are_not_blamed(modalities: tuple[Modality, ...]) -> None:
    for seed in range(3):
        assert session(modalities, seed, seconds=60.0) == {}


def at(step: int, **labels: str) -> list[Vote]:
    """One sharp vote of each modality at a look."""
    return [
        Vote(dataclasses.replace(to_vote(sharp(label, 0.8), 1.0, m).prediction, t_ns=step), 1.0)  # type: ignore[arg-type]
        for m, label in labels.items()
    ]


def test_lasting_disagreement_alone_blames_nobody() -> None:
    watch = Watch()
    for step in range(120):
        watch.look(at(step, face="happiness", voice="anger"), step * SECOND // 2)
    assert watch.doubts == {}


def test_a_doubted_modality_weighs_less_and_is_trusted_again_when_it_follows() -> None:
    watch = Watch()
    labels = [CATEGORIES[step // 8 % 7] for step in range(400)]

    def look(step: int, voice: str) -> None:
        watch.look(at(step, face=labels[step], voice=voice), step * SECOND // 2)

    for step in range(80):
        look(step, "sadness")
    assert "same answer" in watch.doubts["voice"]
    assert watch.factor("voice") == DOUBTED_WEIGHT
    assert watch.factor("face") == 1.0
    for step in range(80, 200):
        look(step, labels[step])
    assert watch.doubts == {}
    assert watch.factor("voice") == 1.0


def test_a_modality_whose_stream_is_gone_starts_again() -> None:
    watch = Watch()
    for step in range(80):
        votes = at(step, face=CATEGORIES[step // 8 % 7], voice="sadness")
        watch.look(votes, step * SECOND // 2)
    assert "voice" in watch.doubts
    watch.forget("voice")
    assert watch.doubts == {}


def test_a_sign_from_before_a_long_absence_does_not_count_as_lasting() -> None:
    def stuck_for(steps: int) -> Watch:
        watch = Watch()
        for step in range(steps):
            watch.look(at(step, face=CATEGORIES[step // 8 % 7], voice="sadness"), step * HALF_NS)
        return watch

    blamed = next(steps for steps in range(99) if "voice" in stuck_for(steps).doubts)
    watch = stuck_for(blamed - 2)
    for step in range(blamed, 3600):
        watch.look(at(step, face="anger"), step * HALF_NS)
    watch.look(at(3600, face="anger", voice="sadness"), 3600 * HALF_NS)
    assert watch.doubts == {}


def test_every_window_of_an_utterance_is_looked_at_though_all_begin_with_it() -> None:
    watch = Watch()
    for step in range(120):
        label, second = CATEGORIES[step // 6 % 7], step % 6
        heard = to_vote(sharp("sadness" if second == 0 else label, 0.8), 1.0, "voice").prediction
        voice = dataclasses.replace(
            heard, t_ns=(step - second) * HALF_NS, duration_ns=(second + 2) * HALF_NS
        )
        (face,) = at(step, face=label)
        watch.look([face, Vote(voice, 1.0)], step * HALF_NS)
    assert watch.doubts == {}
