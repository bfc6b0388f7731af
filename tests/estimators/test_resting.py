"""Answers that are moved by what the model says at rest."""

from __future__ import annotations

import dataclasses
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np
import pytest
from fusion.votes import FEW, centred_logs, posteriors, sharp
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.clock import ManualClock
from edge_emo.errors import ConfigError
from edge_emo.estimators import baseline, keeping
from edge_emo.estimators.base import Features
from edge_emo.estimators.baseline import Baseline
from edge_emo.estimators.resting import RestingEstimator
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.types import CATEGORIES, Chunk, Posterior, Prediction, StreamInfo

PLAIN = sharp("neutral", 0.7)


class Echo(LoadedModel):
    """Gives what it is given."""

    backend = "echo"

    def run(self, inputs: Tensors) -> Tensors:
        return inputs

    def close(self) -> None:
        pass


class Told(RestingEstimator):
    """An estimator of windows that say what the model is to say of them."""

    modality = "face"
    kind = "camera"

    def start(self, info: StreamInfo) -> None:
        raise NotImplementedError

    def features(self, chunk: Chunk) -> list[Features]:
        raise NotImplementedError

    def windows_of(self, chunk: Chunk) -> list[Features]:
        raise NotImplementedError

    def clip(self, chunk: Chunk) -> Prediction:
        raise NotImplementedError


def package() -> ModelPackage:
    found = find_package("face-expression-small")
    names = ("logits", "valence_arousal")
    outputs = tuple(one for one in found.outputs if one.name in names)
    return dataclasses.replace(found, outputs=outputs, temperature=1.0)


@pytest.fixture
def estimator() -> Told:
    return Told(package(), Echo(), ManualClock())


def window(said: Posterior, valence: float = 0.0, arousal: float = 0.0) -> Features:
    logits = np.log(np.maximum([said.probabilities], 1e-30))
    return Features(
        0, 0, 1.0, {"logits": logits, "valence_arousal": np.array([[valence, arousal]])}
    )


def told(estimator: Told, said: Posterior, **dimensions: float) -> Prediction:
    return estimator.predict(window(said, **dimensions))


def shares(prediction: Prediction) -> tuple[float, ...]:
    assert prediction.posterior is not None
    return prediction.posterior.probabilities


@FEW
@given(rest=posteriors(), later=posteriors())
def test_any_rest_leaves_posteriors_whole(rest: Posterior, later: Posterior) -> None:
    estimator = Told(package(), Echo(), ManualClock())
    estimator.adopt(estimator.rest([window(rest)]))
    moved = shares(told(estimator, later))
    assert sum(moved) == pytest.approx(1.0)
    assert min(moved) > 0.0


@pytest.mark.parametrize("far", [1e6, -1e6])
def test_a_rest_far_from_any_answer_leaves_posteriors_whole(estimator: Told, far: float) -> None:
    rest = estimator.rest([window(PLAIN)])
    estimator.adopt(dataclasses.replace(rest, values=(far,) * len(rest.values)))
    assert sum(shares(told(estimator, PLAIN))) == pytest.approx(1.0)


@FEW
@given(st.lists(posteriors(), min_size=1, max_size=5))
def test_the_mean_of_rest_comes_half_the_way_to_a_plain_answer(said: list[Posterior]) -> None:
    estimator = Told(package(), Echo(), ManualClock())
    estimator.adopt(estimator.rest([window(one) for one in said]))
    mean = np.mean([centred_logs(np.array(one.probabilities)) for one in said], axis=0)
    raised = np.exp(mean)
    at_rest = Posterior(CATEGORIES, tuple((raised / raised.sum()).tolist()))
    if min(at_rest.probabilities) > 1e-4:
        wanted = 0.5 * (mean + centred_logs(np.array(PLAIN.probabilities)))
        moved = centred_logs(np.array(shares(told(estimator, at_rest))))
        assert moved == pytest.approx(wanted, abs=1e-6)


def test_somebody_plain_at_rest_is_not_moved(estimator: Told) -> None:
    said = sharp("anger", 0.5)
    before = told(estimator, said, valence=-0.5)
    estimator.adopt(estimator.rest([window(PLAIN)] * 5))
    after = told(estimator, said, valence=-0.5)
    assert shares(after) == pytest.approx(shares(before))
    assert after.valence == pytest.approx(-0.5)


