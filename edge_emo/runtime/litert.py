"""LiteRT: .tflite files on any CPU, Raspberry Pi included."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING, Any

from edge_emo.errors import ClosedError, ModelError, UnavailableError
from edge_emo.manifest import ModelFile, ModelPackage, TensorSpec
from edge_emo.runtime.base import Backend, LoadedModel, Tensors, run_error
from edge_emo.runtime.tensors import FoundTensor, check_inputs, in_signature_order, match_tensors
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

_MODULES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}

# The smallest model there is: one float32 tensor of shape (1,), input and output at once.
_TINY_MODEL = base64.b64decode(
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAcAAAAhAAAAAMAAAABAAAACAAAAAQABAAEAAAAAQAAABAAAAAMABQAEAAMAAgABAAMAAAAEAAAABAAAAAUAAAAGAAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAQAAABAAAAAMAAwACAAAAAAABAAMAAAACAAAAAwAAAABAAAAeAAAAAEAAAABAAAAAAAAAA=="
)


class LiteRtBackend(Backend):
    """Runs .tflite files with ``ai_edge_litert``, else with ``tflite_runtime``."""

    name = "litert"
    formats = ("tflite",)
    target = "rpi"

    def probe(self) -> str:
        """Return the package and its version after constructing an interpreter with it."""
        module, _ = _working_interpreter()
        return f"{_MODULES[module]} {load(module).__version__}"

    def load(self, package: ModelPackage, file: ModelFile, *, threads: int = 1) -> LoadedModel:
        """Load a .tflite file; see :meth:`Backend.load`."""
        _, interpreter_class = _working_interpreter()
        path, content = package.path(file), package.content(file)
        try:
            interpreter = interpreter_class(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"{path} cannot be loaded by LiteRT: {error}",
                hint="run it with another backend, or compile the package again",
            ) from error
        return _LiteRtModel(package, file, interpreter, content)


class _LiteRtModel(LoadedModel):
    backend = "litert"

    def __init__(
        self, package: ModelPackage, file: ModelFile, interpreter: Any, content: bytes
    ) -> None:
        self._content = content  # the interpreter reads weights where they are
        self._file = file
        inputs, outputs = _tensors(interpreter)
        self._specs: tuple[TensorSpec, ...] = package.inputs
        self._inputs = match_tensors(f"{file.path} inputs", package.inputs, inputs)
        self._outputs = match_tensors(f"{file.path} outputs", package.outputs, outputs)
        self._interpreter = interpreter

    def run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        if self._interpreter is None:
            raise ClosedError("the model is closed")
        check_inputs(self._specs, inputs)
        try:
            for name, index in self._inputs.items():
                self._interpreter.set_tensor(index, inputs[name])
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise run_error("LiteRT", self._file, error) from error
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}

    def close(self) -> None:
        self._interpreter, self._content = None, b""


@cache
def _working_interpreter() -> tuple[str, Any]:
    """Return the first package whose interpreter can be constructed.

    tflite_runtime imports under NumPy 2 and fails only then, with a SystemError.
    """
    reasons = []
    for module in _MODULES:
        try:
            interpreter_class = load(f"{module}.interpreter").Interpreter
            interpreter_class(model_content=_TINY_MODEL)
        except UnavailableError as error:
            reasons.append(error.message)
        except (AttributeError, SystemError, ValueError, RuntimeError) as error:
            reasons.append(f"{module} does not construct an interpreter: {error}")
        else:
            return module, interpreter_class
    raise UnavailableError("; ".join(reasons), hint="pip install ai-edge-litert")


def _tensors(interpreter: Any) -> tuple[list[FoundTensor[int]], list[FoundTensor[int]]]:
    """Return inputs and outputs in the order of the signature, else of the graph."""
    signatures = list(interpreter.get_signature_list())
    if not signatures:
        inputs = {detail["name"]: detail for detail in interpreter.get_input_details()}
        outputs = {detail["name"]: detail for detail in interpreter.get_output_details()}
        return _found(inputs, list(inputs)), _found(outputs, list(outputs))
    runner = interpreter.get_signature_runner(signatures[0])
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    return (
        _found(inputs, in_signature_order(list(inputs))),
        _found(outputs, in_signature_order(list(outputs))),
    )


def _found(details: dict[str, Any], order: list[str]) -> list[FoundTensor[int]]:
    return [
        FoundTensor(
            name=name,
            shape=tuple(int(size) for size in details[name]["shape"]),
            dtype=details[name]["dtype"].__name__,
            handle=details[name]["index"],
        )
        for name in order
    ]
