"""TensorRT's Python module as its documentation describes it, of three generations.

It models what this project relies on and what it may get wrong: which flags exist, that 8.6
needs an explicit batch, that Q and DQ need the INT8 flag in a weakly typed network and forbid it
in a strongly typed one, the newest opset of each parser, and that an engine of another version
or device does not load. The arithmetic is ONNX Runtime's. It says nothing of speed, of fusions
or of what a real builder would make of a network.

Sources: NVIDIA TensorRT Python API reference 8.6, 10 and 11; release notes (opsets).
"""

from __future__ import annotations

import ctypes
import enum
import types
from typing import Any

import numpy as np
import onnx
import onnxruntime

OPSETS = {8: 17, 10: 20, 11: 22}


def fake_tensorrt(version: str, device: str = "orin") -> types.ModuleType:
    """Return the module of a version, on a device of this name."""
    major = int(version.partition(".")[0])
    module: Any = types.ModuleType("tensorrt")
    module.__version__ = version
    module.device = device
    flags = {"TF32": 7} | ({"FP16": 0, "INT8": 1} if major < 11 else {})
    module.BuilderFlag = enum.IntEnum("BuilderFlag", flags)
    creation = ({"EXPLICIT_BATCH": 0} if major < 11 else {}) | (
        {"STRONGLY_TYPED": 1} if major >= 10 else {}
    )
    module.NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", creation)
    module.MemoryPoolType = enum.Enum("MemoryPoolType", ["WORKSPACE"])
    module.TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
    module.DataType = enum.Enum("DataType", ["FLOAT", "HALF", "INT8", "INT32", "INT64", "BOOL"])
    module.Logger = _Logger
    module.Builder = lambda logger: _Builder(module)
    module.OnnxParser = lambda network, logger: _Parser(module, network)
    module.Runtime = lambda logger: _Runtime(module)
    return module  # type: ignore[no-any-return]


class _Logger:
    WARNING = 2

    def __init__(self, severity: int) -> None:
        self.severity = severity


class _Network:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.content = b""


class _Error:
    def __init__(self, words: str) -> None:
        self._words = words

    def desc(self) -> str:
        return self._words


class _Parser:
    def __init__(self, trt: Any, network: _Network) -> None:
        self._trt, self._network = trt, network
        self._errors: list[_Error] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> _Error:
        return self._errors[index]

    def parse(self, content: bytes) -> bool:
        problem = self._problem(content)
        if problem:
            self._errors.append(_Error(problem))
        else:
            self._network.content = content
        return not problem

    def _problem(self, content: bytes) -> str:
        known, major = self._trt.NetworkDefinitionCreationFlag, _major(self._trt)
        if major == 8 and not self._network.flags & (1 << known.EXPLICIT_BATCH):
            return "the network must be created with explicit batch"
        try:
            model = onnx.load_from_string(content)
            onnx.checker.check_model(model)
        except Exception as error:
            return f"failed to parse: {str(error).splitlines()[0] if str(error) else 'empty'}"
        opset = max(entry.version for entry in model.opset_import if entry.domain == "")
        if opset > OPSETS[major]:
            return f"opset {opset} is above {OPSETS[major]}"
        foreign = [node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")]
        return f"no importer for {foreign[0]}" if foreign else ""


class _Config:
    def __init__(self, trt: Any) -> None:
        self.flags = {trt.BuilderFlag.TF32}
        self.workspace = 0
        self._cache: Any = None

    def set_flag(self, flag: Any) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self.workspace = size

    def create_timing_cache(self, content: bytes) -> Any:
        return types.SimpleNamespace(content=content, serialize=lambda: self._cache.content)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        self._cache = cache
        return True

    def get_timing_cache(self) -> Any:
        return self._cache


class _Builder:
    def __init__(self, trt: Any) -> None:
        self._trt = trt

    def create_network(self, flags: int = 0) -> _Network:
        return _Network(flags)

    def create_builder_config(self) -> _Config:
        return _Config(self._trt)

    def build_serialized_network(self, network: _Network, config: _Config) -> Any:
        trt = self._trt
        strong = _is_strong(trt, network.flags)
        chosen = {flag.name for flag in config.flags}
        quantized = b"QuantizeLinear" in network.content
        if strong and chosen & {"INT8", "FP16"}:
            return None  # "Setting precision flags is not allowed in a strongly typed network"
        if not strong and quantized and "INT8" not in chosen:
            return None  # "Int8 precision has not been enabled, and the network has Q/DQ layers"
        if config.workspace <= 0 or not network.content:
            return None
        cache = config.get_timing_cache()
        cache.content = cache.content or b"times of one build"
        return memoryview(_header(trt) + network.content)


class _Runtime:
    def __init__(self, trt: Any) -> None:
        self._trt = trt

    def deserialize_cuda_engine(self, content: bytes) -> Any:
        header = _header(self._trt)
        return _Engine(self._trt, content[len(header) :]) if content.startswith(header) else None


class _Engine:
    def __init__(self, trt: Any, content: bytes) -> None:
        self._trt = trt
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        nodes = [*self.session.get_inputs(), *self.session.get_outputs()]
        self.nodes = {node.name: node for node in nodes}
        self.inputs = [node.name for node in self.session.get_inputs()]

    @property
    def num_io_tensors(self) -> int:
        return len(self.nodes)

    def get_tensor_name(self, index: int) -> str:
        return list(self.nodes)[index]

    def get_tensor_shape(self, name: str) -> Any:
        return tuple(self.nodes[name].shape)

    def get_tensor_dtype(self, name: str) -> Any:
        kind = self.nodes[name].type
        return getattr(
            self._trt.DataType, {"tensor(float)": "FLOAT", "tensor(int32)": "INT32"}[kind]
        )

    def get_tensor_mode(self, name: str) -> Any:
        modes = self._trt.TensorIOMode
        return modes.INPUT if name in self.inputs else modes.OUTPUT

    def create_execution_context(self) -> _Context:
        return _Context(self)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        session, nodes = self._engine.session, self._engine.nodes
        if not stream or set(self._addresses) != set(nodes):
            return False
        feed = {name: self._view(name).copy() for name in self._engine.inputs}
        outputs = [name for name in nodes if name not in feed]
        for name, value in zip(outputs, session.run(outputs, feed), strict=True):
            self._view(name)[...] = value
        return True

    def _view(self, name: str) -> Any:
        """Return the tensor as it lies in the "GPU's" memory."""
        node = self._engine.nodes[name]
        dtype = {"tensor(float)": np.float32, "tensor(int32)": np.int32}[node.type]
        size = int(np.prod(node.shape)) * np.dtype(dtype).itemsize
        raw = (ctypes.c_char * size).from_address(self._addresses[name])
        return np.frombuffer(raw, dtype).reshape(node.shape)


def _major(trt: Any) -> int:
    return int(trt.__version__.partition(".")[0])


def _is_strong(trt: Any, flags: int) -> bool:
    known = trt.NetworkDefinitionCreationFlag
    return hasattr(known, "STRONGLY_TYPED") and bool(flags & (1 << known.STRONGLY_TYPED))


def _header(trt: Any) -> bytes:
    return f"engine {trt.__version__} {trt.device}\n".encode()
