"""What child processes do: make a candidate, run it over inputs, time several by turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile import litert, openvino, qdq
from edge_emo.compile.correct import corrected_biases, error_of, stacked
from edge_emo.compile.gates import disagreement
from edge_emo.compile.graph import Graph, read_graph, replace_weights
from edge_emo.compile.lint import problems
from edge_emo.errors import ModelError
from edge_emo.manifest import ModelPackage, read_package
from edge_emo.runtime.autotune import autotune
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import Candidate, load_candidate
from edge_emo.runtime.tensors import match_tensors

if TYPE_CHECKING:
    import numpy.typing as npt

Arrays = Mapping[str, "npt.NDArray[Any]"]
Made = tuple[Callable[[], list[Any]], dict[str, Any]]
"""How to run what was made over the calibration inputs, and what is worth telling of it."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One candidate to make.

    Attributes:
        kind: A kind of the target.
        source: The float ONNX, its nodes named.
        path: What to write.
        seen: Calibration inputs ``a0``, ``a1`` … and those held out, ``b0``, ``b1`` …; empty
            when the kind needs none.
        in_float: Nodes that stay float32.
        package: The float package, which tells the network's task; None when there is none.
        methods: The ways to take ranges that are tried, where the target knows several.
    """

    kind: str
    source: Path
    path: Path
    seen: Arrays = field(repr=False)
    in_float: Sequence[str]
    package: ModelPackage | None
    methods: Sequence[str] = qdq.METHODS


Maker = Callable[[_Job], Made]


def make(
    target: str,
    kind: str,
    source: str,
    path: str,
    calibration: str,
    in_float: list[str],
    folder: str = "",
) -> dict[str, Any]:
    """Make one candidate; of int8 twice, the second time with corrected biases.

    Args:
        target: A row of ``targets.TARGETS``.
        kind: One of its kinds.
        source: The float ONNX, its nodes named.
        path: What to write.
        calibration: .npz of the calibration inputs ``a0``, ``a1`` … and of those held out,
            ``b0``, ``b1`` …; empty when the kind needs none.
        in_float: Nodes that stay float32.
        folder: The float package, which tells the network's task; empty when there is none.

    Returns:
        What is worth telling of how it was made.

    Raises:
        ModelError: It cannot be made.
    """
    maker: Maker = {"rpi": _make_rpi, "openvino": _make_openvino, "jetson": _make_jetson}[target]
    seen = _arrays(Path(calibration)) if calibration else {}
    package = read_package(folder) if folder else None
    job = _Job(kind, Path(source), Path(path), seen, in_float, package)
    run, result = maker(job)
    if kind.startswith("int8"):
        methods = [result["method"]] if "method" in result else job.methods
        _make_corrected(maker, replace(job, methods=methods), run())
    return result


def _make_corrected(maker: Maker, job: _Job, given: list[Any]) -> None:
    """Make a candidate again with other biases where its outputs call for them."""
    graph = read_graph(job.source)
    names = [tensor.name for tensor in graph.inputs]
    wanted = qdq.run(job.source, names, _rows(job.seen, "a"))
    better = corrected_biases(graph, wanted, given)
    if better:
        maker(replace(job, source=_mended(graph, job.source, job.path, better)))


def _mended(graph: Graph, source: Path, path: Path, better: Arrays) -> Path:
    """Return the source with other biases; what was converted already gets them too."""
    mended = path.with_suffix(".mended.onnx")
    replace_weights(source, mended, better)
    converted = _converted_place(source, path.parent)
    if converted.exists():
        place = _converted_place(mended, path.parent)
        old = [graph.weights[name] for name in better]
        litert.replace_weights(converted, place, old, list(better.values()))
    return mended


def rank(source: str, calibration: str) -> dict[str, Any]:
    """Return the nodes that lose most in int8, the worst first, with the error of each."""
    from edge_emo.compile.sensitivity import rank_nodes

    seen = _arrays(Path(calibration))
    return {"errors": rank_nodes(Path(source), _rows(seen, "a"), _rows(seen, "b"))}


def tuned(source: str, path: str, calibration: str) -> dict[str, Any]:
    """Write the network with weights that were fine-tuned for int8."""
    from edge_emo.compile.tune import tune

    seen = _arrays(Path(calibration))
    return {"losses": tune(Path(source), Path(path), _rows(seen, "a"), _rows(seen, "b"))}


def judge(folder: str, path: str, backend: str, inputs: str, outputs: str) -> dict[str, Any]:
    """Run one file of a package over inputs.

    Args:
        folder: The package.
        path: The file's path in it.
        backend: What runs it.
        inputs: .npz of arrays ``a0``, ``a1`` … in the order of the manifest's inputs.
        outputs: .npz to write: arrays by the names of the manifest's outputs.

    Returns:
        ``peak_mb``: the most memory that the process held after the first inference, before
        the inputs were read.

    Raises:
        ModelError: The backend cannot run it, or an output is not finite.
    """
    package = read_package(folder)
    file = next(file for file in package.files if file.path == path)
    model = load_candidate(package, Candidate(backend, file.path, file.precision))
    model.run({spec.name: np.zeros(spec.shape, spec.dtype) for spec in package.inputs})
    peak_mb = _peak_mb()
    answers = _run(package, model, _rows(_arrays(Path(inputs)), "a"))
    np.savez(outputs, **answers)
    return {"peak_mb": peak_mb}


def clock(folder: str, backend: str) -> dict[str, Any]:
    """Time every file of a package on one backend and one thread, by turns.

    Returns:
        By path: ``p50_ms``, ``p95_ms`` and ``cpu_ms``; or ``reason``.
    """
    record = autotune(read_package(folder), threads=(1,), backend=backend)
    keys = ("p50_ms", "p95_ms", "cpu_ms", "reason")
    return {row.path: {key: getattr(row, key) for key in keys} for row in record.rows}


def _make_rpi(job: _Job) -> Made:
    converted = _converted_place(job.source, job.path.parent)
    if not converted.exists():
        litert.convert(read_graph(job.source), converted)
    if not job.kind.startswith("int8"):
        write = litert.write_half if job.kind == "float16" else litert.write_float
        write(converted, job.path)
        return list, {}
    rows, others = _rows(job.seen, "a"), _rows(job.seen, "b")
    task = _task(job.package, read_graph(job.source))
    errors = litert.write_int8(converted, rows, others, job.path, job.in_float, disagree=task)
    return lambda: stacked(litert.run(job.path, rows)), {"error_of_blends": dict(errors)}


def _converted_place(source: Path, folder: Path) -> Path:
    """Return where the conversion of a source for Raspberry Pi is kept for the next candidate."""
    return folder / f"{source.stem}.converted.tflite"


def _task(package: ModelPackage | None, graph: Graph) -> litert.Disagree | None:
    """Return what compares answers in the task of a package."""
    if package is None:
        return None
    declared = match_tensors("outputs of the network", package.outputs, graph.outputs)
    own = {tensor: name for name, tensor in declared.items()}
    names = [own[tensor.name] for tensor in graph.outputs]

    def compare(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
        flat = [{n: a.reshape(-1, *a.shape[2:]) for n, a in zip(names, outputs, strict=True)}
                for outputs in (ours, theirs)]  # fmt: skip
        return disagreement(package, *flat)

    return compare


def _make_openvino(job: _Job) -> Made:
    if not job.kind.startswith("int8"):
        openvino.write_float(job.source, job.path, half=job.kind == "float16")
        return list, {}
    rows = _rows(job.seen, "a")
    openvino.write_int8(job.source, rows, job.path, job.in_float)
    return lambda: stacked(openvino.run(job.path, rows)), {}


def _make_jetson(job: _Job) -> Made:
    if not job.kind.startswith("int8"):
        qdq.write_float(job.source, job.path, half=job.kind == "float16")
        _lint(job.path)
        return list, {}
    graph = read_graph(job.source)
    names = [tensor.name for tensor in graph.inputs]
    rows, others = _rows(job.seen, "a"), _rows(job.seen, "b")
    wanted, task = qdq.run(job.source, names, others), _task(job.package, graph)
    told: dict[str, Any] = {}
    part = job.path.with_suffix(".part.onnx")
    for method in job.methods:
        qdq.write_int8(job.source, names, rows, part, job.in_float, method=method)
        given = qdq.run(part, names, others)
        told[method] = [task(wanted, given) if task else 0.0, error_of(wanted, given)]
        if told[method] == min(told.values()):
            part.replace(job.path)
    _lint(job.path)
    best = min(told, key=lambda method: told[method])
    return lambda: qdq.run(job.path, names, rows), {"disagreement_and_error": told, "method": best}


def _lint(path: Path) -> None:
    if found := problems(read_graph(path)):
        raise ModelError(f"TensorRT would not take it: {'; '.join(found[:3])}")


def _run(
    package: ModelPackage, model: LoadedModel, rows: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    names = [spec.name for spec in package.inputs]
    answers: dict[str, list[Any]] = {spec.name: [] for spec in package.outputs}
    for row in rows:
        outputs = model.run(dict(zip(names, row, strict=True)))
        for name, kept in answers.items():
            kept.append(np.array(outputs[name]))
    stacked = {name: np.concatenate(kept) for name, kept in answers.items()}
    for name, values in stacked.items():
        if not np.isfinite(values).all():
            raise ModelError(f"output {name} is not finite")
    return stacked


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _rows(arrays: Arrays, letter: str) -> list[list[Any]]:
    names = sorted((name for name in arrays if name.startswith(letter)), key=lambda n: int(n[1:]))
    columns = [arrays[name] for name in names]
    return [[column[k : k + 1] for column in columns] for k in range(len(columns[0]))]


def _peak_mb() -> float:
    # Not getrusage: a child's begins at what its parent held.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = next(line for line in lines if line.startswith("VmHWM"))
    return round(int(found.split()[1]) / 1024, 1)
