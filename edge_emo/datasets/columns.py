"""Column-mapping files: how a delivery of unknown layout is told to an adapter.

::

    table = "dataset_info.csv"      # relative to the corpus's folder
    delimiter = ";"                 # sniffed when absent

    [columns]                       # what is read: the table's column
    path = "file"
    label = "emotion"
    speaker = "set_id"
    text = "text"

    [labels]                        # a cell or code: the corpus's label
    "0001" = "happy"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from edge_emo.datasets.tables import sniff_delimiter
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import ConfigError
from edge_emo.vendor import toml

_KEYS = ("table", "delimiter", "columns", "labels")
_COLUMNS = ("path", "label", "speaker", "text", "gender", "age", "language", "split")


class Mapped(NamedTuple):
    """A column-mapping file."""

    table: str
    delimiter: str
    columns: Mapping[str, str]
    labels: Mapping[str, str]


def read_mapping(path: Path) -> Mapped:
    """Read a column-mapping file.

    Raises:
        ConfigError: It cannot be read, is no TOML, or has a key that is none of those above.
    """
    reader = toml()
    try:
        values = cast("dict[str, Any]", reader.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no column-mapping file: {error}") from error
    _refuse(values, _KEYS, path, "")
    columns = values.get("columns", {})
    _refuse(columns, _COLUMNS, path, "columns.")
    return Mapped(
        values.get("table", ""), values.get("delimiter", ""), columns, values.get("labels", {})
    )


def table_items(tree: Tree, mapped: Mapped) -> Iterator[Item]:
    """Yield one voice clip a row of the mapped table.

    Raises:
        ConfigError: The mapping names no table or no column for path and label.
        DatasetError: The table is not there or lacks a column.
    """
    if not mapped.table or not {"path", "label"} <= set(mapped.columns):
        raise ConfigError("the mapping needs table, columns.path and columns.label")
    table = tree.need(mapped.table)
    delimiter = mapped.delimiter or sniff_delimiter(table, tree.findings)
    for row in tree.rows(table, delimiter=delimiter, needs=tuple(mapped.columns.values())):
        cells = {key: row.cells[column].strip() for key, column in mapped.columns.items()}
        path = tree.held(cells["path"].replace("\\", "/"), row.where)
        if path is None:
            continue
        about = {key: cells[key] for key in ("gender", "age") if cells.get(key)}
        fields: dict[str, Any] = {
            key: cells[key] or None for key in ("text", "language", "split") if key in cells
        }
        yield tree.item(
            "voice",
            path.rpartition(".")[0],
            path,
            native=mapped.labels.get(cells["label"], cells["label"]),
            where=row.where,
            speaker=cells.get("speaker"),
            about=about,
            **fields,
        )


def _refuse(values: Mapping[str, Any], known: tuple[str, ...], path: Path, prefix: str) -> None:
    for key in values:
        if key not in known:
            raise ConfigError(
                f"{path}: unknown key {prefix}{key}", hint=f"known keys: {', '.join(known)}"
            )
