"""Files for OpenVINO: IR, made int8 by NNCF. The one place that imports nncf.

NNCF compiles the network while it quantizes it, so it can hang as OpenVINO itself can: it runs
in a child process with a time-out, as every candidate does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from edge_emo.errors import ModelError
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

Sample = Sequence["npt.NDArray[Any]"]


def write_float(source: Path, path: Path, *, half: bool = False) -> None:
    """Write ``path`` (.xml) and its weights (.bin) beside it.

    Args:
        source: Float32 ONNX.
        path: Replaced.
        half: Store the weights as float16; the arithmetic stays float32 on a CPU.

    Raises:
        ModelError: OpenVINO cannot convert an operator.
    """
    openvino = _silent("openvino")
    _save(openvino, _converted(openvino, source), path, half)


def write_int8(
    source: Path, calibration: Sequence[Sample], path: Path, in_float: Sequence[str] = ()
) -> None:
    """Write int8 with ranges from real inputs.

    Args:
        source: Float32 ONNX, its nodes named.
        calibration: Inputs, in the order of the network's.
        path: The .xml, replaced, and its weights.
        in_float: Nodes that stay float32.

    Raises:
        ModelError: OpenVINO cannot convert an operator.
    """
    openvino, nncf = _silent("openvino"), _silent("nncf")
    model = _converted(openvino, source)
    ignored = nncf.IgnoredScope(names=_friendly(model, in_float)) if in_float else None
    quantized = nncf.quantize(
        model,
        nncf.Dataset([tuple(sample) for sample in calibration]),
        subset_size=len(calibration),
        ignored_scope=ignored,
    )
    _save(openvino, quantized, path, False)


def run(path: Path, samples: Sequence[Sample]) -> list[list[npt.NDArray[Any]]]:
    """Return all outputs of a file for each sample, in the network's order."""
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    compiled = _silent("openvino").Core().compile_model(str(path), "CPU", settings)
    return [[value.copy() for value in compiled(list(one)).to_tuple()] for one in samples]


def _silent(name: str) -> ModuleType:
    """Import OpenVINO or NNCF with their telemetry told to send nothing, as in a CI job."""
    os.environ.setdefault("CI", "true")
    return load(name)


def _save(openvino: Any, model: Any, path: Path, half: bool) -> None:
    openvino.save_model(model, str(path), compress_to_fp16=half)
    path.write_text(shortened(path.read_text(encoding="utf-8")), encoding="utf-8")


def shortened(text: str) -> str:
    """Return an .xml without what its reader works out by itself, a third to a half of it.

    That is indentation, the shapes of ports, which follow from those of parameters and constants,
    and the element types of what goes into a layer, which are those of what comes out before.
    """
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.text = element.tail = None
    for port in root.iterfind("layers/layer/*/port"):
        for size in port.findall("dim"):
            port.remove(size)
    for port in root.iterfind("layers/layer/input/port"):
        port.attrib.pop("precision", None)
    return _HEAD + ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


_HEAD = '<?xml version="1.0"?>'


def _converted(openvino: Any, source: Path) -> Any:
    try:
        return openvino.convert_model(str(source))
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(f"OpenVINO cannot convert it: {lines[-1]}") from error


def _friendly(model: Any, nodes: Sequence[str]) -> list[str]:
    """Return OpenVINO's names of the operations that compute for these nodes."""
    still = ("Constant", "Convert", "Parameter", "Result")
    names = [op.get_friendly_name() for op in model.get_ops() if op.get_type_name() not in still]
    return [name for name in names if name.partition("/")[0] in nodes]
