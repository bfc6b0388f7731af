"""The targets, and the candidates that are tried for each."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("float32", "float16", "int8", "int8-mixed")
"""Precisions that are tried: the last one leaves the layers that lose most in float32."""
TUNED = "int8-tuned"
"""Tried where those of int8 lose too much: int8 after fine-tuning."""


@dataclass(frozen=True, slots=True)
class Target:
    """A sort of device.

    Attributes:
        name: Its name.
        format: Format of its files: see ``manifest.FORMATS``.
        suffix: Of a file's name.
        backend: What runs and measures its files on the machine that compiles.
        tools: Packages that make its files.
        reads_source: True when the backend runs the float ONNX file itself: then that is the
            float32 candidate, and no other file is made of it.
        timed: False when times of that backend say nothing of the device: then a candidate
            counts by its size alone.
    """

    name: str
    format: str
    suffix: str
    backend: str
    tools: tuple[str, ...]
    reads_source: bool = False
    timed: bool = True

    def file(self, kind: str, source: str) -> str:
        """Return the name of a candidate's file; ``source`` is that of the float ONNX file."""
        if self.reads_source and kind == "float32":
            return source
        return f"{self._stem}{'' if kind == 'float32' else f'.{kind}'}{self.suffix}"

    @property
    def _stem(self) -> str:
        return "model.trt" if self.name == "jetson" else "model"


_RPI = ("onnx", "onnxruntime", "torch", "litert_torch", "ai_edge_quantizer", "ai_edge_litert")
TARGETS = {
    target.name: target
    for target in (
        Target("rpi", "tflite", ".tflite", "litert", _RPI),
        Target(
            "openvino",
            "openvino-ir",
            ".xml",
            "openvino",
            ("onnx", "onnxruntime", "openvino", "nncf"),
            True,
        ),
        Target("jetson", "onnx", ".onnx", "onnx", ("onnx", "onnxruntime"), timed=False),
    )
}


def precision_of(kind: str, source: str) -> str:
    """Return what a manifest calls a kind.

    Args:
        kind: One of :data:`KINDS`.
        source: Precision that the float file stores most of its weights as.
    """
    return source if kind == "float32" else kind.partition("-")[0]
