"""The text of small ``model.toml`` files, packages of one, and packages in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_emo.manifest import DimensionTable, Licence, ModelPackage, TensorSpec, read_package
from edge_emo.manifest.write import to_toml
from edge_emo.types import Modality

FREE: Mapping[str, Any] = {
    "weights": "CC0-1.0",
    "commercial": True,
    "corpora": [{"name": "none", "licence": "CC0-1.0"}],
}
MAPPING = DimensionTable("mapping")


def manifest(name: str, modality: str, **keys: Any) -> str:
    """Return the manifest of a package that anybody may use; ``keys`` are further ones of it."""
    head = {"id": name, "version": "1.0.0", "modality": modality, "summary": "for tests"}
    return to_toml({**head, "licence": FREE, **keys})


def estimator_manifest(name: str, modality: str, **keys: Any) -> str:
    """Return a manifest of the task "estimate"; ``keys`` come in place of those below."""
    common = {
        "calibration": {"temperature": 1.0},
        "dimensions": {"source": "mapping"},
        "fusion": {"reliability": 0.5},
    }
    return manifest(name, modality, **{**common, **keys})


def tensor(
    name: str, shape: Sequence[int], layout: str, dtype: str = "float32", **keys: Any
) -> dict[str, Any]:
    """Return a row of ``[[inputs]]`` or ``[[outputs]]``."""
    return {"name": name, "shape": list(shape), "layout": layout, "dtype": dtype, **keys}


def absent_file(path: str = "model.onnx", precision: str = "float32") -> dict[str, Any]:
    """Return a row of ``[[files]]`` for a file that no test opens."""
    kind = Path(path).suffix.removeprefix(".")
    return {"path": path, "format": kind, "precision": precision, "bytes": 1, "sha256": "0" * 64}


def package_in(folder: Path, text: str) -> ModelPackage:
    """Write a manifest alone into a folder, made where it is missing, and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(text, encoding="utf-8")
    return read_package(folder)


def bare_package(
    name: str,
    modality: Modality,
    *outputs: TensorSpec,
    dimensions: DimensionTable = MAPPING,
) -> ModelPackage:
    """Return a package without files and inputs, in memory alone."""
    return ModelPackage(
        folder=Path(name),
        id=name,
        version="1",
        modality=modality,
        default=False,
        summary="for tests",
        licence=Licence("anything", commercial=True, corpora=()),
        files=(),
        inputs=(),
        outputs=outputs,
        features={},
        temperature=1.0,
        dimensions=dimensions,
        reliability=0.5,
    )


def labelled(name: str, labels: tuple[str, ...]) -> TensorSpec:
    """Return an output that has one value for each label."""
    return TensorSpec(name, (1, len(labels)), "NC", "float32", labels=labels)
