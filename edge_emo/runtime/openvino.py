"""OpenVINO: IR, .onnx and .tflite files on Intel (and other x86-64 or Arm) CPUs, GPUs and NPUs.

Three traps shape this file. Without a hint the CPU plug-in computes in bfloat16 where the CPU
can, so that results differ between machines: float32 is always asked for. Compiling some depthwise
convolutions never returns and cannot be interrupted: a file is first compiled in a child process
with a time-out, once per machine. And ``import openvino`` imports its converter, which reports the
import to a server: see :func:`_openvino`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from edge_emo.errors import ClosedError, ModelError, UnavailableError
from edge_emo.manifest import ModelFile, ModelPackage, TensorSpec
from edge_emo.runtime.base import Backend, LoadedModel, Tensors, run_error
from edge_emo.runtime.cache import (
    cpu_line,
    is_own_folder,
    read_kept,
    user_cache_dir,
    write_kept,
)
from edge_emo.runtime.tensors import FoundTensor, check_inputs, match_tensors
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

logger = logging.getLogger(__name__)

TRIAL_TIMEOUT_S = 30.0
"""Far above what a model of this project takes (under 1 s on x86), far below for ever."""

_DRIVERS = {
    "GPU": "sudo apt-get install intel-opencl-icd, and let the user into the group render",
    "NPU": "install Intel's NPU driver: https://github.com/intel/linux-npu-driver",
}

_CONVERTER = "openvino.tools.ovc"

# The child gets the parent's import path: it may run from a checkout, and this folder holds
# modules named as vendor packages are, so it must not become the child's first entry.
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from edge_emo.runtime.openvino import try_compile; try_compile(*sys.argv[2:])"
)


class OpenVinoBackend(Backend):
    """Runs files with OpenVINO's CPU plug-in, in float32.

    What was compiled is kept in the cache folder, so that the next start reads it there. It is not
    OpenVINO's own cache, which takes whatever lies in its folder.

    Args:
        trial: Command that compiles a file and ends with 0; the file's path is appended.
        timeout_s: Longest that it may take.
        cache_dir: Where successes and compiled models are kept; None for the user's cache folder.
    """

    name = "openvino"
    formats = ("openvino-ir", "onnx", "tflite")
    target = "openvino"
    device: ClassVar[str] = "CPU"

    def __init__(
        self,
        trial: Sequence[str] | None = None,
        timeout_s: float = TRIAL_TIMEOUT_S,
        cache_dir: Path | None = None,
    ) -> None:
        self._trial = list(trial or (sys.executable, "-c", _CHILD, json.dumps(sys.path)))
        self._timeout_s = timeout_s
        self._cache_dir = cache_dir or _user_cache_dir()

    def probe(self) -> str:
        """Return OpenVINO's version after making a core with it."""
        version, core = _openvino().__version__, _core()
        if not _finds(core, self.device):
            devices = ", ".join(core.available_devices) or "nothing"
            raise UnavailableError(
                f"OpenVINO finds no {self.device} here, only {devices}",
                hint=_DRIVERS.get(self.device, ""),
            )
        return f"openvino {version.partition('-')[0]}"

    def load(self, package: ModelPackage, file: ModelFile, *, threads: int = 1) -> LoadedModel:
        """Load a file, after a trial in a child process; see :meth:`Backend.load`.

        Raises:
            ModelIntegrityError: Also when the file was altered while it was tried or compiled.
        """
        facts = _facts(package, file, self.device)
        self._try_once(package, file, facts)
        try:
            compiled = self._compiled(package, file, facts, _settings(self.device, threads))
        except RuntimeError as error:
            raise _refused(package.path(file), _last_line(str(error))) from error
        return _OpenVinoModel(self.name, package, file, compiled)

    def _compiled(
        self, package: ModelPackage, file: ModelFile, facts: list[str], settings: Mapping[str, Any]
    ) -> Any:
        """Return a file compiled, or what is kept of that."""
        if self._cache_dir is None or not _can_export(self.device):
            return self._compiled_now(package, file, settings)
        own = [_name(self.device), *(f"{key} {value}" for key, value in settings.items())]
        place = self._cache_dir / "blobs" / f"{_digest([*facts, *own])}.blob"
        compiled = _kept(place, self.device, settings)
        if compiled is None:
            compiled = self._compiled_now(package, file, settings)
            keep(place, compiled)
        return compiled

    def _compiled_now(
        self, package: ModelPackage, file: ModelFile, settings: Mapping[str, Any]
    ) -> Any:
        """Return a file compiled; OpenVINO reads it by its path, so it is checked once more."""
        compiled = _compile(package.path(file), self.device, settings)
        package.verify(file)
        return compiled

    def _try_once(self, package: ModelPackage, file: ModelFile, facts: list[str]) -> None:
        path = package.path(file)
        if self._cache_dir is None:
            self._try_in_child(path)
            return
        mark = self._cache_dir / _digest(facts)
        with contextlib.suppress(OSError):  # a home that may not be entered costs one, too
            if mark.exists():
                return
        self._try_in_child(path)
        package.verify(file)
        with contextlib.suppress(OSError):  # a read-only home costs a trial at every start
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()

    def _try_in_child(self, path: Path) -> None:
        try:
            child = subprocess.run(
                [*self._trial, str(path), *([] if self.device == "CPU" else [self.device])],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _refused(path, f"it did not end within {self._timeout_s:g} s") from error
        except OSError as error:
            raise _refused(path, f"the trial process did not start: {error}") from error
        if child.returncode < 0:
            raise _refused(path, f"it was killed by {signal.Signals(-child.returncode).name}")
        if child.returncode > 0:
            raise _refused(path, _last_line(child.stderr.decode(errors="replace")))


class OpenVinoGpuBackend(OpenVinoBackend):
    """Runs files with OpenVINO's GPU plug-in, in the precision that it prefers."""

    name = "openvino-gpu"
    device = "GPU"


class OpenVinoNpuBackend(OpenVinoBackend):
    """Runs files with OpenVINO's NPU plug-in, in the precision that it prefers."""

    name = "openvino-npu"
    device = "NPU"


class _OpenVinoModel(LoadedModel):
    def __init__(self, backend: str, package: ModelPackage, file: ModelFile, compiled: Any) -> None:
        self.backend = backend
        wanted_in = {spec.name for spec in package.inputs}
        wanted_out = {spec.name for spec in package.outputs}
        found_in = [_found(i, port, wanted_in) for i, port in enumerate(compiled.inputs)]
        found_out = [_found(i, port, wanted_out) for i, port in enumerate(compiled.outputs)]
        self._specs: tuple[TensorSpec, ...] = package.inputs
        # OpenVINO reads a .tflite without its signatures: its own order may be another.
        ordered = file.format != "tflite"
        where = f"{file.path} inputs"
        self._inputs = match_tensors(where, package.inputs, found_in, ordered=ordered)
        where = f"{file.path} outputs"
        self._outputs = match_tensors(where, package.outputs, found_out, ordered=ordered)
        self._request = compiled.create_infer_request()
        self._file = file

    def run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        if self._request is None:
            raise ClosedError("the model is closed")
        check_inputs(self._specs, inputs)
        feed = {index: inputs[name] for name, index in self._inputs.items()}
        try:
            self._request.infer(feed, share_inputs=True)
        except RuntimeError as error:
            raise run_error("OpenVINO", self._file, error) from error
        return {
            name: self._request.get_output_tensor(index).data
            for name, index in self._outputs.items()
        }

    def close(self) -> None:
        self._request = None


def try_compile(path: str, device: str = "CPU") -> None:
    """Compile a file and throw the result away: what the child process does."""
    _compile(Path(path), device, _settings(device, 1))


def keep(place: Path, compiled: Any) -> None:
    """Keep a compiled model in a file; one that cannot be kept costs its compiling at every start.

    What the plug-in says of one that it cannot export is logged.
    """
    with contextlib.suppress(OSError):  # such as a read-only home
        place.parent.mkdir(parents=True, exist_ok=True)
        if is_own_folder(place.parent):
            blob = io.BytesIO()
            try:
                compiled.export_model(blob)
            except RuntimeError as error:
                logger.warning("%s is not kept: %s", place, _last_line(str(error)))
            else:
                write_kept(place, blob.getvalue())


@cache
def _openvino() -> ModuleType:
    """Import OpenVINO without its converter, which is imported when it is first asked for.

    The converter takes most of the time of the import, writes an identifier into the user's home
    and sends a message to a server, all of it before it is used.
    """
    if "openvino" in sys.modules:  # an application's own import comes first, and stays as it is
        return load("openvino")
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # the import system's "not there"
    try:
        openvino = load("openvino")
    finally:
        del sys.modules[_CONVERTER]
    openvino.__getattr__ = _late  # type: ignore[method-assign]  # PEP 562
    return openvino


def _late(name: str) -> Any:
    if name == "convert_model":
        return load(_CONVERTER).convert_model
    raise AttributeError(f"module 'openvino' has no attribute {name!r}")


@cache
def _core() -> Any:
    """Return the one core, which loads a device's plug-in once for all models."""
    return _openvino().Core()


def _finds(core: Any, device: str) -> bool:
    """Tell whether a device works; asking for all devices would load every plug-in."""
    try:
        return bool(core.get_property(device, "FULL_DEVICE_NAME"))
    except RuntimeError:
        return False


def _name(device: str) -> str:
    return str(_core().get_property(device, "FULL_DEVICE_NAME"))


def _can_export(device: str) -> bool:
    return "EXPORT_IMPORT" in _core().get_property(device, "OPTIMIZATION_CAPABILITIES")


def _settings(device: str, threads: int) -> dict[str, Any]:
    if device != "CPU":
        return {"NUM_STREAMS": 1}
    precise = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    return {"NUM_STREAMS": 1, **precise}


def _compile(path: Path, device: str, settings: Mapping[str, Any]) -> Any:
    return _core().compile_model(str(path), device, settings)


def _kept(place: Path, device: str, settings: Mapping[str, Any]) -> Any:
    """Return the compiled model that is kept in a file; None when none is, or none for here."""
    blob = read_kept(place)
    if blob is None:
        return None
    try:
        return _core().import_model(blob, device, settings)
    except RuntimeError as error:  # such as another driver of the GPU
        reason = _last_line(str(error))
        logger.warning("%s is not read by OpenVINO and is made again: %s", place, reason)
        return None


def _found(index: int, port: Any, wanted: set[str]) -> FoundTensor[int]:
    """Describe a port, which may have several names: the wanted one when it is among them."""
    names = sorted(port.names)
    name = next((name for name in names if name in wanted), names[0] if names else f"#{index}")
    shape = tuple(int(s.get_length()) if s.is_static else -1 for s in port.partial_shape)
    return FoundTensor(name, shape, port.element_type.to_dtype().name, index)


def _refused(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"{path} cannot be compiled by OpenVINO here: {reason}",
        hint="run it with another backend (--backend litert), or with another OpenVINO version",
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"


def _facts(package: ModelPackage, file: ModelFile, device: str) -> list[str]:
    """Return what a success holds for: these bytes, this OpenVINO, this CPU."""
    weights = str(PurePosixPath(file.path).with_suffix(".bin"))
    hashes = [one.sha256 for one in package.files if one.path in (file.path, weights)]
    version = _openvino().__version__
    return [*hashes, version, device, platform.machine(), cpu_line("flags", "Features")]


def _digest(facts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _user_cache_dir() -> Path | None:
    folder = user_cache_dir()
    return folder / "openvino-compiled" if folder else None
