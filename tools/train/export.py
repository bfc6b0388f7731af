"""From a torch module to a model package: ONNX, TFLite, model.toml, parity with torch.

Common to all models. A training script builds a :class:`Package`, calls :func:`write_package`,
and then :func:`measure` for each manifest of clips; the card follows from what these wrote.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import card
import numpy as np
import numpy.typing as npt
import quantize
import torch

from edge_emo.estimators.calibration import softmax
from edge_emo.manifest.write import file_entry, read_table, to_toml

Sample = tuple[npt.NDArray[Any], ...]
METRICS = ("accuracy", "unweighted_average_recall", "macro_f1", "expected_calibration_error")
INT8 = "model.int8.tflite"
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Tensor:
    """One input or output of the network, as model.toml declares it."""

    name: str
    shape: tuple[int, ...]
    layout: str
    dtype: str = "float32"
    colour: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Package:
    """Everything of model.toml that the files do not say themselves.

    Attributes:
        id: Name of the folder below models/.
        modality: face, voice, text, eeg or physio.
        summary: One sentence.
        licence: ``weights``, ``commercial`` and ``corpora``, a list of name and licence.
        inputs: In the order of the module's arguments.
        outputs: In the order of what it returns; the first one holds the logits.
        features: Parameters of the feature code.
        dimensions: ``source`` and tables ``valence``, ``arousal``, ``dominance``.
        temperature: Fitted on validation data.
        reliability: From validation: see ``calibrate.reliability``.
        precision: What the module itself stores most of its weights as.
    """

    id: str
    modality: str
    summary: str
    licence: Mapping[str, Any]
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    features: Mapping[str, Any]
    dimensions: Mapping[str, Any]
    temperature: float
    reliability: float
    version: str = "1.0.0"
    default: bool = True
    precision: str = "float32"


@dataclass(frozen=True)
class Record:
    """What metrics.json and the card say besides evaluations.

    Attributes:
        training: How it was trained and its validation figures, as measured.
        tried: One entry per attempt: ``what`` in words, ``figures`` as measured, ``kept``.
        words: Texts of the card: see ``card.WORDS``.
    """

    training: Mapping[str, Any]
    tried: Sequence[Mapping[str, Any]]
    words: Mapping[str, Any]


def write_package(
    module: torch.nn.Module,
    package: Package,
    record: Record,
    samples: Sequence[Sample],
    folder: Path,
) -> None:
    """Export a module and write model.toml, metrics.json and card.md beside the files.

    Args:
        module: In evaluation mode after the call.
        package: What the manifest declares.
        record: What the card tells.
        samples: Inputs to compare the files with torch on, batch axis included, in the order
            of ``package.inputs``; the first one is the example that is traced.
        folder: Named like ``package.id``; made when absent, its files replaced.

    Raises:
        ValueError: The folder's name is not the package's, or a file disagrees with torch.
    """
    if folder.name != package.id:
        raise ValueError(f"folder {folder.name} for package {package.id}")
    folder.mkdir(parents=True, exist_ok=True)
    module = module.eval().to(memory_format=torch.contiguous_format)
    example = tuple(torch.from_numpy(array) for array in samples[0])
    write_onnx(module, example, package, folder / "model.onnx")
    write_tflite(module, example, folder / "model.tflite")
    reference = [_torch_logits(module, sample) for sample in samples]
    parity = [
        compare(reference, run_onnx(folder / "model.onnx", samples), "model.onnx"),
        compare(reference, run_tflite(folder / "model.tflite", samples), "model.tflite"),
    ]
    files = [
        file_entry(folder / "model.tflite", "tflite", package.precision),
        file_entry(folder / "model.onnx", "onnx", package.precision),
    ]
    write_toml(folder, manifest(package, files))
    write_json(folder, {"model": package.id, **asdict(record), "parity": parity, "evaluations": []})
    card.write_card(folder)


def add_int8(folder: Path, calibration: Sequence[Sample], held_out: Sequence[Sample]) -> None:
    """Add ``model.int8.tflite`` to a package, after the float files.

    Args:
        folder: The model package; its ``model.tflite`` is quantised.
        calibration: Inputs that the ranges are taken from.
        held_out: Inputs that it is compared with the float file on.
    """
    path = folder / INT8
    arrays = [sample[0] for sample in calibration]
    quantize.write_int8(folder / "model.tflite", arrays, path)
    table = read_table(folder)
    kept = [row for row in table["files"] if row["path"] != INT8]
    write_toml(folder, {**table, "files": [*kept, file_entry(path, "tflite", "int8")]})
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    parity = differences(
        run_tflite(folder / "model.tflite", held_out), run_tflite(path, held_out), INT8
    )
    rows = [row for row in metrics["parity"] if row["file"] != INT8]
    write_json(folder, {**metrics, "parity": [*rows, parity]})
    card.write_card(folder)


def drop_int8(folder: Path) -> None:
    """Take the int8 file out of a package; what was measured on it stays in metrics.json."""
    (folder / INT8).unlink()
    table = read_table(folder)
    kept = [row for row in table["files"] if row["path"] != INT8]
    write_toml(folder, {**table, "files": kept})
    card.write_card(folder)


def add_metrics(folder: Path, entries: Mapping[str, Any]) -> None:
    """Put entries into metrics.json in place of those of the same name; renew the card."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    write_json(folder, {**metrics, **entries})
    card.write_card(folder)


