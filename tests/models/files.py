"""Which backend runs which precision of a package's files."""

from __future__ import annotations

from collections.abc import Mapping

from edge_emo.manifest import ModelPackage

MODULES = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "openvino": "openvino"}
READS: Mapping[str, tuple[str, ...]] = {
    "litert": ("tflite",),
    "onnx": ("onnx",),
    "openvino": ("openvino-ir", "onnx"),
}


def runnable(package: ModelPackage) -> list[tuple[str, str]]:
    """Return the pairs of backend and precision for which the package has a file."""
    return [
        (backend, precision)
        for backend, formats in READS.items()
        for precision in dict.fromkeys(f.precision for f in package.files if f.format in formats)
    ]
