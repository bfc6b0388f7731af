"""The optional packages: what each is for, which extra brings it, and how to load it.

Nothing here is imported until :func:`load` is called, so a missing package costs nothing until
it is needed, and then ends in one sentence with the line that installs it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from edge_emo.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Vendor:
    """One optional package.

    Attributes:
        module: Name to import.
        extra: Extra of this project that installs it; empty when it is a core dependency.
        purpose: What edge_emo uses it for.
        note: What else it takes: a system package, a platform limit. May be empty.
    """

    module: str
    extra: str
    purpose: str
    note: str = ""

    @property
    def install(self) -> str:
        """The command that installs it."""
        if self.module not in VENDORS:
            return f"pip install {self.module}"
        return f"pip install 'edge-emo[{self.extra}]'" if self.extra else "pip install edge-emo"


_PORTAUDIO = "first: sudo apt-get install portaudio19-dev python3-dev gcc"

_ROWS = (
    Vendor("numpy", "", "arithmetic"),
    Vendor("cv2", "", "camera, images"),
    Vendor("ai_edge_litert", "", "LiteRT backend"),
    Vendor("tflite_runtime", "", "LiteRT backend on systems without ai-edge-litert"),
    Vendor("cryptography", "", "signatures of model packages"),
    Vendor("onnxruntime", "onnx", "ONNX Runtime backend"),
    Vendor(
        "tensorrt",
        "jetson",
        "TensorRT backend",
        "TensorRT comes with JetPack: sudo apt-get install python3-libnvinfer, and a virtual "
        "environment made with --system-site-packages",
    ),
    Vendor("openvino", "openvino", "OpenVINO backend"),
    Vendor(
        "pyaudio",
        "mic",
        "microphone",
        _PORTAUDIO,
    ),
    Vendor("soundfile", "audio", "sound files other than WAV"),
    Vendor("brainflow", "eeg", "EEG boards", "its wheel holds no Linux aarch64 library"),
    Vendor("pyedflib", "files", "EDF and BDF files"),
    Vendor("pyxdf", "files", "XDF files"),
    Vendor("serial", "bridge", "serial ports: cyton, bridge"),
    Vendor("google", "bridge", "messages of the bridge (protobuf)"),
    Vendor("paho", "mqtt", "the mqtt sink"),
    Vendor("scipy", "datasets", "MATLAB files of corpora"),
    Vendor("pyarrow", "datasets", "Parquet shards"),
    Vendor("ray", "ray", "shards on a cluster"),
    Vendor("torch", "compile", "conversion to .tflite", "first: pip install torch==2.13.0"),
    Vendor("litert_torch", "compile", "conversion to .tflite"),
    Vendor("ai_edge_quantizer", "compile", "int8 of .tflite files"),
    Vendor("flatbuffers", "compile", "shortening of .tflite files"),
    Vendor("onnx", "compile", "reading and writing of .onnx files"),
    Vendor("nncf", "compile", "int8 for OpenVINO"),
    Vendor("matplotlib", "demo", "the portrait of the demonstration"),
)

VENDORS: Mapping[str, Vendor] = {row.module: row for row in _ROWS}


def load(module: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Name of a row of :data:`VENDORS` or of a submodule of one; a plug-in may name
            its own vendor's module.

    Returns:
        The imported module.

    Raises:
        UnavailableError: It is not installed, or its native library does not load; the hint
            is the command that mends it.
    """
    root = module.partition(".")[0]
    vendor = VENDORS.get(root) or Vendor(root, "", "this plug-in")
    try:
        return importlib.import_module(module)
    except Exception as error:  # also ValueError: it was built for another NumPy
        hint = f"{vendor.note}; then: {vendor.install}" if vendor.note else vendor.install
        raise UnavailableError(f"{vendor.purpose} needs {module}: {error}", hint=hint) from error


def toml() -> ModuleType:
    """Return the TOML reader: the standard library's, or ``tomli`` before Python 3.11."""
    return importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


def installed(module: str) -> bool:
    """Tell whether ``module`` can be found, without importing it."""
    return importlib.util.find_spec(module) is not None
