"""List model packages, show one, check or make their signatures.

edge-emo models, edge-emo models show ID, edge-emo models verify [ID ...],
edge-emo models sign ID ... --key FILE, edge-emo models keygen FILE
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_emo.compile import read_figures
from edge_emo.errors import ConfigError
from edge_emo.manifest import (
    ModelPackage,
    list_packages,
    open_package,
    read_keys,
    read_private_key,
    shipped_keys,
    sign_package,
    verify_package,
    write_key_pair,
)
from edge_emo.runtime.choose import explain

HELP = "list, show, verify or sign model packages"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[show|verify|sign|keygen] NAME",
        help="package ids, modalities or folders; of keygen, the file of the private key",
    )
    parser.add_argument("--folder", action="append", default=[], help="more package folders")
    parser.add_argument("--key", metavar="FILE", help="sign: the private key")
    parser.add_argument(
        "--trust", action="append", default=[], metavar="FILE", help="verify: one more public key"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    words = arguments.words
    action = _ACTIONS.get(words[0]) if words else None
    if action is not None:
        action(arguments, words[1:])
    else:
        _show(arguments, words)
    return 0


def _show(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    for package in _packages(arguments, names):
        print(json.dumps(_plain(package)) if arguments.json else _line(package))
        if names and not arguments.json:
            print(_details(package))


def _verify(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    keys = (*shipped_keys(), *read_keys(arguments.trust))
    for package in _packages(arguments, names):
        verify_package(package.folder, keys)
        for file in package.files:
            package.verify(file)
        found = {"package": package.id, "signed": True, "files": len(package.files)}
        print(json.dumps(found) if arguments.json else f"{package.id}: signed and unaltered")


def _sign(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    if not names or arguments.key is None:
        raise ConfigError(
            "sign takes the packages and a private key",
            hint="edge-emo models sign ID --key FILE",
        )
    key = read_private_key(arguments.key)
    for package in _packages(arguments, names):
        for file in package.files:
            package.verify(file)
        sign_package(package.folder, key)
        print(f"{package.id}: signed with key {key.id}")


def _keygen(_: argparse.Namespace, names: Sequence[str]) -> None:
    if len(names) != 1:
        raise ConfigError(
            "keygen takes the file of the private key", hint="edge-emo models keygen FILE"
        )
    public = write_key_pair(Path(names[0]))
    print(f"key {public.id}: keep {names[0]} to yourself, give {public.source} to your devices")


_ACTIONS: Mapping[str, Callable[[argparse.Namespace, Sequence[str]], None]] = {
    "show": _show,
    "verify": _verify,
    "sign": _sign,
    "keygen": _keygen,
}


def _packages(arguments: argparse.Namespace, names: Sequence[str]) -> list[ModelPackage]:
    """Return the packages of the names, each an id, a modality or a folder; of none, all."""
    named = [open_package(name, arguments.folder) for name in names]
    return named or list_packages(arguments.folder)


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
    lines += [f"  {_candidate(row)}" for row in read_figures(package.folder)]
    lines += [f"  {_verdict(row)}" for row in explain(package)]
    return "\n".join(lines)


def _candidate(row: Mapping[str, Any]) -> str:
    """Return one candidate of a compilation, kept or rejected, with its figures and reason."""
    verdict = "rejected" if row.get("reason") else "compiled"
    head = f"{verdict}: {row['target']} {row['kind']}"
    rest = {key: value for key, value in row.items() if key not in ("target", "kind")}
    return ", ".join([head, *(f"{key} {_word(value)}" for key, value in rest.items())])


def _word(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


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
