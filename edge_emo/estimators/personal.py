"""Estimators whose model also reads what the person is like at rest.

The model's one input is a row of four parts of equal length: values, their mask, the baseline's
values, the baseline's mask. Without a baseline the last two are 0, which the model was trained
with too.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError, ModelMismatchError
from edge_emo.estimators.base import Features
from edge_emo.estimators.baseline import VALID_S, Baseline, expiry
from edge_emo.estimators.keeping import KeepingEstimator
from edge_emo.features.settings import is_finite
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.sync.window import Windower
from edge_emo.types import Chunk, Prediction

Row = npt.NDArray[np.float32]

_SETTINGS = ("window_s", "first_s", "hop_s")


class PersonalEstimator(KeepingEstimator):
    """Runs the model of one package on rows of features and, when there is one, a baseline.

    Args:
        package: The package.
        model: Its model, loaded.
        clock: The session clock, which times the inference.
        names: The features that this code computes.
        more: Settings that its ``features`` table holds beside ``window_s``, ``first_s`` and
            ``hop_s``.

    Raises:
        ModelMismatchError: The package reads other features, or lacks a setting.
    """

    personal = True

    def __init__(
        self,
        package: ModelPackage,
        model: LoadedModel,
        clock: Clock,
        names: Sequence[str],
        more: Sequence[str] = (),
    ) -> None:
        super().__init__(package, model, clock, len(names))
        self._count = len(names)
        self._input = package.inputs[0].name
        _check_shape(package, len(names))
        self._settings = _settings(package, (*_SETTINGS, *more))

    def rest(self, windows: Sequence[Features], valid_s: float = VALID_S) -> Baseline:
        """Return the baseline of windows in which the person rested.

        Args:
            windows: As :meth:`features` or :meth:`windows_of` gave them.
            valid_s: Seconds until it ends.

        Raises:
            ConfigError: No window can be used; the message says why.
        """
        rows = [one.tensors[self._input][0] for one in windows if one.reason is None]
        if not rows:
            reasons = [one.reason for one in windows if one.reason]
            raise ConfigError(
                f"no usable {self.modality} window for a baseline: "
                f"{reasons[0] if reasons else 'none was cut'}",
                hint="sit still, check the contacts, and take a longer baseline",
            )
        values, masks = np.split(np.stack(rows)[:, : 2 * self._count].astype(np.float64), 2, axis=1)
        counts = masks.sum(axis=0)
        means = (values * masks).sum(axis=0) / np.maximum(counts, 1.0)
        return Baseline(
            modality=self.modality,
            model_id=self.model_id,
            values=tuple(means.tolist()),
            known=tuple((counts / len(rows)).tolist()),
            windows=len(rows),
            expires=expiry(valid_s),
        )

    def clip(self, chunk: Chunk) -> Prediction:
        """Estimate a whole clip: the mean posterior of its windows.

        Windows that abstain are left out of the mean.
        """
        answers = [self.predict(window) for window in self.windows_of(chunk)]
        return self._mean(answers, chunk, "no window")

    @abstractmethod
    def windows_of(self, chunk: Chunk) -> list[Features]:
        """Return the features of each window of a clip; a short clip counts as one window."""

    def _windower(self, rate_hz: float, columns: int) -> Windower:
        """Return what cuts windows as the package says, growing up to their full length."""
        settings = self._settings
        return Windower(
            settings["window_s"], settings["hop_s"], rate_hz, columns, first_s=settings["first_s"]
        )

    def _row(self, values: Row, mask: Row) -> Row:
        """Return the model's input, shape (1, 4 · features)."""
        baseline = self.baseline
        if baseline is None:
            rest = np.zeros(2 * self._count, np.float32)
        else:
            known = np.array(baseline.known, np.float32) > 0
            rest = np.concatenate([np.array(baseline.values, np.float32), known])
        return np.concatenate([values, mask, rest], dtype=np.float32)[None]


def _check_shape(package: ModelPackage, count: int) -> None:
    shape, wanted = package.inputs[0].shape, (1, 4 * count)
    if package.dimensions.source != "mapping":
        raise ModelMismatchError(
            f"{package.id} gives dimensions by {package.dimensions.source!r}, which no "
            f"{package.modality} model may",
            hint='set [dimensions] source = "mapping" and give each label its values',
        )
    if shape != wanted:
        raise ModelMismatchError(
            f"{package.id} is not made for these features: its input {package.inputs[0].name} "
            f"has shape {shape}, wanted {wanted}",
            hint="use the package and the code of one release",
        )


def _settings(package: ModelPackage, keys: Sequence[str]) -> Mapping[str, float]:
    missing = [key for key in keys if key not in package.features]
    if missing:
        raise ModelMismatchError(
            f"{package.id} is not made for these features; missing settings: {', '.join(missing)}",
            hint="use the package and the code of one release",
        )
    for key in keys:
        if not is_finite(package.features[key]) or package.features[key] <= 0:
            raise ModelMismatchError(f"{package.id}: [features] {key} is no number above 0")
    return {key: float(package.features[key]) for key in keys}
