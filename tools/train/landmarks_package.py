"""The package of the landmark network: files, manifest, figures, card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import detector_data
import export
import landmarks_fit
import latency
import numpy as np
import numpy.typing as npt
import quantize
import torch
from card import _section, _table
from detector_card import LICENCE, write_face_card

from edge_emo.estimators.face_finder import PackagedDetector, PackagedLandmarks
from edge_emo.features.face_detector import DetectedFace, box_overlap, detected
from edge_emo.manifest import read_package
from edge_emo.runtime.choose import load_model

SUMMARY = "Five landmarks of a face that a detector has found, from a 48 px grey crop."
VERSION = "1.0.0"
TOLERANCE = 1e-3
CALIBRATION = 400
IOU = 0.4
LEAST_PX = 24.0
FILES = (("model.tflite", "tflite", "float32"), ("model.int8.tflite", "tflite", "int8"),
         ("model.onnx", "onnx", "float32"))  # fmt: skip
"""Float first: rounding lets a landmark leap where two machines' crops differ by a grey level."""
WORDS = {
    "data": "The faces of 493 scenes, most of them masked, and of 1,295 grey crops of LFW, cut "
    "out upright by the landmarks of a stronger detector (the teacher), which are the target. "
    "In training a crop is shifted, turned and scaled as a detector's landmarks would be off, "
    "mirrored, and given poor light, blur, few pixels, noise and JPEG.",
    "split": [
        "As face-detector-small: pictures with a fixed seed; scenes 70 % training, 15 % "
        "validation, 15 % test; crops 82 %, 9 %, 9 %.",
        "Figures below are of test pictures, through detector and landmarks as a camera's "
        "frame goes through them.",
    ],
    "intended_use": ["Framing a face for an expression model; a rough pose of the head."],
    "not_for": [
        "Identifying people, or measuring faces.",
        "Commercial products: see the licences.",
    ],
    "limits": [
        "Where nose and mouth are under a mask is a guess, the teacher's and this network's.",
        "Faces in profile have both eyes nearly in one place: there the error over the eyes' "
        "distance says little, and those with less than 0.15 of the box between the eyes are "
        "left out of the figures.",
        "LFW shows few women, children and dark-skinned people; figures by age, sex and skin "
        "colour were not measured.",
    ],
}  # fmt: skip


def export_package(data: Path, checkpoint: Path, folder: Path) -> None:
    """Write files, model.toml, metrics.json and card of a checkpoint."""
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = landmarks_fit.LandmarkNet()
    net.load_state_dict(kept["state"])
    parts = detector_data.load(data, 0)
    rows = landmarks_fit.pieces(
        parts["scenes"]["train"][:150] + parts["crops"]["train"][:150], False
    )
    crops, _, _ = landmarks_fit.draw(rows, CALIBRATION, torch.Generator().manual_seed(0))
    parity = write_files(net.eval(), [crop[None].numpy() for crop in crops], folder)
    settings = {"size_px": landmarks_fit.INPUT_PX, "unit_px": landmarks_fit.UNIT_PX}
    export.write_toml(folder, _manifest(folder, settings))
    training = {
        **kept["options"], "first run": kept["first"],
        "parameters": sum(p.numel() for p in net.parameters()),
        "faces": kept["faces"], "minutes on one shared CPU thread": kept["minutes"],
        "log": kept["log"],
    }  # fmt: skip
    content = {"model": folder.name, "training": training, "tried": tried(), "words": WORDS,
               "parity": parity, "evaluations": []}  # fmt: skip
    export.write_json(folder, content)
    write_card(folder)


