"""Reading comma-separated recordings: a line of names, then one line per sample."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edge_emo.errors import DeviceError


def read_rows(path: Path, needed: Sequence[str], hint: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells by name of each line after the header.

    Args:
        path: The file.
        needed: Columns without which it is another format.
        hint: What file to give instead.

    Raises:
        DeviceError: It is no such table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            names = table.fieldnames or []
            missing = [name for name in needed if name not in names]
            if missing:
                raise DeviceError(f"{path.name} has no column {missing[0]!r}", hint=hint)
            for row in table:
                yield table.line_num, row
    except (OSError, ValueError, csv.Error) as error:
        raise DeviceError(f"{path.name} cannot be read: {error}", hint=hint) from error


def numbers(
    path: Path, line: int, row: Mapping[str, str | None], names: Sequence[str]
) -> list[float]:
    """Return the cells of a line as numbers; empty ones are not a number.

    Raises:
        DeviceError: A cell is something else, or the line is cut off.
    """
    values = []
    for name in names:
        cell = row.get(name)
        if cell is None:
            raise DeviceError(
                f"{path.name}, line {line}: it ends before {name}",
                hint="if the recording was cut off there, delete that line",
            )
        try:
            values.append(float(cell) if cell.strip() else float("nan"))
        except ValueError as error:
            raise DeviceError(f"{path.name}, line {line}: {name}: {error}") from error
    return values
