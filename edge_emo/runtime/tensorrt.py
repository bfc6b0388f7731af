"""TensorRT: .onnx files on a Jetson, through an engine that is built on the device itself.

Written against the documented Python API of TensorRT 8.6 and 10 (JetPack 6) and 11: weakly typed
with the INT8 and FP16 flags where those exist, strongly typed where they do not. No engine was
built on a Jetson by the authors: the tests run this code against a model of that API.

An engine holds for one GPU, driver and TensorRT. It is kept in the user's cache folder under a
fingerprint of all that, and is not looked at when anything has changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_emo.errors import ClosedError, EdgeEmoError, ModelError, UnavailableError
from edge_emo.manifest import ModelFile, ModelPackage, TensorSpec, read_package
from edge_emo.runtime.base import Backend, LoadedModel, Tensors
from edge_emo.runtime.cache import cpu_line, read_kept, user_cache_dir, write_kept
from edge_emo.runtime.cuda import Cuda, empty
from edge_emo.runtime.tensors import FoundTensor, check_inputs, match_tensors
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

logger = logging.getLogger(__name__)

WORKSPACE_BYTES = 256 << 20
BOARD_FILES = tuple(
    map(Path, ("/proc/device-tree/model", "/etc/nv_tegra_release", "/proc/driver/nvidia/version"))
)
"""Where Linux tells the board, JetPack and the driver."""
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from edge_emo.runtime.tensorrt import build; sys.exit(build(*sys.argv[2:]))"
)
_building: dict[Path, dict[str, subprocess.Popen[bytes]]] = {}
"""What this process has begun to build, by the package's folder and the file's SHA-256."""


class TensorRtBackend(Backend):
    """Runs .onnx files with TensorRT once their engine was built.

    Args:
        cache_dir: Where engines are kept; None for the user's cache folder.
        cuda: Path of CUDA's runtime library; None to search for it.
        build_at_once: Whether an engine that is missing is built in the background, while
            another backend runs the model.
        board_files: What tells the board and its driver.
    """

    name = "tensorrt"
    formats = ("onnx",)
    target = "jetson"

    def __init__(
        self,
        cache_dir: Path | None = None,
        cuda: str | None = None,
        build_at_once: bool = True,
        board_files: Sequence[Path] = BOARD_FILES,
    ) -> None:
        self._cache_dir = cache_dir or _cache_dir()
        self._cuda = cuda or os.environ.get("EDGE_EMO_CUDART") or None
        self._build_at_once = build_at_once
        self._board_files = board_files

    def probe(self) -> str:
        """Return TensorRT's version after making a runtime with it."""
        trt = _tensorrt()
        Cuda(self._cuda)
        if not trt.Runtime(_log(trt)):
            raise UnavailableError("TensorRT finds no GPU", hint="see: edge-emo doctor")
        return f"tensorrt {trt.__version__}"

    def load(self, package: ModelPackage, file: ModelFile, *, threads: int = 1) -> LoadedModel:
        """Load the engine of a file; see :meth:`Backend.load`.

        Raises:
            ModelError: Also when no engine of it was built on this device yet.
        """
        trt, cuda = _tensorrt(), Cuda(self._cuda)
        path = self.engine_path(file)
        content = read_kept(path)
        if content is None:
            raise self._missing(package, file)
        engine = trt.Runtime(_log(trt)).deserialize_cuda_engine(content)
        if engine is None:
            path.unlink(missing_ok=True)
            raise ModelError(
                f"the engine of {file.path} is damaged or of another device; it was removed",
                hint=_build_hint(package),
            )
        return _TensorRtModel(package, file, trt, engine, cuda)

    def engine_path(self, file: ModelFile) -> Path:
        """Return where the engine of a file is kept: under all that it depends on."""
        facts = [*self._device(), file.sha256, file.precision, str(WORKSPACE_BYTES)]
        return self._cache_dir / f"{_digest(facts)}.engine"

    def prepare(
        self, package: ModelPackage, file: ModelFile, progress: Callable[[str], None] = logger.info
    ) -> Path:
        """Build the engine of a file on this device, unless it is there; takes minutes.

        Args:
            package: The package.
            file: One of its .onnx files, whose hash was checked.
            progress: Told in words what begins.

        Returns:
            The engine's file.

        Raises:
            UnavailableError: TensorRT does not work here.
            ModelError: TensorRT's parser or builder refuses the file, or nothing can be written.
        """
        trt = _tensorrt()
        place = self.engine_path(file)
        if read_kept(place) is not None:
            progress(f"{file.path}: its engine is there")
            return place
        timing = self._cache_dir / f"{_digest(self._device())}.timing"
        progress(f"{file.path}: building its engine with TensorRT {trt.__version__}")
        known = read_kept(timing) or b""
        engine, learnt = build_engine(trt, file.path, package.content(file), file.precision, known)
        _write(timing, learnt)
        _write(place, engine)
        progress(f"{file.path}: engine of {len(engine) / 1e6:.1f} MB kept in {place}")
        return place

    def _device(self) -> list[str]:
        return device_facts(_tensorrt().__version__, self._board_files)

    def _missing(self, package: ModelPackage, file: ModelFile) -> ModelError:
        words = f"no engine of {file.path} was built on this device, with its driver and TensorRT"
        if self._build_at_once and self._begin(package, file):
            words += "; it is being built in the background"
        return ModelError(words, hint=_build_hint(package))

    def _begin(self, package: ModelPackage, file: ModelFile) -> bool:
        """Start to build in the background; tell whether this file's build runs.

        One file of a package at a time: each build needs much of the memory. What has failed
        fails again, and is not begun again by this process.
        """
        begun = _building.setdefault(package.folder.resolve(), {})
        own = begun.get(file.sha256)
        if own is not None and own.poll() != 0:
            return own.poll() is None
        if any(other.poll() is None for other in begun.values()):
            return False
        logger.warning("building the engine of %s; another backend runs it meanwhile", package.id)
        words = [str(package.folder), file.path, str(self._cache_dir)]
        try:
            begun[file.sha256] = subprocess.Popen(
                [sys.executable, "-c", _CHILD, json.dumps(sys.path), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            logger.warning("the build did not start: %s", error)
            return False
        return True


def build(folder: str, path: str, cache_dir: str) -> int:
    """Build the engine of one file of a package: what the child process runs.

    Returns:
        Its exit status.
    """
    try:
        package = read_package(folder)
        file = next(file for file in package.files if file.path == path)
        package.verify(file)
        TensorRtBackend(Path(cache_dir)).prepare(package, file)
    except EdgeEmoError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


class _TensorRtModel(LoadedModel):
    backend = "tensorrt"

    def __init__(
        self, package: ModelPackage, file: ModelFile, trt: Any, engine: Any, cuda: Cuda
    ) -> None:
        found = [_found(trt, engine, k) for k in range(engine.num_io_tensors)]
        is_input = {name: _is_input(trt, engine, name) for name in (one.name for one in found)}
        ins = [one for one in found if is_input[one.name]]
        outs = [one for one in found if not is_input[one.name]]
        self._specs: tuple[TensorSpec, ...] = package.inputs
        self._inputs = match_tensors(f"{file.path} inputs", package.inputs, ins)
        self._outputs = match_tensors(f"{file.path} outputs", package.outputs, outs)
        self._answers = {spec.name: empty(spec.shape, spec.dtype) for spec in package.outputs}
        self._cuda = cuda
        self._engine = engine
        self._context = engine.create_execution_context()
        self._stream = cuda.stream()
        self._memory = {one.name: cuda.allocate(_bytes(one)) for one in found}
        for name, pointer in self._memory.items():
            self._context.set_tensor_address(name, pointer)

    def run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        if self._context is None:
            raise ClosedError("the model is closed")
        check_inputs(self._specs, inputs)
        given = {name: _contiguous(inputs[name]) for name in self._inputs}
        for name, tensor in self._inputs.items():
            self._cuda.upload(self._memory[tensor], given[name], self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise ModelError("TensorRT could not run the engine", hint="see: edge-emo doctor")
        for name, tensor in self._outputs.items():
            self._cuda.download(self._answers[name], self._memory[tensor], self._stream)
        self._cuda.wait(self._stream)
        return dict(self._answers)

    def close(self) -> None:
        if self._context is None:
            return
        self._context = self._engine = None
        self._cuda.close_stream(self._stream)
        for pointer in self._memory.values():
            self._cuda.free(pointer)


def build_engine(
    trt: Any,
    name: str,
    content: bytes,
    precision: str,
    timing: bytes = b"",
    *,
    strongly_typed: bool | None = None,
) -> tuple[bytes, bytes]:
    """Build an engine.

    Args:
        trt: The module.
        name: What the file is called.
        content: The .onnx file; int8 is explicit in it, as QuantizeLinear and DequantizeLinear.
        precision: Of the file: which arithmetic a weakly typed network may use.
        timing: What earlier builds on this device learnt; may be empty.
        strongly_typed: Let the file alone say the types; None where TensorRT knows no flags of
            precision any more.

    Returns:
        The engine, and what is now known of the times.

    Raises:
        ModelError: The parser or the builder refuses the file; names the reason it gave.
    """
    log = _log(trt)
    builder = trt.Builder(log)
    strong = not hasattr(trt.BuilderFlag, "INT8") if strongly_typed is None else strongly_typed
    network = builder.create_network(_network_flags(trt, strong))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(content):
        reasons = "; ".join(parser.get_error(k).desc() for k in range(parser.num_errors))
        raise ModelError(
            f"{name} is refused by TensorRT's parser: {reasons}",
            hint="compile the package for jetson again: edge-emo compile ID --target jetson",
        )
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if not strong:
        _allow(trt, config, precision)
    config.set_timing_cache(config.create_timing_cache(timing), False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(
            f"TensorRT could not build an engine of {name}",
            hint="its log above says why; is enough memory free?",
        )
    return bytes(plan), bytes(config.get_timing_cache().serialize())


def device_facts(version: str, board_files: Sequence[Path] = BOARD_FILES) -> list[str]:
    """Return what an engine depends on besides its model: board, driver, TensorRT."""
    facts = [platform.machine(), cpu_line("model name", "Model", "CPU part"), f"tensorrt {version}"]
    for path in board_files:
        try:
            facts.append(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            facts.append("")
    return facts


def _network_flags(trt: Any, strong: bool) -> int:
    """Return the flags of the network; 8.6 needs an explicit batch, 11 knows it no more."""
    known = trt.NetworkDefinitionCreationFlag
    flags = 0
    if hasattr(known, "EXPLICIT_BATCH"):
        flags |= 1 << int(known.EXPLICIT_BATCH)
    if strong:
        flags |= 1 << int(known.STRONGLY_TYPED)
    return flags


def _allow(trt: Any, config: Any, precision: str) -> None:
    """Allow the arithmetic of the file's precision; TF32, which rounds float32, is not."""
    config.clear_flag(trt.BuilderFlag.TF32)
    if precision in ("float16", "int8"):
        config.set_flag(trt.BuilderFlag.FP16)
    if precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)


def _tensorrt() -> Any:
    return load("tensorrt")


def _log(trt: Any) -> Any:
    return trt.Logger(trt.Logger.WARNING)


def _found(trt: Any, engine: Any, index: int) -> FoundTensor[str]:
    name = engine.get_tensor_name(index)
    shape = tuple(int(size) for size in engine.get_tensor_shape(name))
    dtype = _DTYPES.get(str(engine.get_tensor_dtype(name)).rpartition(".")[2], "unknown")
    return FoundTensor(name, shape, dtype, name)


_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
}


def _is_input(trt: Any, engine: Any, name: str) -> bool:
    return bool(engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)


def _bytes(tensor: FoundTensor[str]) -> int:
    return int(empty(tensor.shape, tensor.dtype).nbytes) if tensor.dtype != "unknown" else 0


def _contiguous(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array if array.flags.c_contiguous else array.copy()


def _build_hint(package: ModelPackage) -> str:
    return f"build it, once per device: edge-emo compile {package.id} --on-device"


def _digest(facts: list[str]) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _cache_dir() -> Path:
    folder = user_cache_dir() or Path(tempfile.gettempdir(), f"edge-emo-{os.geteuid()}")
    return folder / "tensorrt"


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_kept(path, content)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be written: {error.strerror}",
            hint="make room, or set XDG_CACHE_HOME to a folder that can be written",
        ) from error
