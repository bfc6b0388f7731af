"""Numbers of a package's ``[features]``, as the dataclass that takes them wants them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def odd_number(kind: type[Any], values: Mapping[str, Any]) -> str:
    """Return what is wrong with the first number that does not fit, in words, or nothing.

    Args:
        kind: A dataclass whose fields are annotated; only ``int`` and ``float`` are looked at.
        values: By name of the field; those that are no field are passed over.
    """
    kinds = {field.name: field.type for field in fields(kind)}
    for name, value in values.items():
        if kinds.get(name) == "int" and type(value) is not int:
            return f"{name} = {value!r} is no whole number"
        if kinds.get(name) == "float" and not is_finite(value):
            return f"{name} = {value!r} is no number"
    return ""


def is_finite(value: Any) -> bool:
    """Tell a finite number from everything else."""
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST and not math.isnan(value)


_LARGEST = 10**300  # a larger integer may be no number
