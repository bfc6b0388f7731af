"""Static int8 of a float32 TFLite file, calibrated on real inputs; float32 in and out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def write_int8(
    source: Path, samples: Sequence[npt.NDArray[Any]], path: Path, shorten: bool = True,
    in_float: str = "",
) -> None:  # fmt: skip
    """Write an int8 file.

    Ranges are the least and greatest value of each tensor over the samples. The default of
    the quantizer, a moving average, clips.

    Args:
        source: Float32 .tflite with one input.
        samples: Inputs, batch axis included.
        path: Replaced.
        shorten: Whether to :func:`pack`, which small files only survive: weights that the
            quantizer puts behind the tables are lost.
        in_float: Pattern of tensor names; convolutions that write such a tensor stay float32.
    """
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import qtyping, quantizer, recipe
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.calibrator import Calibrator
    from ai_edge_quantizer.utils import qsv_utils

    signatures = Interpreter(model_path=str(source)).get_signature_list()
    (signature, details) = next(iter(signatures.items()))
    (name,) = details["inputs"]
    work = quantizer.Quantizer(str(source))
    work.load_quantization_recipe(recipe.static_wi8_ai8())
    for operation in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        work.update_quantization_recipe(
            regex=".*", operation_name=operation, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
    if in_float:
        work.update_quantization_recipe(
            regex=in_float, operation_name=qtyping.TFLOperationName.CONV_2D,
            algorithm_key=AlgorithmName.NO_QUANTIZE,
        )  # fmt: skip
    calibrator = Calibrator(str(source), num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    inputs = [{name: np.ascontiguousarray(sample)} for sample in samples]
    calibrator.calibrate({signature: inputs}, work._recipe_manager)
    path.unlink(missing_ok=True)
    work.quantize(calibrator.get_model_qsvs()).export_model(str(path))
    path.chmod(0o644)
    if shorten:
        pack(path)


def pack(path: Path) -> None:
    """Shorten a .tflite file without changing what it computes.

    Tensor names of the training code go, since the signature tells inputs and outputs, and
    equal lists (the zero points of symmetric weights) are written once.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    class Sharing(flatbuffers.Builder):  # type: ignore[misc]  # it has no types
        """Writes equal arrays once."""

        def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802 - overrides
            key = (x.dtype.str, x.tobytes())
            if key not in known or x.nbytes > _SHARED_BYTES:
                known[key] = super().CreateNumpyVector(x)
            return known[key]

    known: dict[tuple[str, bytes], int] = {}
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    for graph in model.subgraphs:
        for number, tensor in enumerate(graph.tensors):
            tensor.name = f"t{number}"
    builder = Sharing(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


_SHARED_BYTES = 4096
"""Weights are longer and lie aligned; only short lists are shared."""