def add_table(folder: Path, table: Mapping[str, Any]) -> None:
    """Put a table of the card into metrics.json in place of that of the same title."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    others = [one for one in metrics.get("tables", []) if one["title"] != table["title"]]
    add_metrics(folder, {"tables": [*others, table]})


def measure(
    folder: Path, split: str, manifest: Path, backends: Sequence[str], precision: str = ""
) -> None:
    """Evaluate the exported files on a manifest of clips and take the figures into the package.

    Args:
        folder: The model package.
        split: What the clips are, in words, for model.toml and the card.
        manifest: JSON lines, see "Manifest of clips" in the documentation.
        backends: Names of backends to measure with, the first one first in model.toml.
        precision: The one precision of files to measure; empty for the first file that fits.
    """
    from edge_emo.evaluation.evaluate import evaluate
    from edge_emo.manifest import read_package

    named = {"precision": precision} if precision else {}
    entries = []
    for backend in backends:
        package = read_package(folder)
        result = evaluate(package, manifest, backend=backend, precision=precision or None)
        entries.append({"split": split, **named, **result.to_json()})
    take_evaluations(folder, entries)


def take_evaluations(folder: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Take evaluations into metrics.json, model.toml and the card, in place of the same splits."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    new = {(entry["split"], entry.get("precision", "")) for entry in entries}
    kept = [e for e in metrics["evaluations"] if (e["split"], e.get("precision", "")) not in new]
    for entry in entries:
        print(f"{entry['split']}, {entry['backend']}: {[(k, entry[k]) for k in ('n', *METRICS)]}")
    metrics["evaluations"] = kept = [*kept, *entries]
    write_json(folder, metrics)
    manifest_table = read_table(folder)
    manifest_table["metrics"] = [
        {key: row[key] for key in ("split", "backend", "precision", "n", *METRICS) if key in row}
        for row in kept
        if row["accuracy"] is not None
    ]
    write_toml(folder, manifest_table)
    card.write_card(folder)


def write_onnx(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], package: Package, path: Path
) -> None:
    """Write ONNX, opset 18, static shapes, tensors named as in the manifest."""
    import onnx

    torch.onnx.export(
        module,
        example,
        path,
        dynamo=True,
        opset_version=18,
        external_data=False,
        input_names=[tensor.name for tensor in package.inputs],
        output_names=[tensor.name for tensor in package.outputs],
        verbose=False,
    )
    model = onnx.load(path)
    _forget_origin(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def write_tflite(module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path) -> None:
    """Write TFLite in float32; inputs and outputs keep the module's order and layout."""
    import litert_torch

    litert_torch.convert(module, example).export(str(path))


