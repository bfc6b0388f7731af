"""The command line of a body model's script: verbs that share the data they read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Verb = Callable[[argparse.Namespace], None]
Options = Callable[[argparse.ArgumentParser, str], None]


def run_verb(doc: str, verbs: Mapping[str, Verb], options: Options, data: str, kept: str) -> None:
    """Parse the command line and run its verb, on one thread.

    Args:
        doc: What the script does; the first paragraph is its help.
        verbs: By name; the first line of each one's docstring is its help.
        options: Adds the options that only some verbs take, to the parser of one by its name.
        data: Name of the file of ``--data``.
        kept: What ``--cache`` keeps.
    """
    parser = argparse.ArgumentParser(description=doc.split("\n\n")[0])
    parsers = parser.add_subparsers(required=True)
    for name, verb in verbs.items():
        one = parsers.add_parser(name, help=(verb.__doc__ or "").splitlines()[0])
        one.set_defaults(verb=verb)
        one.add_argument("--data", type=Path, required=True, help=data)
        one.add_argument("--cache", type=Path, help=f"where to keep the {kept}")
        if name == "manifest":
            one.add_argument("--out", type=Path, required=True)
        options(one, name)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.verb(args)
