"""The command line: finds the verb, runs it, turns errors into one line, a hint and a code."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from edge_emo.errors import (
    ConfigError,
    DeviceError,
    EdgeEmoError,
    ModelError,
    UnavailableError,
)
from edge_emo.say import leave, say
from edge_emo.version import __version__

VERBS = (
    "devices",
    "doctor",
    "run",
    "demo",
    "record",
    "replay",
    "models",
    "compile",
    "bench",
    "evaluate",
    "bridge",
    "datasets",
)
"""Verbs in the order of the help; each is a module of this package."""

OK, FAILED, USAGE, DEVICE, MODEL = 0, 1, 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Words after the program's name; ``sys.argv`` when None.

    Returns:
        0 done, 1 failed, 2 wrong usage, 3 a device failed, 4 a model failed.
    """
    _fill_streams()
    code = OK
    try:
        try:
            code = _run(arguments)
        finally:
            sys.stdout.flush()  # what cannot be written is told here, not by the interpreter's exit
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        leave_stdout()
    except OSError as error:
        say(f"edge-emo: {error}")
        leave_stdout()
        return code or FAILED
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        parsed = build_parser().parse_args(arguments)
        return int(parsed.run(parsed) or OK)
    except EdgeEmoError as error:
        return _report(error)


def leave_stdout() -> None:
    """Keep the interpreter from flushing into what cannot be written when it exits."""
    try:
        sys.stdout.flush()
    except OSError:  # told already
        leave(sys.stdout)


def _fill_streams() -> None:
    """Open what the caller closed (``>&-``), and let no letter be too odd for a terminal.

    The first file that is opened would become what was closed, and get what is printed.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (handle := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
            pass
        os.close(handle)
        sys.stdin = sys.stdin or os.fdopen(0)
        sys.stdout = sys.stdout or os.fdopen(1, "w")
        sys.stderr = sys.stderr or os.fdopen(_STDERR, "w")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


_STDERR = 2


def exit_code(error: EdgeEmoError) -> int:
    """Return the exit status that stands for ``error``."""
    if isinstance(error, ConfigError):
        return USAGE
    if isinstance(error, DeviceError):
        return DEVICE
    return MODEL if isinstance(error, ModelError) else FAILED


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every verb."""
    parser = argparse.ArgumentParser(
        prog="edge-emo",
        description="Estimate expressed and felt emotion on this device.",
        epilog="Exit status: 0 done, 1 failed, 2 wrong usage, 3 device, 4 model.",
    )
    parser.add_argument("--version", action="version", version=f"edge-emo {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name in VERBS:
        module = importlib.import_module(f"edge_emo.cli.{name}")
        verb = verbs.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    return parser


def _report(error: EdgeEmoError) -> int:
    kind = "missing: " if isinstance(error, UnavailableError) else ""
    say(f"edge-emo: {kind}{error.message}")
    if error.hint:
        say(f"hint: {error.hint}")
    return exit_code(error)
