"""What a person is like at rest: the mean features of some calm seconds, kept only on request.

A baseline is personal data. It lives in memory until :meth:`Baseline.save` is called with
consent, it ends by itself, and :func:`erase` removes a stored one.
"""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from edge_emo.errors import ConfigError, StaleError
from edge_emo.files import write_whole
from edge_emo.types import MODALITIES, Modality

VALID_S = 24 * 3600.0
"""How long a baseline counts unless the caller says otherwise: rest differs from day to day."""

_MOST = 1e6  # no feature, and no logarithm, comes near
_DAMAGE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The rest of one person, for one model package.

    Attributes:
        modality: What it was taken from.
        model_id: Package whose features these are; no other can use it.
        values: Mean of each feature over the windows; 0 where unknown.
        known: Share of the windows that know each feature; 0 leaves it out.
        windows: How many windows it is the mean of.
        expires: When it ends, ISO 8601 with time zone.
    """

    modality: Modality
    model_id: str
    values: tuple[float, ...]
    known: tuple[float, ...]
    windows: int
    expires: str

    @property
    def left_s(self) -> float:
        """Seconds until it ends by the calendar, 0 or less when its time is over."""
        return (datetime.fromisoformat(self.expires) - datetime.now(timezone.utc)).total_seconds()

    @property
    def expired(self) -> bool:
        """True when its time is over."""
        return self.left_s <= 0

    def save(self, path: str | Path, *, consent: bool) -> None:
        """Store it in a file that only this user can read.

        Args:
            path: Where; an existing file is replaced.
            consent: That the person agreed to have it stored.

        Raises:
            ConfigError: Without consent.
        """
        if not consent:
            raise ConfigError(
                "a baseline is personal data and is not stored without consent",
                hint="ask the person, then pass consent=True",
            )
        write_whole(Path(path), f"{json.dumps(asdict(self))}\n".encode())

    @classmethod
    def load(cls, path: str | Path) -> Baseline:
        """Read a stored one.

        Raises:
            ConfigError: No such file, or it is no baseline.
            StaleError: Its time is over.
        """
        try:
            row = json.loads(Path(path).read_text(encoding="utf-8"))
            baseline = _from_row(row)
        except (OSError, *_DAMAGE) as error:
            raise ConfigError(f"{path} is no baseline: {error}") from error
        if baseline.expired:
            raise StaleError(
                f"the baseline {path} ended at {baseline.expires}",
                hint="take a new one, and erase this one",
            )
        return baseline


def expiry(valid_s: float) -> str:
    """Return the instant ``valid_s`` seconds from now, as :attr:`Baseline.expires` has it.

    Raises:
        ConfigError: It is not above 0, or later than dates go.
    """
    if valid_s > 0:
        with contextlib.suppress(OverflowError):
            return (datetime.now(timezone.utc) + timedelta(seconds=valid_s)).isoformat()
    raise ConfigError(f"a baseline that is valid for {valid_s} s is none")


def erase(path: str | Path) -> None:
    """Remove a stored baseline; does nothing when there is none.

    Raises:
        ConfigError: The file is something else; it stays.
    """
    if Path(path).exists():
        with contextlib.suppress(StaleError):
            Baseline.load(path)
        Path(path).unlink()


def _from_row(row: Any) -> Baseline:
    modality, expires = row["modality"], datetime.fromisoformat(row["expires"])
    values, known = _numbers(row["values"], -_MOST, _MOST), _numbers(row["known"], 0.0, 1.0)
    if modality not in MODALITIES or len(values) != len(known) or expires.tzinfo is None:
        raise ValueError("its values do not fit together")
    return Baseline(
        modality=modality,
        model_id=str(row["model_id"]),
        values=values,
        known=known,
        windows=int(row["windows"]),
        expires=expires.isoformat(),
    )


def _numbers(given: Any, low: float, high: float) -> tuple[float, ...]:
    for value in given:
        if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"{value!r} is no number in {low:g} … {high:g}")
    return tuple(float(value) for value in given)
