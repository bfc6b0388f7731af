"""Numbers on the command line, refused where they mean nothing."""

from __future__ import annotations

import argparse

_LONGEST_S = 1e9


def seconds(text: str) -> float:
    """Return a time in seconds, 0 … 1e9.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    value = _number(text)
    if not 0.0 <= value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text} is no time from 0 to {_LONGEST_S:g} s")
    return value


def count(text: str) -> int:
    """Return a whole number, 1 or more.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not text.isascii() or not text.isdecimal() or not 0 < _number(text) < _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
