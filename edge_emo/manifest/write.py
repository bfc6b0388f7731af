"""From a table to the text of ``model.toml``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_emo.errors import ModelError, ModelNotFoundError
from edge_emo.files import read_regular
from edge_emo.manifest.values import MANIFEST, REINSTALL
from edge_emo.vendor import toml as reader


def read_table(folder: Path) -> dict[str, Any]:
    """Return ``model.toml`` as it is written, unchecked.

    Raises:
        ModelNotFoundError: There is none, or it is no regular file.
        ModelError: It is not TOML.
    """
    path, toml = folder / MANIFEST, reader()
    try:
        table: dict[str, Any] = toml.loads(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise ModelNotFoundError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not TOML: {error}", hint=REINSTALL) from error
    return table


def to_toml(table: Mapping[str, Any]) -> str:
    """Return a table as TOML: scalars, lists, nested tables, lists of tables at the top."""
    return "\n".join(_lines(table, "")).strip() + "\n"


def file_entry(path: Path, kind: str, precision: str = "float32") -> dict[str, Any]:
    """Return the row of a file for ``[[files]]`` of ``model.toml``."""
    content = path.read_bytes()
    return {
        "path": path.name,
        "format": kind,
        "precision": precision,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _lines(table: Mapping[str, Any], prefix: str) -> list[str]:
    flat, tables, lists = [], [], []
    for key, value in table.items():
        if isinstance(value, Mapping):
            tables.append((key, value))
        elif not prefix and isinstance(value, (list, tuple)) and value and _all_tables(value):
            lists.append((key, value))
        else:
            flat.append(f"{_key(key)} = {_value(value)}")
    for key, value in tables:
        flat += ["", f"[{prefix}{_key(key)}]", *_lines(value, f"{prefix}{_key(key)}.")]
    for key, rows in lists:
        for row in rows:
            flat += ["", f"[[{_key(key)}]]", *_lines(row, f"{_key(key)}.")]
    return flat


def _all_tables(values: Sequence[Any]) -> bool:
    return all(isinstance(value, Mapping) for value in values)


def _key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "").isalnum() and key.isascii()
    return key if bare else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if hasattr(value, "item"):  # a NumPy scalar
        return _value(value.item())
    if isinstance(value, float):  # nan and inf are written otherwise than in JSON
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
