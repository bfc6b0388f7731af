"""Taking a person's baseline from a running stream."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

from edge_emo.errors import ConfigError, EdgeEmoError
from edge_emo.estimators.base import Estimator, Features
from edge_emo.estimators.baseline import Baseline
from edge_emo.types import Modality

_log = logging.getLogger(__name__)

_APART_NS = 3_000_000_000
"""Frames that are further apart leave a hole, as long as a device may be silent."""


class Rest:
    """Gathers the windows of some seconds, and has the estimator use their mean.

    The engine's thread adds windows; another thread waits.

    Args:
        estimator: Of the stream.
        seconds: How much originating time the windows must cover.
        valid_s: Seconds until the baseline ends.
    """

    def __init__(self, estimator: Estimator, seconds: float, valid_s: float) -> None:
        self._estimator = estimator
        self._span_ns = round(seconds * 1e9)
        self._valid_s = valid_s
        self._windows: list[Features] = []
        self._covered_ns = 0
        self._end_ns: int | None = None
        self._done = threading.Event()
        self._ending = threading.RLock()  # a signal handler may give up inside a call
        self._error: EdgeEmoError | None = None
        self._baseline: Baseline | None = None

    @property
    def done(self) -> bool:
        """True when the baseline is taken or has failed."""
        return self._done.is_set()

    def add(self, windows: Sequence[Features]) -> None:
        """Take windows in their order; the last one that is needed ends it."""
        for window in windows:
            self._windows.append(window)
            self._cover(window)
        if self._covered_ns >= self._span_ns:
            self._finish()

    def fail(self, error: EdgeEmoError) -> None:
        """Give up, unless it is taken; whoever waits is told. Any thread may call."""
        with self._ending:
            if not self.done:
                self._error = error
                self._done.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait; True when it is done."""
        return self._done.wait(timeout_s)

    def result(self) -> Baseline:
        """Return the baseline.

        Raises:
            ConfigError: No window could be used.
            EdgeEmoError: The stream failed.
        """
        if self._error is not None:
            raise self._error
        assert self._baseline is not None, "wait for it first"
        return self._baseline

    def _cover(self, window: Features) -> None:
        """Count the time that a window adds; what was muted or lost before it is none."""
        end_ns = window.t_ns + window.duration_ns
        begin_ns = window.t_ns
        if self._end_ns is not None:
            begin_ns = max(self._end_ns, end_ns - max(window.duration_ns, _APART_NS))
        self._covered_ns += max(0, end_ns - begin_ns)
        self._end_ns = max(end_ns, begin_ns)

    def _finish(self) -> None:
        with self._ending:
            if not self.done:
                self._take()
                self._done.set()

    def _take(self) -> None:
        try:
            self._baseline = self._estimator.rest(self._windows, self._valid_s)
            self._estimator.adopt(self._baseline)
        except ConfigError as error:
            self._error = error


def results(rests: Mapping[Modality, Rest]) -> dict[Modality, Baseline]:
    """Return every baseline.

    Raises:
        EdgeEmoError: One was not taken.
    """
    return {modality: rest.result() for modality, rest in rests.items()}


def results_of_some(rests: Mapping[Modality, Rest]) -> dict[Modality, Baseline]:
    """Return the baselines that were taken; the others are logged.

    Raises:
        ConfigError: None was taken.
    """
    taken: dict[Modality, Baseline] = {}
    errors: list[ConfigError] = []
    for modality, rest in rests.items():
        try:
            taken[modality] = rest.result()
        except ConfigError as error:
            errors.append(error)
    if not taken and errors:
        raise errors[0]
    for left_out in errors:
        _log.warning("%s", left_out)
    return taken
