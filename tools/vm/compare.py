"""Comparing what two machines say of the same clips; the rows are those of ``guest/estimate.py``.

Nothing is compared with stored figures: both machines run what the wheel holds today.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]
Rows = dict[tuple[str, str, str, str], Row]
"""Rows by package, backend, file and clip; the clip is empty where the file does not run."""

TOLERANCE = 0.02
"""Of a posterior, of a dimension, and of a detector's score."""
_SHARE = 0.02
"""Of a box's place and size and of landmarks, as a share of the box's width."""
_SCORE, _WIDTH = 0, 3
"""Where a face's row has them: score, x, y, width, height, then x and y of each landmark."""


def read_rows(text: str) -> Rows:
    """Return the rows of JSON lines."""
    found = [json.loads(line) for line in text.splitlines()]
    return {(r["package"], r["backend"], r["file"], r.get("clip", "")): r for r in found}


def differences(here: Rows, there: Rows) -> list[str]:
    """Return what differs by more than is allowed, one sentence each."""
    apart = [f"{' '.join(key)}: on one machine only" for key in sorted(here.keys() ^ there.keys())]
    for key in sorted(here.keys() & there.keys()):
        problem = _problem(here[key], there[key])
        apart += [f"{' '.join(key)}: {problem}"] if problem else []
    return apart


def figures(here: Rows, there: Rows) -> Iterator[str]:
    """Yield, for each file and backend, how many clips were compared and the widest distance."""
    widest: dict[tuple[str, ...], list[float]] = {}
    for key in here.keys() & there.keys():
        if "reason" not in here[key]:
            widest.setdefault(key[:3], []).append(_distance(here[key], there[key]))
    for names, values in sorted(widest.items()):
        yield f"{' '.join(names)}: {len(values)} clips, widest difference {max(values):.1e}"


def _problem(here: Row, there: Row) -> str:
    if "reason" in here or "reason" in there:
        return "" if "reason" in here and "reason" in there else f"runs once only: {here} {there}"
    if "faces" in here:
        return _problem_of_faces(here["faces"], there["faces"])
    if (here["posterior"] is None) != (there["posterior"] is None):
        return f"abstains once only: {here['abstained']} or {there['abstained']}"
    if here["posterior"] and _top(here) != _top(there):
        return f"{_top(here)} here, {_top(there)} there"
    distance = _distance(here, there)
    return f"differs by {distance:.4f}" if distance > TOLERANCE else ""


def _problem_of_faces(here: list[list[float]], there: list[list[float]]) -> str:
    if len(here) != len(there):
        return f"{len(here)} faces here, {len(there)} there"
    for one, other in zip(here, there, strict=True):
        allowed = [TOLERANCE] + [_SHARE * one[_WIDTH]] * (len(one) - 1)
        if any(abs(a - b) > most for a, b, most in zip(one, other, allowed, strict=True)):
            return f"{one} here, {other} there"
    return ""


def _top(row: Row) -> str:
    posterior: Mapping[str, float] = row["posterior"]
    return max(posterior, key=lambda label: posterior[label])


def _distance(here: Row, there: Row) -> float:
    return max((abs(a - b) for a, b in _pairs(here, there)), default=0.0)


def _pairs(here: Row, there: Row) -> Iterator[tuple[float, float]]:
    """Yield what must be alike: scores of faces, or probabilities by label and dimensions."""
    for one, other in zip(here.get("faces", ()), there.get("faces", ()), strict=False):
        yield one[_SCORE], other[_SCORE]
    ours, theirs = here.get("posterior") or {}, there.get("posterior") or {}
    for label in ours:
        yield ours[label], theirs[label]
    for name in ("valence", "arousal"):
        if here.get(name) is not None and there.get(name) is not None:
            yield here[name], there[name]
