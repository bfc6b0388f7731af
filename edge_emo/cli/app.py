"""The command line: finds the verb, runs it, turns errors into one line, a hint and a code."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from edge_emo.errors import (
    ConfigError,
    DeviceError,
    EdgeEmoError,
    ModelError,
    UnavailableError,
)
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
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed) or OK)
    except EdgeEmoError as error:
        return _report(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return OK


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
    print(f"edge-emo: {kind}{error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    return exit_code(error)
