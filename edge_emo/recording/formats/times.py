"""The index beside a stream's file: one line of whole numbers per chunk, in CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_emo.recording.files import DurableFile, damage, lines


class TimesWriter:
    """Writes an index.

    Args:
        path: A new file.
        columns: Names, the first line of the file.

    Raises:
        RecordingError: The file cannot be created.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.file = DurableFile(path)
        self.file.append((",".join(columns) + "\n").encode())

    def add(self, *values: int) -> None:
        """Write one line."""
        self.file.append((",".join(map(str, values)) + "\n").encode())


def read_times(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the line number and the values of each line.

    Raises:
        TruncatedError: The last line is cut, or the file is missing.
        RecordingError: A line does not fit ``columns``.
    """
    for number, line in lines(path):
        if number == 1:
            if line != ",".join(columns):
                raise damage(path, 1, f"the columns are not {','.join(columns)}")
            continue
        yield number, _values(path, number, line, len(columns))


def _values(path: Path, number: int, line: str, count: int) -> tuple[int, ...]:
    try:
        values = tuple(map(int, line.split(",")))
    except ValueError:
        raise damage(path, number, "not whole numbers") from None
    if len(values) != count:
        raise damage(path, number, f"{len(values)} values instead of {count}")
    return values
