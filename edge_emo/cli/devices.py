"""List the devices that are attached, each with the address to paste."""

from __future__ import annotations

import argparse
import dataclasses
import json

from edge_emo.cli.app import DEVICE, OK
from edge_emo.drivers.base import DeviceEntry
from edge_emo.errors import DeviceError, UnavailableError
from edge_emo.registry import DRIVERS
from edge_emo.say import say

HELP = "list attached devices and their addresses"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb; fails when a driver could not look, after the others have."""
    failed = False
    for name in DRIVERS.names():
        try:
            entries: list[DeviceEntry] = DRIVERS.load(name).devices()
        except (UnavailableError, DeviceError) as error:
            say(f"{name}: {error.message}; hint: {error.hint}")
            failed = failed or isinstance(error, DeviceError)
            continue
        for entry in entries:
            print(_line(entry, as_json=arguments.json))
    return DEVICE if failed else OK


def _line(entry: DeviceEntry, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(dataclasses.asdict(entry))
    return f"--{entry.kind:<11} {entry.address:<36} {entry.description}"
