"""From the trained face detector to its package: three files, model.toml, metrics.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import detector_net
import export
import numpy as np
import numpy.typing as npt
import quantize
import torch

Picture = npt.NDArray[np.float32]
TOLERANCE = 2e-3
FILES = (("model.int8.tflite", "tflite", "int8"), ("model.tflite", "tflite", "float32"),
         ("model.onnx", "onnx", "float32"))  # fmt: skip


def write_files(
    net: detector_net.Detector, pictures: Sequence[Picture], folder: Path
) -> list[dict[str, Any]]:
    """Write ONNX, TFLite and int8 TFLite, and compare the float files with torch.

    Args:
        net: Trained.
        pictures: Network inputs to calibrate int8 on, (1, height, width, 3), which is the
            size that is exported; the first sixteen are compared on.
        folder: Made when absent.

    Returns:
        For each file the greatest difference of any output.

    Raises:
        ValueError: A float file differs from torch by more than ``TOLERANCE``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    net = detector_net.deployed(net)
    size = pictures[0].shape[1:3]
    example = (torch.from_numpy(pictures[0]),)
    export.write_onnx(net, example, _declared(folder.name, {}, size), folder / "model.onnx")
    export.write_tflite(net, example, folder / "model.tflite")
    quantize.write_int8(folder / "model.tflite", pictures, folder / "model.int8.tflite")
    rows = []
    for name, run, limit in (
        ("model.onnx", run_onnx, TOLERANCE),
        ("model.tflite", run_tflite, TOLERANCE),
        ("model.int8.tflite", run_tflite, np.inf),
    ):
        gap = _gap(net, run(folder / name, pictures[:16]), pictures[:16])
        rows.append({"file": name, "n": 16, "output_difference": gap})
        if gap > limit:
            raise ValueError(f"{name}: an output differs from torch by {gap:.2g}")
    return rows


def manifest(folder: Path, features: Mapping[str, Any], licence: Mapping[str, Any],
             summary: str, version: str) -> dict[str, Any]:  # fmt: skip
    """Return model.toml as a table; int8 comes first, so it is what a device runs."""
    size = features["height_px"], features["width_px"]
    package = _declared(folder.name, features, size)
    return {
        "id": folder.name,
        "version": version,
        "task": "detect",
        "modality": "face",
        "default": True,
        "summary": summary,
        "licence": dict(licence),
        "features": dict(features),
        "files": [export.file_entry(folder / name, kind, what) for name, kind, what in FILES],
        "inputs": [export.tensor_entry(tensor) for tensor in package.inputs],
        "outputs": [export.tensor_entry(tensor) for tensor in package.outputs],
    }


def run_onnx(path: Path, pictures: Sequence[Picture]) -> list[list[npt.NDArray[Any]]]:
    """Return all outputs for each picture."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [session.run(None, {"image": picture}) for picture in pictures]


def run_tflite(path: Path, pictures: Sequence[Picture]) -> list[list[npt.NDArray[Any]]]:
    """Return all outputs for each picture, in the order of the module."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path), num_threads=1).get_signature_runner()
    (name,) = runner.get_input_details()
    answers = [runner(**{name: picture}) for picture in pictures]
    count = len(detector_net.OUTPUTS)
    return [[answer[f"output_{k}"] for k in range(count)] for answer in answers]


def _gap(
    net: torch.nn.Module, answers: Sequence[Sequence[Any]], pictures: Sequence[Picture]
) -> float:
    gaps = []
    for picture, answer in zip(pictures, answers, strict=True):
        with torch.no_grad():
            wanted = net(torch.from_numpy(picture))
        gaps += [float(np.abs(w.numpy() - a).max()) for w, a in zip(wanted, answer, strict=True)]
    return max(gaps)


def _declared(name: str, features: Mapping[str, Any], size: tuple[int, ...]) -> export.Package:
    height, width = size
    image = export.Tensor("image", (1, height, width, 3), "NHWC", colour="rgb")
    outputs = [
        export.Tensor(f"{kind}_{stride}", (1, height // stride, width // stride, channels), "NHWC")
        for stride in detector_net.STRIDES
        for kind, channels in detector_net.CHANNELS.items()
    ]
    return export.Package(
        id=name, modality="face", summary="", licence={}, inputs=[image], outputs=outputs,
        features=features, dimensions={}, temperature=1.0, reliability=0.0, default=False,
    )  # fmt: skip
