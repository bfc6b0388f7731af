"""Estimators that keep a baseline until its time is over."""

from __future__ import annotations

import threading
import time

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError
from edge_emo.estimators.baseline import Baseline
from edge_emo.estimators.packaged import PackagedEstimator
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.base import LoadedModel


class KeepingEstimator(PackagedEstimator):
    """Runs the model of one package and keeps one baseline.

    The calendar says how long a baseline has left when it is adopted. From then on the time counts
    that passes, also while the machine sleeps: a calendar that is set right at last, as without a
    battery some time after the start, neither ends a baseline nor prolongs it.

    Args:
        package: The package.
        model: Its model, loaded.
        clock: The session clock, which times the inference.
        size: How many values a baseline of this package has.
    """

    def __init__(self, package: ModelPackage, model: LoadedModel, clock: Clock, size: int) -> None:
        super().__init__(package, model, clock)
        self._size = size
        self._changing = threading.Lock()
        self._held: tuple[Baseline, int] | None = None

    @property
    def baseline(self) -> Baseline | None:
        """The baseline in use; None without one, and when its time is over."""
        held = self._held
        if held is None:
            return None
        baseline, ends_ns = held
        if since_boot_ns() < ends_ns:
            return baseline
        with self._changing:
            if self._held is held:
                self._held = None
        return None

    def adopt(self, baseline: Baseline | None) -> None:
        """Use a baseline from the next window on; None forgets the one in use.

        Any thread may call.

        Raises:
            ConfigError: It was taken for another package.
        """
        if baseline is not None and (
            baseline.model_id != self.model_id or len(baseline.values) != self._size
        ):
            raise ConfigError(
                f"the baseline was taken for {baseline.model_id}, not for {self.model_id}",
                hint="take a new one with this model",
            )
        held = None if baseline is None else (baseline, _ends_ns(baseline))
        with self._changing:
            self._held = held


def _ends_ns(baseline: Baseline) -> int:
    return since_boot_ns() + round(baseline.left_s * 1e9)


def since_boot_ns() -> int:
    """Return for how long the machine has been on, in nanoseconds, asleep or awake."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
