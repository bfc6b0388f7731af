"""Files for Raspberry Pi: .tflite by litert-torch, made smaller by ai-edge-quantizer.

The one place that imports both. Inputs and outputs stay float32 in every precision.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile.as_torch import as_torch
from edge_emo.compile.correct import error_of, stacked
from edge_emo.compile.graph import Graph
from edge_emo.errors import ModelError
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

Sample = Sequence["npt.NDArray[Any]"]
Disagree = Callable[[Sequence["npt.NDArray[Any]"], Sequence["npt.NDArray[Any]"]], float]
BLENDS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the least and greatest value in the blend with a moving average, which clips."""


def convert(graph: Graph, path: Path) -> None:
    """Write float32 with the names of layers: the source of all other files.

    Raises:
        ModelError: An operator cannot be converted.
    """
    torch, litert_torch = load("torch"), load("litert_torch")
    torch.set_num_threads(1)
    example = tuple(
        torch.zeros(tensor.shape, dtype=getattr(torch, tensor.dtype)) for tensor in graph.inputs
    )
    part = path.with_suffix(".part")
    litert_torch.convert(as_torch(graph), example).export(str(part))
    part.replace(path)


def replace_weights(source: Path, path: Path, old: Sequence[Any], new: Sequence[Any]) -> None:
    """Copy what :func:`convert` wrote with other values, where each is there exactly once.

    Args:
        source: Converted.
        path: Written, unless a value is not there or more than once.
        old: Arrays of the network.
        new: What stands in their place.
    """
    content = source.read_bytes()
    for before, after in zip(old, new, strict=True):
        if content.count(before.tobytes()) != 1:
            return
        content = content.replace(before.tobytes(), after.tobytes())
    path.write_bytes(content)


def write_float(source: Path, path: Path) -> None:
    """Write float32 without what only the making of other files needs."""
    shutil.copy(source, path)
    shorten(path)


