"""Text, tables and JSON as corpora ship them: BOM, Windows-1252, CRLF, broken rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edge_emo.datasets.findings import Findings
from edge_emo.errors import DatasetError

LFS = b"version https://git-lfs"
_C1 = {code: bytes([code]).decode("cp1252", "replace") for code in range(0x80, 0xA0)}


class Row(NamedTuple):
    """One row of a table, by column name, and where it stands."""

    cells: Mapping[str, str]
    where: str


class Line(NamedTuple):
    """One line of text without its ending, and where it stands."""

    text: str
    where: str


def read_lines(path: Path, findings: Findings) -> Iterator[Line]:
    """Yield the lines of a text file lazily.

    A byte-order mark is dropped; a line that is not UTF-8 is read as Windows-1252 and counted.

    Raises:
        DatasetError: The file cannot be opened, is UTF-16, or is a Git LFS pointer.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        for number, raw in enumerate(file, start=1):
            if number == 1:
                raw = _checked_start(raw, path)
            where = f"{path}:{number}"
            yield Line(_decode(raw.rstrip(b"\r\n"), where, findings), where)


def read_rows(
    path: Path,
    findings: Findings,
    *,
    needs: Sequence[str] = (),
    header: Sequence[str] | None = None,
    delimiter: str = ",",
    quoted: bool = True,
) -> Iterator[Row]:
    """Yield the rows of a delimited file lazily, by column name.

    Column names are stripped; an unnamed first column is called ``index``. A row with fewer
    cells than the needed columns reach, or with more than the header, is counted as broken.

    Args:
        path: The file.
        findings: Where broken rows are counted, with file and line.
        needs: Columns that must be there.
        header: Column names of a file that has no header line.
        delimiter: One character.
        quoted: Whether ``"`` quotes cells.

    Raises:
        DatasetError: A needed column is absent, or the file cannot be read.
    """
    lines = _Counted(read_lines(path, findings))
    reader = _reader(lines, delimiter, quoted)
    names = list(header) if header is not None else _header(reader, path)
    missing = [name for name in needs if name not in names]
    if missing:
        raise DatasetError(
            f"{path}:1: has no column {missing[0]!r}", hint=f"its columns: {', '.join(names)}"
        )
    least = max((names.index(name) + 1 for name in needs), default=len(names))
    while True:
        first = lines.count + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            findings.add("broken", f"{path}:{first}", str(error))
            continue
        if not cells:
            continue
        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()
        if len(cells) < least or len(cells) > len(names):
            findings.add("broken", f"{path}:{first}", f"{len(cells)} cells for {len(names)}")
        else:
            yield Row(dict(zip(names, cells, strict=False)), f"{path}:{first}")


def sniff_delimiter(path: Path, findings: Findings, choices: str = ",;\t|") -> str:
    """Return the delimiter that occurs most often in the first line."""
    first = next(iter(read_lines(path, findings)), Line("", "")).text
    return max(choices, key=first.count)


def read_json(path: Path, findings: Findings) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: It is no JSON; the message names file and line.
    """
    text = "\n".join(line.text for line in read_lines(path, findings))
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not JSON: {error}") from error


def repair(text: str) -> str:
    """Return ``text`` with C1 control characters read as Windows-1252, as they were meant."""
    return text.translate(_C1)


class _Counted:
    """The texts of lines, with the number of those handed out."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += 1
        return line.text.replace("\x00", "") + "\n"


def _reader(lines: _Counted, delimiter: str, quoted: bool) -> Iterator[list[str]]:
    if quoted:
        return csv.reader(lines, delimiter=delimiter)
    return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)


def _header(reader: Iterator[list[str]], path: Path) -> list[str]:
    try:
        names = [name.strip().strip('"').strip() for name in next(reader)]
    except StopIteration:
        raise DatasetError(f"{path}: is empty") from None
    while names and not names[-1] and len(names) > 1:
        names.pop()
    return [name or ("index" if number == 0 else f"_{number}") for number, name in enumerate(names)]


def _checked_start(raw: bytes, path: Path) -> bytes:
    if raw.startswith(LFS):
        raise DatasetError(f"{path} is a Git LFS pointer, not the file", hint="git lfs pull")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DatasetError(f"{path} is UTF-16", hint="save it as UTF-8")
    return raw.removeprefix(b"\xef\xbb\xbf")


def _decode(raw: bytes, where: str, findings: Findings) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        findings.add("encoding", where)
        return raw.decode("cp1252", errors="replace")
