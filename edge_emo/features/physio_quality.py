"""Which body signals of a window can be used, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ConfigError
from edge_emo.features.eeg_filter import hold_last
from edge_emo.features.physio import CHANNELS, Beats, find_beats

LEAST_PULSE_HZ = 25.0
"""Below this rate a pulse wave has no shape; its channel is not used."""

_LOST_SHARE = 0.05
_STUCK_S = 5.0
_SKIN_US = (0.02, 100.0)
_LARGEST = 1e9
_POSSIBLE: Mapping[str, tuple[float, float]] = {"eda": (-1.0, 10 * _SKIN_US[1])}
_SKIN_C = (10.0, 45.0)


@dataclass(frozen=True, slots=True)
class Body:
    """The usable signals of one window.

    Attributes:
        beats: Of the pulse; None when there is no pulse channel or it cannot be used.
        signals: ``eda`` in µS and ``temp`` in °C where usable, all finite.
        scores: Each channel's quality, 0 … 1.
        problems: What is wrong with each channel that is not usable, in words.
    """

    beats: Beats | None
    signals: Mapping[str, npt.NDArray[np.float64]]
    scores: Mapping[str, float]
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Why nothing can be estimated; None when pulse or skin is usable."""
        if (self.beats is not None and self.beats.usable) or "eda" in self.signals:
            return None
        faults = [f"{name} {words}" for name, words in self.problems.items() if name != "temp"]
        return f"no body signal: {', '.join(faults)}"

    @property
    def score(self) -> float:
        """Mean quality of pulse and skin, as far as the stream has them."""
        used = [score for name, score in self.scores.items() if name != "temp"]
        return sum(used) / len(used) if used else 0.0


def columns_of(channels: Sequence[str]) -> dict[str, int]:
    """Return the column of each known signal of a stream.

    Raises:
        ConfigError: Neither pulse nor skin conductance is among them.
    """
    lowered = [name.strip().lower() for name in channels]
    found = {
        signal: lowered.index(alias)
        for signal, aliases in CHANNELS.items()
        for alias in aliases
        if alias in lowered
    }
    if not {"bvp", "eda"} & set(found):
        raise ConfigError(
            f"no channel is a pulse or skin conductance: {', '.join(channels) or '(none)'}",
            hint="name the channels bvp, eda and temp",
        )
    return found


def examine(samples: npt.NDArray[np.float32], rate_hz: float, columns: Mapping[str, int]) -> Body:
    """Judge each signal of a window and find the beats.

    Args:
        samples: Shape (n_samples, n_channels); may hold NaN.
        rate_hz: Samples per second.
        columns: From :func:`columns_of`.
    """
    problems: dict[str, str] = {}
    signals: dict[str, npt.NDArray[np.float64]] = {}
    scores = dict.fromkeys(columns, 0.0)
    for name, column in columns.items():
        given = samples[:, column].astype(np.float64)
        values = _possible(name, given)
        fault = _fault(name, given, rate_hz) or _fault(name, values, rate_hz)
        if fault:
            problems[name] = fault
        else:
            signals[name] = _whole(values)
            scores[name] = 1.0
    beats = None
    if "bvp" in signals:
        beats = find_beats(signals.pop("bvp"), rate_hz)
        scores["bvp"] = beats.share
        if not beats.usable:
            problems["bvp"] = "has no steady pulse"
    return Body(beats, signals, scores, problems)


def _possible(name: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the samples; one that no skin and no sensor gives is as if it were lost."""
    low, high = _POSSIBLE.get(name, (-_LARGEST, _LARGEST))
    return np.where((values >= low) & (values <= high), values, np.nan)


def _fault(name: str, values: npt.NDArray[np.float64], rate_hz: float) -> str:
    finite = np.isfinite(values)
    if np.mean(~finite) > _LOST_SHARE:
        return "is without data"
    if name == "bvp" and rate_hz < LEAST_PULSE_HZ:
        return f"has only {rate_hz:g} Hz"
    known = values[finite]
    if np.ptp(known) == 0.0 or (name == "bvp" and _is_stuck(known, rate_hz)):
        return "is flat"
    level = float(np.median(known)) if name != "bvp" else 0.0
    if name == "eda" and not _SKIN_US[0] <= level <= _SKIN_US[1]:
        return f"is at {level:.3g} µS: electrodes off"
    if name == "temp" and not _SKIN_C[0] <= level <= _SKIN_C[1]:
        return f"is at {level:.3g} °C: not on skin"
    return ""


def _is_stuck(values: npt.NDArray[np.float64], rate_hz: float) -> bool:
    """Tell whether one value stays for seconds, as on a sensor that lost its light."""
    moves = np.flatnonzero(np.diff(values) != 0.0)
    longest = np.diff(np.concatenate([[0], moves, [len(values) - 1]])).max()
    return bool(longest > _STUCK_S * rate_hz)


def _whole(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    finite = np.flatnonzero(np.isfinite(values))
    return hold_last(values[:, None], values[finite[:1]])[:, 0]
