"""Files for Jetson: ONNX with explicit quantization (QDQ), made by ONNX Runtime's quantizer.

Weights are stored as int8 with a DequantizeLinear behind them; activations pass a pair of
QuantizeLinear and DequantizeLinear. All is symmetric, as TensorRT takes it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile.graph import QUANTIZABLE, save_for_tensorrt
from edge_emo.errors import ModelError
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

Sample = Sequence["npt.NDArray[Any]"]


METHODS = ("MinMax", "Percentile")
"""The least and greatest value, or those that all but a few values lie between."""


def write_int8(
    source: Path,
    names: Sequence[str],
    calibration: Sequence[Sample],
    path: Path,
    in_float: Sequence[str] = (),
    only: Sequence[str] | None = None,
    method: str = "MinMax",
) -> None:
    """Write int8 with ranges from real inputs.

    Args:
        source: Float32 ONNX, its nodes named.
        names: Names of its inputs.
        calibration: Inputs, in that order.
        path: Replaced.
        in_float: Nodes that stay float32.
        only: The nodes to quantize; None for all that multiply by weights.
        method: How ranges are taken: one of :data:`METHODS`.

    Raises:
        ModelError: ONNX Runtime cannot quantize it.
    """
    tools = load("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.onnx"
        try:
            tools.quantize_static(
                str(source),
                str(raw),
                _reader(tools, names, calibration),
                quant_format=tools.QuantFormat.QDQ,
                calibrate_method=getattr(tools.CalibrationMethod, method),
                per_channel=True,
                activation_type=tools.QuantType.QInt8,
                weight_type=tools.QuantType.QInt8,
                op_types_to_quantize=list(QUANTIZABLE),
                nodes_to_quantize=list(only or ()),
                nodes_to_exclude=list(in_float),
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "AddQDQPairToWeight": False,
                    "QuantizeBias": False,
                },
            )
        except (RuntimeError, ValueError, KeyError) as error:
            raise ModelError(f"ONNX Runtime cannot quantize it: {error}") from error
        save_for_tensorrt(raw, path)


def write_float(source: Path, path: Path, *, half: bool = False) -> None:
    """Write float32, or float16 with inputs and outputs as they are.

    Raises:
        ModelError: It uses what TensorRT's parsers do not read.
    """
    if not half:
        save_for_tensorrt(source, path)
        return
    halves = load("onnxruntime.transformers.float16")
    save_for_tensorrt(halves.convert_float_to_float16(str(source), keep_io_types=True), path)


def run(path: Path, names: Sequence[str], samples: Sequence[Sample]) -> list[npt.NDArray[Any]]:
    """Return each output of a file, stacked over the samples."""
    ort = load("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rows = [session.run(None, dict(zip(names, sample, strict=True))) for sample in samples]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _reader(tools: Any, names: Sequence[str], samples: Sequence[Sample]) -> Any:
    class Reader(tools.CalibrationDataReader):  # type: ignore[misc]  # optional package
        def __init__(self) -> None:
            self._rest = _feeds(names, samples)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._rest, None)

    return Reader()


def _feeds(names: Sequence[str], samples: Sequence[Sample]) -> Iterator[dict[str, Any]]:
    for sample in samples:
        yield dict(zip(names, sample, strict=True))
