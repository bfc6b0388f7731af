"""Strict reading of one TOML table: every key is taken once, and none may be left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from edge_emo.errors import ModelError
from edge_emo.manifest.values import REINSTALL

T = TypeVar("T")


class Table:
    """One table of a manifest, whose keys are taken one by one and then must be used up."""

    def __init__(self, file: Path, name: str, content: Mapping[str, Any]) -> None:
        self._file = file
        self._name = name
        self._rest = dict(content)

    def fail(self, key: str, problem: str, hint: str = "") -> ModelError:
        """Return the error that names this file and this key."""
        where = f"{self._name}.{key}" if self._name else key
        return ModelError(f"{self._file}: {where} {problem}", hint=hint or REINSTALL)

    def take(self, key: str, kind: type[T], check: Callable[[T], bool] | None = None) -> T:
        """Take a key out of the table; an integer passes for a number.

        Raises:
            ModelError: The key is missing, of another type, or ``check`` refuses its value.
        """
        if key not in self._rest:
            raise self.fail(key, "is missing")
        value = self._rest.pop(key)
        if kind is float and type(value) is int and abs(value) < _LARGEST:
            value = float(value)
        if type(value) is not kind:
            raise self.fail(key, f"is {value!r}, which is no {_KIND_WORDS[kind]}")
        if check is not None and not check(value):
            raise self.fail(key, f"= {value!r} is not allowed")
        return value

    def optional(self, key: str, kind: type[T], default: T) -> T:
        """Take a key that may be absent."""
        return self.take(key, kind) if key in self._rest else default

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """Take one of the allowed words."""
        value = self.take(key, str)
        if value not in allowed:
            raise self.fail(key, f"= {value!r} is unknown", f"choose from: {', '.join(allowed)}")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        """Take a list of distinct names that may be absent."""
        values = self.optional(key, list, [])
        if not all(isinstance(value, str) and value for value in values):
            raise self.fail(key, f"= {values!r} is no list of names")
        if len(set(values)) != len(values):
            raise self.fail(key, f"= {values!r} names one twice")
        return tuple(values)

    def table(self, key: str) -> Table:
        """Take a table within this one."""
        return Table(self._file, f"{self._name}.{key}".lstrip("."), self.take(key, dict))

    def tables(self, key: str, *, required: bool = True) -> list[Table]:
        """Take a list of tables, not empty when ``required``."""
        rows: list[Any] = self.take(key, list) if required else self.optional(key, list, [])
        if (required and not rows) or not all(isinstance(row, dict) for row in rows):
            raise self.fail(key, "is no list of tables")
        return [Table(self._file, f"{key}[{i}]", row) for i, row in enumerate(rows)]

    def values(self) -> dict[str, float]:
        """Take everything that is left as numbers in −1 … 1."""
        keys = list(self._rest)
        return {key: self.take(key, float, lambda value: -1.0 <= value <= 1.0) for key in keys}

    def has(self, key: str) -> bool:
        """Tell whether a key is there and not yet taken."""
        return key in self._rest

    def done(self) -> None:
        """Refuse the keys that nobody took."""
        for key in self._rest:
            raise self.fail(key, "is an unknown key", "remove it, or correct its spelling")


_LARGEST = 10**300  # a larger integer may be no number
_KIND_WORDS: Mapping[type, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    list: "list",
    dict: "table",
}
