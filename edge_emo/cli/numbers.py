"""Numbers on the command line, refused where they mean nothing."""

from __future__ import annotations

import argparse

_LONGEST_S = 1e9
_SLOWEST, _FASTEST = 1e-3, 1e6
_MOST_PPM = 1e5


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


def seed(text: str) -> int:
    """Return a whole number, 0 or more.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    return 0 if text == "0" else count(text)


def speed(text: str) -> float:
    """Return a multiple of real time, 0.001 … 1e6; or 0 for at once.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    value = _number(text)
    if value != 0.0 and not _SLOWEST <= value <= _FASTEST:
        raise argparse.ArgumentTypeError(f"{text} is no speed: 0, or {_SLOWEST:g} to {_FASTEST:g}")
    return value


def parts_per_million(text: str) -> float:
    """Return how much faster a clock runs, −1e5 … 1e5.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    value = _number(text)
    if not -_MOST_PPM <= value <= _MOST_PPM:
        raise argparse.ArgumentTypeError(
            f"{text} is no number from -{_MOST_PPM:g} to {_MOST_PPM:g}"
        )
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