def write_half(source: Path, path: Path) -> None:
    """Write the weights as float16; the arithmetic stays float32."""
    work = load("ai_edge_quantizer.quantizer").Quantizer(str(source))
    names = load("ai_edge_quantizer.algorithm_manager").AlgorithmName
    kinds = load("ai_edge_quantizer.qtyping")
    work.update_quantization_recipe(
        regex=".*",
        operation_name=kinds.TFLOperationName.ALL_SUPPORTED,
        algorithm_key=names.FLOAT_CASTING,
        op_config=kinds.OpQuantizationConfig(
            weight_tensor_config=kinds.TensorQuantizationConfig(
                num_bits=16, dtype=kinds.TensorDataType.FLOAT
            ),
            compute_precision=kinds.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
    )
    _export(work.quantize(), path)
    shorten(path)


def write_int8(
    source: Path,
    calibration: Sequence[Sample],
    held_out: Sequence[Sample],
    path: Path,
    in_float: Sequence[str] = (),
    shares: Sequence[float] = BLENDS,
    disagree: Disagree | None = None,
) -> Mapping[str, float]:
    """Write int8 with ranges from real inputs.

    The ranges are a blend of least and greatest values with a moving average; the share is the
    one whose answers are nearest to those of the float file on inputs held out: by what they
    say in the network's task, then by the outputs themselves.

    Args:
        source: Float32 .tflite.
        calibration: Inputs, in the order of the signature.
        held_out: Others, which judge the blends.
        path: Replaced.
        in_float: Nodes of the graph that stay float32.
        shares: Blends to try.
        disagree: Compares stacked outputs of the float file and of another; None when the
            network has no task that is known.

    Returns:
        The mean square error of each blend, by its share as text.
    """
    work = _int8_recipe(source, in_float)
    named = _named(source, calibration)
    means, extremes = _ranges(source, named, work)
    wanted = run(source, held_out)
    errors: dict[str, float] = {}
    best = (np.inf, np.inf)
    for share in shares:
        result = work.quantize(_blend(means, extremes, share))
        part = path.with_suffix(".part")
        _export(result, part)
        given = run(part, held_out)
        errors[str(share)] = error = error_of(stacked(wanted), stacked(given))
        told = disagree(stacked(wanted), stacked(given)) if disagree else 0.0
        if np.isfinite(error) and (told, error) < best:
            best = (told, error)
            part.replace(path)
        else:
            part.unlink()
    if not path.exists():
        raise ModelError("cannot be made int8: no range gives finite outputs")
    shorten(path)
    return errors


def run(path: Path, samples: Sequence[Sample]) -> list[list[npt.NDArray[Any]]]:
    """Return all outputs of a file for each sample, in the order of the signature."""
    runner = _interpreter(path).get_signature_runner()
    names = _ordered(runner.get_input_details())
    answers = []
    for sample in samples:
        given = runner(**dict(zip(names, sample, strict=True)))
        answers.append([np.array(given[name]) for name in _ordered(given)])
    return answers


def shorten(path: Path) -> None:
    """Shorten a file without changing what it computes.

    Tensor names of the training code go, since the signature tells inputs and outputs, and
    equal lists (the zero points of symmetric weights) are written once. Only for files whose
    weights are inside the tables: what the quantizer puts behind them would be lost.
    """
    flatbuffers = load("flatbuffers")
    schema = load("ai_edge_litert.schema_py_generated")

    class Sharing(flatbuffers.Builder):  # type: ignore[misc,name-defined]  # it has no types
        """Writes equal arrays once."""

        def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802 - overrides
            key = (x.dtype.str, x.tobytes())
            if key not in known or x.nbytes > _SHARED_BYTES:
                known[key] = super().CreateNumpyVector(x)
            return known[key]

    known: dict[tuple[str, bytes], int] = {}
    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    if any(buffer.offset > 1 for buffer in model.buffers):
        return
    for graph in model.subgraphs:
        for number, tensor in enumerate(graph.tensors):
            tensor.name = f"t{number}"
    builder = Sharing(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


_SHARED_BYTES = 4096
"""Weights are longer and lie aligned; only short lists are shared."""


def _int8_recipe(source: Path, in_float: Sequence[str]) -> Any:
    names = load("ai_edge_quantizer.algorithm_manager").AlgorithmName
    kinds = load("ai_edge_quantizer.qtyping")
    work = load("ai_edge_quantizer.quantizer").Quantizer(str(source))
    work.load_quantization_recipe(load("ai_edge_quantizer.recipe").static_wi8_ai8())
    # A small divisor would round to zero, on which LiteRT stops.
    names_in_float = ("INPUT", "OUTPUT", "DIV")
    for operation in (getattr(kinds.TFLOperationName, name) for name in names_in_float):
        work.update_quantization_recipe(
            regex=".*", operation_name=operation, algorithm_key=names.NO_QUANTIZE
        )
    for name in in_float:
        work.update_quantization_recipe(
            regex=rf".*_{re.escape(name)};.*",
            operation_name=kinds.TFLOperationName.ALL_SUPPORTED,
            algorithm_key=names.NO_QUANTIZE,
        )
    return work


def _ranges(source: Path, inputs: Mapping[str, Any], work: Any) -> tuple[_Ranges, _Ranges]:
    """Return moving averages, and least and greatest values, of one pass over the inputs."""
    updates = load("ai_edge_quantizer.utils.qsv_utils")

    def update(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
        means = updates.moving_average_update(before, now)
        return {**means, _WIDE: updates.min_max_update(before.get(_WIDE, before), now)}

    calibrator = load("ai_edge_quantizer.calibrator").Calibrator(
        str(source), num_threads=1, qsv_update_func=update
    )
    calibrator.calibrate(inputs, work._recipe_manager)
    found = calibrator.get_model_qsvs()
    return found, {name: row.get(_WIDE, row) for name, row in found.items()}


_Ranges = Mapping[str, Mapping[str, Any]]
_WIDE = "wide"


def _blend(means: _Ranges, extremes: _Ranges, share: float) -> dict[str, Any]:
    return {
        name: {
            key: (1 - share) * np.asarray(means[name][key]) + share * np.asarray(value)
            for key, value in row.items()
        }
        for name, row in extremes.items()
    }


def _named(source: Path, samples: Sequence[Sample]) -> dict[str, list[dict[str, Any]]]:
    interpreter = _interpreter(source)
    signature = next(iter(interpreter.get_signature_list()))
    names = _ordered(interpreter.get_signature_runner(signature).get_input_details())
    rows = [dict(zip(names, map(np.ascontiguousarray, s), strict=True)) for s in samples]
    return {signature: rows}


def _interpreter(path: Path) -> Any:
    return load("ai_edge_litert.interpreter").Interpreter(model_path=str(path), num_threads=1)


def _ordered(names: Mapping[str, Any]) -> list[str]:
    return sorted(names, key=lambda name: int(name.rpartition("_")[2]))


def _export(result: Any, path: Path) -> None:
    path.unlink(missing_ok=True)
    result.export_model(str(path))
    path.chmod(0o644)
