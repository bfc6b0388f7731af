"""Options that would change nothing are wrong usage, not ignored."""

from __future__ import annotations

import argparse

from edge_emo.errors import ConfigError


def refuse(arguments: argparse.Namespace, names: str, where: str, hint: str) -> None:
    """Refuse options that were given where they say nothing.

    Args:
        arguments: What was parsed; an option that was not given is None, False or an empty list.
        names: Words as they are written, ``folder`` or ``--rate``, with spaces between.
        where: Such as ``with --autotune``.
        hint: What to write instead.

    Raises:
        ConfigError: One of them was given.
    """
    for name in names.split():
        given = getattr(arguments, name.removeprefix("--").replace("-", "_"))
        if not (given is None or given is False or given == []):
            raise ConfigError(f"{name} says nothing {where}", hint=hint)
