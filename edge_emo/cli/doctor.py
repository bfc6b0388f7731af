"""Say which backends, drivers, sinks and models work here, and what mends the others."""

from __future__ import annotations

import argparse
import dataclasses
import json

from edge_emo.doctor import Finding, examine

HELP = "say what works here and how to mend the rest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb; fails when nothing could be estimated here."""
    backends = 0
    for finding in examine():
        print(json.dumps(dataclasses.asdict(finding)) if arguments.json else _line(finding))
        backends += finding.part == "backend" and finding.works
    return 0 if backends else 1


def _line(finding: Finding) -> str:
    mark = "ok  " if finding.works else "no  "
    line = f"{mark}{finding.part:<11}{finding.name:<28}{finding.detail}"
    return f"{line}\n    hint: {finding.hint}" if finding.hint else line
