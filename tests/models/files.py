"""Which backend runs which precision of a package's files."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import pytest

from edge_emo.manifest import ModelPackage
from edge_emo.vendor import VENDORS

MODULES = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "openvino": "openvino"}
READS: Mapping[str, tuple[str, ...]] = {
    "litert": ("tflite",),
    "onnx": ("onnx",),
    "openvino": ("openvino-ir", "onnx"),
}


def need(backend: str) -> None:
    """Skip the test where the backend's package is not installed."""
    module = MODULES[backend]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}: {VENDORS[module].install}")


def runnable(package: ModelPackage) -> list[tuple[str, str]]:
    """Return the pairs of backend and precision for which the package has a file."""
    return [
        (backend, precision)
        for backend, formats in READS.items()
        for precision in dict.fromkeys(f.precision for f in package.files if f.format in formats)
    ]
