from __future__ import annotations

import dataclasses
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_emo.clock import ManualClock
from edge_emo.drivers.virtual_signals import body_signals
from edge_emo.errors import ConfigError, StaleError
from edge_emo.estimators.baseline import Baseline, erase, expiry
from edge_emo.estimators.physio import PhysioEstimator
from edge_emo.features.physio import FEATURES
from edge_emo.manifest import find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, StreamInfo

PAST = "2020-01-01T00:00:00+00:00"


def a_baseline(expires: str = "") -> Baseline:
    return Baseline("physio", "m", (1.5, 0.1), (1.0, 0.0), 3, expires or expiry(60.0))


@pytest.fixture
def estimator() -> Iterator[PhysioEstimator]:
    package = find_package("physio")
    made = PhysioEstimator(package, load_model(package), ManualClock())
    made.start(StreamInfo("physio", 64.0, ("bvp", "eda"), "physical", "a band", live=False))
    yield made
    made.close()


def chunk(seconds: float = 130.0, flat: bool = False) -> Chunk:
    data = body_signals(2, round(seconds * 64), 64.0, 66.0, 2.0)[:, :2]
    return Chunk("physio", 0, 0, 64.0, data * np.float32(0.0) if flat else data)


def test_what_is_saved_reads_back_the_same(tmp_path: Path) -> None:
    baseline = a_baseline()
    baseline.save(tmp_path / "rest.json", consent=True)
    assert Baseline.load(tmp_path / "rest.json") == baseline


def test_nothing_is_stored_without_consent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without consent"):
        a_baseline().save(tmp_path / "rest.json", consent=False)
    assert list(tmp_path.iterdir()) == []


def test_only_its_user_can_read_the_file(tmp_path: Path) -> None:
    a_baseline().save(tmp_path / "rest.json", consent=True)
    assert stat.S_IMODE((tmp_path / "rest.json").stat().st_mode) == 0o600


def test_it_takes_the_place_of_a_file_that_others_could_read(tmp_path: Path) -> None:
    path = tmp_path / "rest.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    a_baseline().save(path, consent=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["rest.json"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("values", "[NaN, 0.1]"),
        ("values", "[Infinity, 0.1]"),
        ("values", "[1e300, 0.1]"),
        ("values", f"[1{'0' * 400}, 0.1]"),
        ("values", f"[1{'0' * 5000}, 0.1]"),
        ("values", '"12"'),
        ("values", "[true, 0.1]"),
        ("known", "[1.0, -1.0]"),
        ("known", "[1.0, 2.0]"),
        ("known", "3"),
        ("windows", "Infinity"),
        ("windows", "[" * 100_000),
        ("expires", '"2999-01-01T00:00:00"'),
        ("expires", "7"),
    ],
)
def test_a_damaged_one_is_refused(tmp_path: Path, key: str, value: str) -> None:
    row = {name: json.dumps(one) for name, one in dataclasses.asdict(a_baseline()).items()}
    row[key] = value
    path = tmp_path / "rest.json"
    path.write_text("{" + ", ".join(f'"{name}": {one}' for name, one in row.items()) + "}")
    with pytest.raises(ConfigError, match="no baseline"):
        Baseline.load(path)


@pytest.mark.parametrize("valid_s", [0.0, -1.0, float("nan"), float("inf"), 1e15])
def test_a_time_that_cannot_be_is_refused(valid_s: float) -> None:
    with pytest.raises(ConfigError, match="is none"):
        expiry(valid_s)


def test_an_old_one_is_refused_and_can_be_erased(tmp_path: Path) -> None:
    path = tmp_path / "rest.json"
    a_baseline(PAST).save(path, consent=True)
    with pytest.raises(StaleError, match="2020"):
        Baseline.load(path)
    erase(path)
    assert not path.exists()
    erase(path)


def test_erasing_spares_other_files(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="no baseline"):
        erase(path)
    assert path.exists()


def test_rest_is_the_mean_of_its_windows(estimator: PhysioEstimator) -> None:
    windows = estimator.windows_of(chunk())
    baseline = estimator.rest(windows)
    rows = np.stack([one.tensors["features"][0, : len(FEATURES)] for one in windows])
    assert (baseline.windows, len(windows)) == (2, 2)
    np.testing.assert_allclose(baseline.values, rows.mean(axis=0), rtol=1e-5)


def test_the_model_reads_the_baseline_until_it_is_forgotten(estimator: PhysioEstimator) -> None:
    before = estimator.clip(chunk())
    baseline = estimator.rest(estimator.windows_of(chunk()))
    estimator.adopt(baseline)
    row = estimator.windows_of(chunk())[0].tensors["features"][0]
    np.testing.assert_allclose(row[2 * len(FEATURES) : 3 * len(FEATURES)], baseline.values, 1e-5)
    assert estimator.clip(chunk()) != before
    estimator.adopt(None)
    assert estimator.clip(chunk()) == before


def test_a_baseline_ends_by_itself(estimator: PhysioEstimator) -> None:
    before = estimator.clip(chunk())
    old = dataclasses.replace(estimator.rest(estimator.windows_of(chunk())), expires=PAST)
    estimator.adopt(old)
    assert estimator.clip(chunk()) == before
    assert estimator.baseline is None


def test_a_baseline_of_another_model_is_refused(estimator: PhysioEstimator) -> None:
    with pytest.raises(ConfigError, match="taken for m, not for physio-stress-small"):
        estimator.adopt(a_baseline())


def test_rest_without_a_usable_window_says_why(estimator: PhysioEstimator) -> None:
    with pytest.raises(ConfigError, match="bvp is flat"):
        estimator.rest(estimator.windows_of(chunk(flat=True)))


def test_a_baseline_lasts_some_time() -> None:
    with pytest.raises(ConfigError, match="valid for 0"):
        expiry(0.0)
