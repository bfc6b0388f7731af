"""List the model packages, or show one: files, licences, measured figures, what runs it here."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_emo.manifest import ModelPackage, find_package, list_packages
from edge_emo.runtime.choose import explain

HELP = "list model packages, or show one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("model", nargs="?", help="package id or modality")
    parser.add_argument("--folder", action="append", default=[], help="more package folders")
    parser.add_argument("--verify", action="store_true", help="check every file's SHA-256")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    packages = (
        [find_package(arguments.model, arguments.folder)]
        if arguments.model
        else list_packages(arguments.folder)
    )
    for package in packages:
        if arguments.verify:
            for file in package.files:
                package.verify(file)
        print(json.dumps(_plain(package)) if arguments.json else _line(package))
        if arguments.model and not arguments.json:
            print(_details(package))
    return 0


def _line(package: ModelPackage) -> str:
    default = "default" if package.default else ""
    use = "commercial use" if package.licence.commercial else "research only"
    return f"{package.id:<24} {package.modality:<7} {default:<8} {use:<15} {package.summary}"


def _details(package: ModelPackage) -> str:
    lines = [f"  weights: {package.licence.weights}"]
    lines += [
        f"  {file.path:<20} {file.precision:<8} {file.bytes / 1e3:8.1f} kB"
        for file in package.files
    ]
    lines += [f"  measured: {_figures(row)}" for row in (*package.metrics, *package.detection)]
    lines += [f"  {_verdict(row)}" for row in explain(package)]
    return "\n".join(lines)


def _verdict(row: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in row.items() if value)


def _figures(metric: Any) -> str:
    values = dataclasses.asdict(metric)
    return ", ".join(
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    )


def _plain(package: ModelPackage) -> Mapping[str, Any]:
    values = dataclasses.asdict(package)
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
