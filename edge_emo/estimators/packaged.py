"""What estimators that run one model package share: inference, calibration, the mean of windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.estimators.base import Estimator, Features
from edge_emo.estimators.calibration import dimensions, mean_posterior, posterior
from edge_emo.manifest import DIMENSIONS, ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.types import Chunk, Posterior, Prediction, abstention


class PackagedEstimator(Estimator):
    """Runs the model of one package; a subclass cuts windows and computes features.

    Args:
        package: The package.
        model: Its model, loaded.
        clock: The session clock, which times the inference.
    """

    def __init__(self, package: ModelPackage, model: LoadedModel, clock: Clock) -> None:
        self.model_id = package.id
        self._package = package
        self._model = model
        self._clock = clock

    def predict(self, features: Features) -> Prediction:
        """Run the model on one window's features, or abstain with their reason."""
        if features.reason is not None:
            return self._abstain(features, features.reason)
        before_ns = self._clock.now_ns()
        outputs = self._model.run(features.tensors)
        inference_ns = self._clock.now_ns() - before_ns
        objection = self._objection(outputs)
        if objection is not None:
            return self._abstain(features, objection)
        spec = self._package.categories
        estimate = posterior(spec.labels, outputs[spec.name], self._package.temperature)
        values = dimensions(self._package, estimate, outputs)
        return self._prediction(features, estimate, values, inference_ns)

    def close(self) -> None:
        """Release the model; idempotent."""
        self._model.close()

    def _objection(self, outputs: Mapping[str, npt.NDArray[Any]]) -> str | None:
        """Return why the model itself says that there is nothing to estimate, or None."""
        return None

    def _mean(self, windows: Sequence[Prediction], chunk: Chunk, nothing: str) -> Prediction:
        """Return the mean of a clip's windows; those that abstain do not count.

        Args:
            windows: Predictions of the clip's windows, possibly none.
            chunk: The clip.
            nothing: Why there is no window; the reason when ``windows`` is empty.
        """
        answered = [window for window in windows if window.posterior is not None]
        counted = answered or list(windows)
        quality = sum(one.quality for one in counted) / len(counted) if counted else 0.0
        whole = Features(chunk.t_ns, chunk.end_ns - chunk.t_ns, quality, {})
        if not answered:
            reasons = Counter(window.abstained for window in windows if window.abstained)
            return self._abstain(whole, reasons.most_common(1)[0][0] if reasons else nothing)
        estimate = mean_posterior([one.posterior for one in answered if one.posterior is not None])
        inference_ns = sum(one.inference_ns for one in answered)
        values = [_average([getattr(one, name) for one in answered]) for name in DIMENSIONS]
        return self._prediction(whole, estimate, values, inference_ns)

    def _abstain(self, features: Features, reason: str) -> Prediction:
        return abstention(
            self.modality, features.t_ns, features.duration_ns, reason, features.quality
        )

    def _prediction(
        self,
        features: Features,
        estimate: Posterior,
        values: Sequence[float | None],
        inference_ns: int,
    ) -> Prediction:
        valence, arousal, dominance = values
        return Prediction(
            modality=self.modality,
            t_ns=features.t_ns,
            duration_ns=features.duration_ns,
            posterior=estimate,
            valence=valence,
            arousal=arousal,
            dominance=dominance,
            quality=features.quality,
            model_id=self.model_id,
            inference_ns=inference_ns,
        )


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
