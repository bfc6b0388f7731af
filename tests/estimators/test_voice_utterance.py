"""Pauses end utterances; other sounds abstain; windows hold nothing of an utterance before."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.estimators.voice import VoiceEstimator
from edge_emo.estimators.voice_utterance import weighted_mean, weighted_posterior, weights_of
from edge_emo.types import Posterior, Prediction
from tests.estimators.test_voice import BandLevels, Floats, babble, chunk, info, manifest
from tests.fakes.manifests import package_in, tensor

KIND = tensor("kind", (1, 3), "NC", labels=("speech", "vocal burst", "other sound"))


class Kinds(BandLevels):
    """Says of every window how much it is speech, a vocal burst, another sound."""

    def __init__(self, clock: ManualClock, logits: tuple[float, float, float]) -> None:
        super().__init__(clock)
        self._kind = np.array([logits], np.float32)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
        return {**super().run(inputs), "kind": self._kind}


def make(tmp_path: Path, logits: tuple[float, float, float] = (5.0, 0.0, 0.0)) -> VoiceEstimator:
    package = package_in(tmp_path / "bands", manifest(KIND, other_sound=0.6, vocal_burst=0.7))
    clock = ManualClock()
    return VoiceEstimator(package, Kinds(clock, logits), clock)


def hush(seconds: float) -> Floats:
    noise = 3e-4 * np.random.default_rng(1).standard_normal(round(16000 * seconds))
    return np.asarray(noise, np.float32)


def live(
    estimator: VoiceEstimator, sound: Floats, length: int = 800, drift: float = 0.0
) -> list[Prediction]:
    """Give a sound in chunks of a length, of a microphone whose clock is fast by ``drift``."""
    estimator.start(info())
    found = []
    for seq in range(0, len(sound), length):
        t_ns = round(seq * 1e9 / 16000 / (1.0 + drift))
        ready = estimator.features(chunk(sound[seq : seq + length], seq, t_ns))
        found += [estimator.predict(features) for features in ready]
    return found


def utterances(found: list[Prediction]) -> list[Prediction]:
    """Return those that begin later than a window that ends after them would."""
    return [b for a, b in pairwise(found) if b.end_ns < a.end_ns]


def test_a_pause_gives_the_mean_of_the_windows_of_the_utterance(tmp_path: Path) -> None:
    found = live(make(tmp_path), np.concatenate([babble(3.0), hush(2.0)]))
    (whole,) = utterances(found)
    assert (whole.t_ns, whole.end_ns) == (0, 3_000_000_000)
    windows = [p for p in found if p.posterior and p is not whole]
    assert [p.end_ns / 1e9 for p in windows] == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert whole.posterior is not None
    weights = [p.quality**8 for p in windows]
    expected = np.average([p.posterior.probabilities for p in windows if p.posterior], 0, weights)
    np.testing.assert_allclose(whole.posterior.probabilities, expected, atol=1e-9)
    assert whole.quality == pytest.approx(np.average([p.quality for p in windows], 0, weights))
    assert found[-1].abstained == "no speech"


def test_speech_without_a_pause_is_no_utterance_yet(tmp_path: Path) -> None:
    assert utterances(live(make(tmp_path), babble(6.0))) == []


def test_the_next_utterance_holds_nothing_of_the_one_before(tmp_path: Path) -> None:
    sound = np.concatenate([babble(3.0), hush(1.0), babble(3.0), hush(1.0)])
    found = live(make(tmp_path), sound)
    first, second = utterances(found)
    assert (first.end_ns, second.end_ns) == (3_000_000_000, 7_000_000_000)
    later = [p for p in found if p.posterior and p.end_ns > 4_500_000_000 and p is not second]
    assert min(p.t_ns for p in later) >= 3_500_000_000
    assert later[0].quality < later[3].quality


def test_a_fast_microphone_carries_no_window_over_into_the_next_utterance(tmp_path: Path) -> None:
    sound = np.concatenate([babble(3.0), hush(0.5), babble(3.0), hush(1.0)])
    found = live(make(tmp_path), sound, drift=1e-4)
    before, second = utterances(found)
    begun = found.index(before) + 1
    windows = [p for p in found[begun : found.index(second)] if p.posterior]
    assert second.posterior is not None
    weights = [p.quality**8 for p in windows]
    expected = np.average([p.posterior.probabilities for p in windows if p.posterior], 0, weights)
    np.testing.assert_allclose(second.posterior.probabilities, expected, atol=1e-9)


def test_utterances_do_not_depend_on_the_chunks(tmp_path: Path) -> None:
    sound = np.concatenate([babble(2.0), hush(1.2), babble(3.0), hush(1.2)])
    estimator = make(tmp_path)
    one, other = live(estimator, sound, 160), live(estimator, sound, 100_000)
    assert len(utterances(one)) == 2
    assert [(p.t_ns, p.end_ns, p.label) for p in map(Said, one)] == [
        (p.t_ns, p.end_ns, p.label) for p in map(Said, other)
    ]


class Said:
    """What is compared of a prediction."""

    def __init__(self, prediction: Prediction) -> None:
        self.t_ns, self.end_ns = prediction.t_ns, prediction.end_ns
        self.label = prediction.posterior.label if prediction.posterior else prediction.abstained


@pytest.mark.parametrize(
    ("logits", "reason"),
    [
        ((0.0, 0.0, 4.0), "another sound, not speech"),
        ((0.0, 4.0, 0.0), "a vocal burst, not speech"),
        ((4.0, 0.0, 0.0), None),
        ((1.0, 1.2, 0.0), None),
    ],
)
def test_what_the_model_takes_for_no_speech_abstains(
    tmp_path: Path, logits: tuple[float, float, float], reason: str | None
) -> None:
    found = live(make(tmp_path, logits), babble(2.0))
    assert {p.abstained for p in found} == {reason}


def test_an_utterance_of_other_sounds_abstains(tmp_path: Path) -> None:
    found = live(make(tmp_path, (0.0, 0.0, 4.0)), np.concatenate([babble(2.0), hush(1.0)]))
    (whole,) = utterances(found)
    assert whole.abstained == "no window of the utterance has an estimate"


def test_a_clip_is_its_windows_and_a_pause_in_it_changes_nothing(tmp_path: Path) -> None:
    sound = np.concatenate([babble(3.0), hush(1.0), babble(3.0)])
    whole = make(tmp_path).clip(chunk(sound))
    assert whole.posterior is not None
    assert whole.duration_ns == 7_000_000_000
    assert whole.inference_ns == 9 * 3_000_000


def said(quality: float) -> Prediction:
    """Return a window's prediction of some quality."""
    both = Posterior(("anger", "fear"), (quality / 2, 1 - quality / 2))
    return Prediction("voice", 0, 1, both, None, quality, None, quality, "m", 0)


def test_a_window_counts_by_the_eighth_power_of_its_quality() -> None:
    windows = [said(0.4), said(0.8)]
    weights = weights_of(windows)
    np.testing.assert_allclose(weights, [1 / 256, 1])
    mean = weighted_posterior(windows, weights)
    assert mean.names == ("anger", "fear")
    assert mean["anger"] == pytest.approx((0.2 / 256 + 0.4) / (257 / 256))


@pytest.mark.parametrize("quality", [0.0, 1e-200])
def test_windows_without_quality_count_alike(quality: float) -> None:
    np.testing.assert_array_equal(weights_of([said(quality), said(quality)]), [1.0, 1.0])


def test_a_mean_leaves_out_what_is_unknown() -> None:
    assert weighted_mean([None, 0.5, 0.2], np.array([1.0, 1.0, 2.0])) == pytest.approx(0.3)
    assert weighted_mean([None], np.array([1.0])) is None
    assert weighted_mean([0.5], np.array([0.0])) is None