def test_a_face_that_looks_sad_at_rest_looks_less_so(estimator: Told) -> None:
    sad = sharp("sadness", 0.6)
    baseline = estimator.rest([window(sad, valence=-0.4, arousal=0.2)] * 3)
    estimator.adopt(baseline)
    moved = told(estimator, sad, valence=-0.4, arousal=0.2)
    assert moved.posterior is not None
    assert moved.posterior["neutral"] > 0.3
    assert moved.posterior["sadness"] < 0.5
    assert moved.valence == pytest.approx(-0.2)
    assert moved.arousal == pytest.approx(0.1)
    assert baseline.windows == 3


def test_erasing_it_gives_the_answers_of_before(estimator: Told) -> None:
    sad = sharp("sadness", 0.6)
    before = told(estimator, sad)
    estimator.adopt(estimator.rest([window(sad)]))
    assert told(estimator, sad) != before
    estimator.adopt(None)
    assert told(estimator, sad) == before


def test_one_whose_time_is_over_moves_nothing(estimator: Told) -> None:
    sad = sharp("sadness", 0.6)
    before = told(estimator, sad)
    old = dataclasses.replace(estimator.rest([window(sad)]), expires="2020-01-01T00:00:00+00:00")
    estimator.adopt(old)
    assert told(estimator, sad) == before
    assert estimator.baseline is None


def test_it_can_be_stored_with_consent_and_taken_up_again(estimator: Told, tmp_path: Path) -> None:
    baseline = estimator.rest([window(sharp("sadness", 0.6))])
    baseline.save(tmp_path / "rest.json", consent=True)
    assert Baseline.load(tmp_path / "rest.json") == baseline


def test_one_of_another_package_is_refused(estimator: Told) -> None:
    other = dataclasses.replace(estimator.rest([window(PLAIN)]), model_id="another")
    with pytest.raises(ConfigError, match="taken for another"):
        estimator.adopt(other)


def test_a_rest_is_learned_without_the_baseline_in_use(estimator: Told) -> None:
    sad = window(sharp("sadness", 0.6))
    first = estimator.rest([sad])
    estimator.adopt(first)
    assert estimator.rest([sad]).values == first.values


def test_windows_that_cannot_be_used_do_not_count(estimator: Told) -> None:
    sad, happy = window(sharp("sadness", 0.6)), window(sharp("happiness", 0.9))
    bystander = dataclasses.replace(happy, counts=False)
    dark = Features(0, 0, 0.0, {}, "too dark")
    assert estimator.rest([sad, bystander, dark]).values == estimator.rest([sad]).values
    with pytest.raises(ConfigError, match="no usable face window for a baseline: too dark"):
        estimator.rest([dark, bystander])


def test_a_long_rest_is_estimated_in_part(estimator: Told) -> None:
    assert estimator.rest([window(PLAIN)] * 300).windows <= 64


@pytest.mark.parametrize("ended", [True, False])
def test_a_baseline_adopted_while_another_is_looked_at_stays(
    estimator: Told, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (estimator.rest([window(PLAIN)]) for _ in range(2))
    estimator.adopt(old)

    def looked() -> int:
        monkeypatch.undo()
        estimator.adopt(new)
        return sys.maxsize if ended else 0

    monkeypatch.setattr(keeping, "since_boot_ns", looked)
    told(estimator, PLAIN)
    assert estimator.baseline is new


@pytest.mark.parametrize("days", [-400, 400])
def test_a_calendar_that_is_set_right_moves_no_end(
    estimator: Told, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_s = 5.0
    monkeypatch.setattr(keeping, "since_boot_ns", lambda: round(on_s * 1e9))
    rest = estimator.rest([window(PLAIN)], valid_s=60.0)
    estimator.adopt(rest)

    class Corrected(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(baseline, "datetime", Corrected)
    on_s += 59.0
    assert estimator.baseline is rest
    on_s += 2.0
    assert estimator.baseline is None


def test_a_baseline_may_be_erased_while_it_is_looked_at(estimator: Told) -> None:
    rest = estimator.rest([window(sharp("sadness", 0.9))])
    before = told(estimator, PLAIN)

    class Erasing(Told):
        """Another thread erases the baseline once it was found to be there."""

        @property
        def _held(self) -> tuple[Baseline, int] | None:
            held, self.held = self.held, None
            return held

        @_held.setter
        def _held(self, held: tuple[Baseline, int] | None) -> None:
            self.held = held

    other = Erasing(package(), Echo(), ManualClock())
    other.adopt(rest)
    assert shares(told(other, PLAIN)) != shares(before)
    assert shares(told(other, PLAIN)) == shares(before)
