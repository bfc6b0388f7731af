"""Rows of figures as aligned columns for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def columns(names: Mapping[str, str], rows: Sequence[Mapping[str, Any]], indent: str = "") -> str:
    """Return a heading and a line for each row; columns that no row fills are left out.

    Args:
        names: Key of each column → its heading, in order. The last one is not padded.
        rows: Values by key; None and an empty text fill nothing. Numbers stand at the right.
        indent: Before each line.
    """
    texts = [{key: _text(row.get(key)) for key in names} for row in rows]
    kept = {key: name for key, name in names.items() if any(row[key] for row in texts)}
    right = {key for key in kept if any(_is_number(row.get(key)) for row in rows)}
    lines = [kept, *texts]
    widths = {key: max(len(line[key]) for line in lines) for key in kept}
    if not kept:
        return ""
    return "\n".join(indent + _line(line, widths, right).rstrip() for line in lines)


def _line(line: Mapping[str, str], widths: Mapping[str, int], right: set[str]) -> str:
    return "  ".join(
        line[key].rjust(width) if key in right else line[key].ljust(width)
        for key, width in widths.items()
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)