def run_onnx(path: Path, samples: Sequence[Sample]) -> list[npt.NDArray[np.float32]]:
    """Return the first output of an ONNX file for each sample."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    return [session.run(None, dict(zip(names, s, strict=True)))[0] for s in samples]


def run_tflite(path: Path, samples: Sequence[Sample]) -> list[npt.NDArray[np.float32]]:
    """Return the first output of a TFLite file for each sample."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path), num_threads=1).get_signature_runner()
    names = sorted(runner.get_input_details(), key=lambda name: int(name.rpartition("_")[2]))
    dtypes = [runner.get_input_details()[name]["dtype"] for name in names]
    outputs = []
    for sample in samples:
        cast = [array.astype(dtype) for array, dtype in zip(sample, dtypes, strict=True)]
        outputs.append(runner(**dict(zip(names, cast, strict=True)))["output_0"])
    return outputs


def compare(
    reference: Sequence[npt.NDArray[np.float32]],
    answer: Sequence[npt.NDArray[np.float32]],
    name: str,
) -> dict[str, Any]:
    """Compare a file's logits with torch's.

    Returns:
        File name, number of samples, share of equal top labels, greatest difference between
        two posteriors.

    Raises:
        ValueError: A top label differs, or a posterior by more than 0.001.
    """
    found = differences(reference, answer, name)
    gap, same = found["posterior_difference"], found["same_label"]
    if gap > TOLERANCE or same < 1.0:
        raise ValueError(f"{name}: posterior differs by {gap:.2g}, {same:.1%} of labels agree")
    return found


def differences(
    reference: Sequence[npt.NDArray[np.float32]],
    answer: Sequence[npt.NDArray[np.float32]],
    name: str,
) -> dict[str, Any]:
    """Return what :func:`compare` returns, whatever it is."""
    ours, theirs = np.concatenate(reference), np.concatenate(answer)
    gap = float(np.abs(softmax(ours) - softmax(theirs)).max())
    same = float((ours.argmax(1) == theirs.argmax(1)).mean())
    return {"file": name, "n": len(ours), "same_label": same, "posterior_difference": gap}


def _torch_logits(module: torch.nn.Module, sample: Sample) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        answer = module(*(torch.from_numpy(array) for array in sample))
    return (answer if isinstance(answer, torch.Tensor) else answer[0]).numpy()


def _forget_origin(model: Any) -> None:
    """Drop the exporter's notes: they hold paths of the machine that trained."""
    model.doc_string = ""
    del model.metadata_props[:]
    for entry in (model.graph, *model.graph.node, *model.graph.value_info, *model.functions,
                  *model.graph.input, *model.graph.output, *model.graph.initializer):  # fmt: skip
        entry.doc_string = ""
        del entry.metadata_props[:]


def manifest(package: Package, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the table of model.toml; ``files`` are rows of :func:`file_entry`."""
    table = {
        key: getattr(package, key) for key in ("id", "version", "modality", "default", "summary")
    }
    return {
        **table,
        "licence": package.licence,
        "features": package.features,
        "calibration": {"temperature": package.temperature},
        "dimensions": package.dimensions,
        "fusion": {"reliability": package.reliability},
        "files": list(files),
        "inputs": [tensor_entry(tensor) for tensor in package.inputs],
        "outputs": [tensor_entry(tensor) for tensor in package.outputs],
    }


def tensor_entry(tensor: Tensor) -> dict[str, Any]:
    """Return the row of a tensor for ``[[inputs]]`` or ``[[outputs]]``."""
    return {key: value for key, value in asdict(tensor).items() if value not in (None, ())}


def write_toml(folder: Path, table: Mapping[str, Any]) -> None:
    """Write ``model.toml``."""
    _replace(folder / "model.toml", to_toml(table))


def write_json(folder: Path, table: Mapping[str, Any]) -> None:
    """Write ``metrics.json``."""
    _replace(folder / "metrics.json", json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def _replace(path: Path, text: str) -> None:
    """Write beside and rename, so that a broken run leaves the former file."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False
    ) as part:
        part.write(text)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)
