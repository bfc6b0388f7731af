"""What is compiled: the float file of a package, or one beside a manifest of the user's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_emo.compile.graph import Graph, check_source
from edge_emo.compile.targets import TARGETS
from edge_emo.errors import ModelError
from edge_emo.manifest import MANIFEST, ModelFile, ModelPackage, open_package, read_package
from edge_emo.manifest.write import file_entry, read_table, to_toml


@dataclass(frozen=True, slots=True)
class Source:
    """A float model with its manifest.

    Attributes:
        package: As its manifest describes it.
        file: The float ONNX file.
        graph: The network.
        table: ``model.toml`` as it is written.
    """

    package: ModelPackage
    file: ModelFile
    graph: Graph
    table: dict[str, Any]

    @property
    def path(self) -> Path:
        """Where the float file is."""
        return self.package.path(self.file)


def open_source(model: str, work: Path, folders: Sequence[str | Path] = ()) -> Source:
    """Find and check what is to be compiled.

    Args:
        model: Id of a package, or its folder; or an ONNX file beside a ``model.toml``, whose
            ``[[files]]`` may be missing.
        work: Folder for a copy of such a file.
        folders: The user's own folders of packages.

    Raises:
        ModelError: There is no such model, or it has no float ONNX file.
        ModelMismatchError: A shape is dynamic, or not as the manifest says.
    """
    path = Path(model)
    if path.suffix == ".onnx":
        package = read_package(_package_around(path, work))
    else:
        package = open_package(model, folders)
    file = float_file(package)
    return Source(
        package, file, check_source(package, package.verify(file)), read_table(package.folder)
    )


def float_file(package: ModelPackage) -> ModelFile:
    """Return the float ONNX file of a package.

    Raises:
        ModelError: It has none.
    """
    files = [file for file in package.files if file.format == "onnx" and not file.target]
    if not files:
        have = ", ".join(sorted({file.format for file in package.files}))
        raise ModelError(
            f"model package {package.id} has no float ONNX file to compile: it has {have}",
            hint="name the .onnx file that it was made from",
        )
    return files[0]


def _package_around(path: Path, work: Path) -> Path:
    """Return a folder that holds the file as a package, with the manifest beside it."""
    beside = path.with_name(MANIFEST)
    if not path.is_file() or not beside.is_file():
        missing = beside if path.is_file() else path
        raise ModelError(
            f"{missing} does not exist",
            hint=f"write the manifest beside the .onnx file as {MANIFEST}: "
            "see docs/guides/own-model.md",
        )
    table = read_table(path.parent)
    name = re.sub(r"[^a-z0-9._-]", "", str(table.get("id", "")))[:200].strip(".")
    folder = work / "source" / (name or "unnamed")  # read_package names an id that is none
    folder.mkdir(parents=True)
    shutil.copy(path, folder / "model.onnx")
    table["files"] = [file_entry(folder / "model.onnx", "onnx")]
    (folder / MANIFEST).write_text(to_toml(table), encoding="utf-8")
    for name in ("card.md", "metrics.json"):
        if path.with_name(name).is_file():
            shutil.copy(path.with_name(name), folder / name)
    return folder


def target_of(file: ModelFile) -> str:
    """Return the target that a file was compiled for; empty of the float ONNX file."""
    if file.target:
        return file.target
    by_format = {
        target.format: target.name for target in TARGETS.values() if target.name != "jetson"
    }
    return by_format.get(file.format.replace("-bin", "-ir"), "")