def write_files(
    net: torch.nn.Module, samples: Sequence[npt.NDArray[np.float32]], folder: Path
) -> list[dict[str, Any]]:
    """Write ONNX, TFLite and int8 TFLite, and compare them with torch.

    Raises:
        ValueError: A float file differs from torch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    example = (torch.from_numpy(samples[0]),)
    export.write_onnx(net, example, _declared(folder.name, {}), folder / "model.onnx")
    export.write_tflite(net, example, folder / "model.tflite")
    int8 = folder / "model.int8.tflite"
    quantize.write_int8(folder / "model.tflite", samples, int8)
    with torch.no_grad():
        wanted = net(torch.from_numpy(np.concatenate(samples[:64]))).numpy()
    rows = []
    for name, run in (("model.onnx", export.run_onnx), ("model.tflite", export.run_tflite),
                      ("model.int8.tflite", export.run_tflite)):  # fmt: skip
        answer = np.concatenate(run(folder / name, [(sample,) for sample in samples[:64]]))
        gap = float(np.abs(answer - wanted).max())
        rows.append({"file": name, "n": 64, "output_difference": gap})
        if "int8" not in name and gap > TOLERANCE:
            raise ValueError(f"{name}: an output differs from torch by {gap:.2g}")
    return rows


def evaluate(data: Path, folder: Path) -> None:
    """Measure the error of detector alone and with landmarks, on test pictures."""
    parts = detector_data.load(data, 0)
    detector = read_package(folder.parent / "face-detector-small")
    runs = []
    for backend, precision in (("litert", "int8"), ("litert", "float32"), ("onnx", "float32")):
        package = read_package(folder)
        placed = PackagedLandmarks(package, load_model(package, backend=backend,
                                                       precision=precision))  # fmt: skip
        finds = load_model(detector, backend="litert", precision="int8")
        found = PackagedDetector(detector, finds)
        for kind, kinds in _KINDS.items():
            for name, keep in kinds.items():
                row = _errors(found, placed, parts[kind]["test"], keep)
                runs.append({"faces": name, "backend": backend, "precision": precision, **row})
                print(runs[-1], flush=True)
        found.close()
        placed.close()
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    times = {"what": latency.WORDS, "rows": latency.table(folder)}
    export.write_json(folder, {**metrics, "evaluations": runs, "latency": times})
    write_card(folder)


_KINDS: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    "crops": {"bare, close crops": lambda mask: True},
    "scenes": {
        "bare, in scenes": lambda mask: mask == "without_mask",
        "masked, in scenes": lambda mask: mask == "with_mask",
    },
}


def _errors(
    detector: PackagedDetector, placed: PackagedLandmarks,
    pictures: Sequence[detector_data.Picture], keep: Callable[[str], bool],
) -> dict[str, Any]:  # fmt: skip
    before, after = [], []
    for picture in pictures:
        plain = [f for f in detector.detect(picture.pixels) if f.score >= detector.begin_score]
        pairs = _pairs(plain, picture.faces, keep)
        moved = placed.refined(picture.pixels, [plain[k] for k, _ in pairs])
        for (k, j), new in zip(pairs, moved, strict=True):
            before.append(_error(plain[k], picture.faces.points[j]))
            after.append(_error(new, picture.faces.points[j]))
    return {
        "n": len(after),
        "detector_alone": round(float(np.mean(before)), 4),
        "error": round(float(np.mean(after)), 4),
        "median": round(float(np.median(after)), 4),
    }


def _pairs(
    found: Sequence[DetectedFace], known: detector_data.Faces, keep: Callable[[str], bool]
) -> list[tuple[int, int]]:
    """Return which detection is which known face, at most eight a picture."""
    pairs = []
    shared = box_overlap(detected(found), known.boxes)
    for j, (box, points, mask) in enumerate(
        zip(known.boxes, known.points, known.masked, strict=True)
    ):
        apart = float(np.hypot(*(points[0] - points[1])))
        large = float((box[2:] - box[:2]).min()) >= LEAST_PX
        if len(found) and large and keep(mask) and apart >= 0.15 * float(box[2] - box[0]):
            k = int(shared[:, j].argmax())
            pairs += [(k, j)] if shared[k, j] >= IOU else []
    return pairs[:8]


def _error(face: DetectedFace, points: detector_data.Floats) -> float:
    apart = np.hypot(*(points[0] - points[1]))
    return float(np.hypot(*(np.array(face.points) - points).T).mean() / apart)


def write_card(folder: Path) -> None:
    """Write ``card.md``; no figure from anywhere else than the package."""
    write_face_card(
        folder, lambda model: [_MEANING], lambda metrics: [_section("Figures", _figures(metrics))]
    )


_MEANING = (
    "`image` is the crop that the detector's landmarks frame as FER2013 frames a face, grey, "
    "mean 0 and deviation 1. `points`: x and y of right eye, left eye, nose, right and left "
    "corner of the mouth, less the template's, in units of 4 px of the crop."
)


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    rows = [
        [run["faces"], f"{run['precision']} of {run['backend']}", str(run["n"]),
         *(f"{run[key]:.3f}" for key in ("detector_alone", "error", "median"))]
        for run in metrics["evaluations"]
    ]  # fmt: skip
    head = ["faces", "file", "n", "detector alone", "with landmarks", "median with landmarks"]
    times = [
        [row["precision"], row["backend"], f"{row['p50_ms']:.3f}"]
        for row in metrics.get("latency", {}).get("rows", [])
    ]
    return [
        "Measured by `python tools/train/landmarks.py evaluate` on the exported files: mean "
        "distance to the teacher's landmarks over the distance between the eyes, of test faces "
        "of 24 px and more that `face-detector-small` (int8) finds.",
        "",
        *_table(head, rows),
        *(["", *_table(["file", "backend", "ms a face, network alone"], times)] if times else []),
    ]


def tried() -> list[dict[str, Any]]:
    """Return what was tried, from the list beside this file."""
    path = Path(__file__).with_name("landmarks_tried.json")
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def _manifest(folder: Path, features: Mapping[str, Any]) -> dict[str, Any]:
    package = _declared(folder.name, features)
    return {
        "id": folder.name, "version": VERSION, "task": "landmarks", "modality": "face",
        "default": True, "summary": SUMMARY, "licence": dict(LICENCE), "features": dict(features),
        "files": [export.file_entry(folder / name, kind, what) for name, kind, what in FILES],
        "inputs": [export.tensor_entry(tensor) for tensor in package.inputs],
        "outputs": [export.tensor_entry(tensor) for tensor in package.outputs],
    }  # fmt: skip


def _declared(name: str, features: Mapping[str, Any]) -> export.Package:
    side = landmarks_fit.INPUT_PX
    return export.Package(
        id=name, modality="face", summary="", licence={}, features=features, dimensions={},
        inputs=[export.Tensor("image", (1, 1, side, side), "NCHW", colour="grey")],
        outputs=[export.Tensor("points", (1, 10), "NC")],
        temperature=1.0, reliability=0.0, default=False,
    )  # fmt: skip
