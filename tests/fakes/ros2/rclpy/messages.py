"""What the classes that ROS 2 generates out of .msg files do."""

from __future__ import annotations

from typing import Any, ClassVar


class Message:
    """Fields of fixed types, each with a default; other fields and types are refused."""

    fields: ClassVar[dict[str, Any]] = {}

    def __init__(self, **values: Any) -> None:
        for name, default in self.fields.items():
            setattr(self, name, default() if callable(default) else default)
        for name, value in values.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.fields:
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")
        default = self.fields[name]
        kind = default if isinstance(default, type) else type(default)
        assert isinstance(value, kind), f"the {name!r} field must be of type {kind.__name__}"
        super().__setattr__(name, value)
