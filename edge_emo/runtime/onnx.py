"""ONNX Runtime: .onnx files on any CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_emo.errors import ClosedError, ModelError, UnavailableError
from edge_emo.manifest import ModelFile, ModelPackage, TensorSpec
from edge_emo.runtime.base import Backend, LoadedModel, Tensors, run_error
from edge_emo.runtime.tensors import FoundTensor, check_inputs, match_tensors
from edge_emo.vendor import load

if TYPE_CHECKING:
    from types import ModuleType

    import numpy.typing as npt

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


class OnnxBackend(Backend):
    """Runs .onnx files with ONNX Runtime's CPU execution provider."""

    name = "onnx"
    formats = ("onnx",)

    def probe(self) -> str:
        """Return ONNX Runtime's version after making a session's options with it."""
        ort = load("onnxruntime")
        _options(ort, threads=1)
        return f"onnxruntime {ort.__version__}"

    def load(self, package: ModelPackage, file: ModelFile, *, threads: int = 1) -> LoadedModel:
        """Load an .onnx file; see :meth:`Backend.load`."""
        ort = load("onnxruntime")
        ort.disable_telemetry_events()
        path, content = package.path(file), package.content(file)
        try:
            session = ort.InferenceSession(
                content, _options(ort, threads), providers=["CPUExecutionProvider"]
            )
        except _load_errors() as error:
            raise ModelError(
                f"{path} cannot be loaded by ONNX Runtime: {error}",
                hint="run it with another backend, or compile the package again",
            ) from error
        return _OnnxModel(package, file, session)


class _OnnxModel(LoadedModel):
    backend = "onnx"

    def __init__(self, package: ModelPackage, file: ModelFile, session: Any) -> None:
        found_inputs = [_found(node) for node in session.get_inputs()]
        found_outputs = [_found(node) for node in session.get_outputs()]
        self._specs: tuple[TensorSpec, ...] = package.inputs
        self._inputs = match_tensors(f"{file.path} inputs", package.inputs, found_inputs)
        self._outputs = match_tensors(f"{file.path} outputs", package.outputs, found_outputs)
        self._wanted = list(self._outputs.values())
        self._session = session
        self._file = file

    def run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        if self._session is None:
            raise ClosedError("the model is closed")
        check_inputs(self._specs, inputs)
        feed = {node: inputs[name] for name, node in self._inputs.items()}
        try:
            found = self._session.run(self._wanted, feed)
        except _load_errors() as error:
            raise run_error("ONNX Runtime", self._file, error) from error
        return dict(zip(self._outputs, found, strict=True))

    def close(self) -> None:
        self._session = None


def _options(ort: ModuleType, threads: int) -> Any:
    try:
        options = ort.SessionOptions()
    except AttributeError as error:  # what a half-installed package leaves: an empty namespace
        raise UnavailableError(
            f"onnxruntime is damaged: {error}",
            hint="pip install --force-reinstall 'edge-emo[onnx]'",
        ) from error
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _load_errors() -> tuple[type[Exception], ...]:
    """Return ONNX Runtime's errors; they have no common base of their own."""
    state = load("onnxruntime.capi.onnxruntime_pybind11_state")
    return tuple(
        value
        for value in vars(state).values()
        if isinstance(value, type) and issubclass(value, Exception)
    )


def _found(node: Any) -> FoundTensor[str]:
    shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
    return FoundTensor(node.name, shape, _DTYPES.get(node.type, node.type), node.name)
