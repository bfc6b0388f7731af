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

from edge_emo.cli.columns import columns
from edge_emo.cli.compile import table
from edge_emo.cli.refuse import refuse
from edge_emo.compile import read_figures
from edge_emo.errors import ConfigError
from edge_emo.manifest import (
    ModelFile,
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

_PACKAGE = {
    "id": "package",
    "modality": "modality",
    "default": "",
    "use": "licence",
    "summary": "what it tells",
}
_FILE = {"path": "file", "precision": "precision", "kb": "kB"}
_METRIC = {
    "n": "clips",
    "accuracy": "accuracy",
    "unweighted_average_recall": "recall",
    "macro_f1": "macro F1",
    "expected_calibration_error": "calibration error",
    "backend": "backend",
    "precision": "precision",
    "split": "split",
}
_DETECTION = {
    "n": "faces",
    "recall": "recall",
    "false_per_image": "false alarms a picture",
    "landmark_error": "landmark error",
    "backend": "backend",
    "precision": "precision",
    "split": "split",
}
_BACKEND = {
    "backend": "backend",
    "version": "version",
    "file": "file",
    "precision": "precision",
    "measured": "measured",
    "verdict": "verdict",
    "reason": "reason",
}
_SHOW = "edge-emo models show ID"
_VERIFY = "edge-emo models verify [ID] [--trust FILE]"
_SIGN = "edge-emo models sign ID --key FILE"
_KEYGEN = "edge-emo models keygen FILE"
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
    refuse(arguments, "--key --trust", "where nothing is signed or verified", _SHOW)
    packages = _packages(arguments, names)
    if arguments.json:
        print("\n".join(json.dumps(_plain(package)) for package in packages))
    elif names:
        print("\n\n".join(map(_details, packages)))
    else:
        print(columns(_PACKAGE, [_row(package) for package in packages]))


def _verify(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    refuse(arguments, "--key", "where nothing is signed", _VERIFY)
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
            hint=_SIGN,
        )
    refuse(arguments, "--trust", "where nothing is verified", _SIGN)
    key = read_private_key(arguments.key)
    for package in _packages(arguments, names):
        for file in package.files:
            package.verify(file)
        sign_package(package.folder, key)
        found = {"package": package.id, "key": key.id}
        words = f"{package.id}: signed with key {key.id}"
        print(json.dumps(found) if arguments.json else words)


def _keygen(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    if len(names) != 1:
        raise ConfigError("keygen takes the file of the private key", hint=_KEYGEN)
    refuse(arguments, "--folder --key --trust", "where a key is made", _KEYGEN)
    public = write_key_pair(Path(names[0]))
    found = {"key": public.id, "private": names[0], "public": str(public.source)}
    words = f"key {public.id}: keep {names[0]} to yourself, give {public.source} to your devices"
    print(json.dumps(found) if arguments.json else words)


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


def _row(package: ModelPackage) -> dict[str, str]:
    return {
        "id": package.id,
        "modality": package.modality,
        "default": "default" if package.default else "",
        "use": "commercial use" if package.licence.commercial else "research only",
        "summary": package.summary,
    }


def _details(package: ModelPackage) -> str:
    """Return what a package is, then its tables: files, figures, candidates, backends here."""
    row = _row(package)
    head = [", ".join(filter(None, list(row.values())[:4])), f"  {package.summary}"]
    parts: list[tuple[str, str]] = [
        ("files", columns(_FILE, [_file_row(file) for file in package.files], "  ")),
        ("measured", _measured(_METRIC, package.metrics)),
        ("measured", _measured(_DETECTION, package.detection)),
        ("compiled", table(read_figures(package.folder), "  ")),
        ("backends here", columns(_BACKEND, explain(package), "  ")),
    ]
    tables = [f"{title}\n{text}" for title, text in parts if text]
    return "\n".join([*head, f"  weights: {package.licence.weights}", *tables])


def _measured(names: Mapping[str, str], rows: Sequence[Any]) -> str:
    return columns(names, [dataclasses.asdict(row) for row in rows], "  ")


def _file_row(file: ModelFile) -> dict[str, Any]:
    return {"path": file.path, "precision": file.precision, "kb": round(file.bytes / 1e3, 1)}


def _plain(package: ModelPackage) -> Mapping[str, Any]:
    values = dataclasses.asdict(package)
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
