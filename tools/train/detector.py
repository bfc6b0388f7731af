"""The face detector: train, export, evaluate.

    python tools/train/detector.py --data DIR --out models/face-detector-small
    python tools/train/detector.py evaluate --data DIR --out models/face-detector-small

``--data`` is the folder that holds ``detection/`` and ``diffusionfer/``. Without a step, all
three run. ``train`` keeps ``--checkpoint``; ``export`` chooses the threshold on validation
scenes and writes the package; ``evaluate`` measures the exported files on test scenes;
``threshold`` chooses the threshold of each file alone.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import detector_card
import detector_data
import detector_export
import detector_fit
import detector_label
import detector_net
import export
import numpy as np
import numpy.typing as npt
import torch
from detector_augment import Painter, Sketches
from detector_gallery import Gallery
from detector_score import FLOOR, breakdown, summary, tally, tally_at_input
from latency import RUNS

from edge_emo.features.face_detector import (
    DetectorSettings,
    FaceDetector,
    detector_settings,
    fit,
)
from edge_emo.manifest import ModelFile, ModelPackage, read_package
from edge_emo.runtime.choose import Candidate, load_candidate

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

VERSION = "1.1.0"
STEPS = ("train", "export", "evaluate")
SUMMARY = "Boxes and five landmarks of all faces in a colour picture, bare or masked."
CALIBRATION = 200
"""Scenes that int8 ranges are taken from."""
SPLIT_SEED = 0
SMALL: Mapping[str, float] = {"small_px": 15.0, "small_share": 0.75}
"""What small faces lose of their score; chosen on validation scenes, see what was tried."""


class TorchModel:
    """A torch network that runs like a loaded model."""

    def __init__(self, net: torch.nn.Module) -> None:
        self._net = net.eval()

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return the maps by name."""
        device = next(self._net.parameters()).device
        with torch.no_grad():
            maps = self._net(torch.from_numpy(inputs["image"]).to(device))
        return {k: m.cpu().numpy() for k, m in zip(detector_net.OUTPUTS, maps, strict=True)}


def main() -> None:
    """Run one step, or all."""
    arguments = _parser().parse_args()
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.benchmark = True
    cv2.setNumThreads(arguments.threads)
    steps = {"train": _train, "export": _export, "evaluate": _evaluate, "threshold": _threshold}
    for step in STEPS if arguments.step == "all" else [arguments.step]:
        steps[step](arguments)


def train(
    data: Path, options: detector_fit.Options, checkpoint: Path, start: Path | None = None
) -> None:
    """Fit and keep weights, options, log and duration.

    Args:
        data: Holds ``detection/`` and ``diffusionfer/``.
        options: Of the run.
        checkpoint: Written at the end; at each validation too, without a log.
        start: A checkpoint to go on from.
    """
    first = torch.load(start, map_location="cpu", weights_only=True) if start else {}
    parts = detector_data.load(data, SPLIT_SEED)
    scenes, valid = parts["scenes"]["train"], parts["scenes"]["valid"]
    bare = [p for p in parts["crops"]["train"] if len(p.faces.boxes)]
    print(f"{len(scenes)} scenes, {len(bare)} faces", flush=True)
    gallery = Gallery(scenes, options.device)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    size = (options.width, options.height)

    def source(part: int, net: torch.nn.Module) -> detector_fit.Source:
        faces = Gallery(bare + (_synthetic(data, net) if part else []), options.device)
        seed = [options.seed, part]
        sketches = Sketches(gallery.listing, faces.listing, options.batch, size, seed)
        return sketches, Painter(gallery, faces, options.device)

    def judge(net: torch.nn.Module) -> dict[str, Any]:
        _keep(net, {}, checkpoint)
        result = tally(_detector(TorchModel(net), FLOOR).detect, valid)
        return summary(result, result.threshold()) | {"threshold": result.threshold()}

    net, made, log = detector_fit.fit(source, options, judge, first.pop("state", None))
    minutes = round((time.monotonic() - began) / 60, 1)
    about = {"options": asdict(made), "log": log, "minutes": minutes, "first": first}
    _keep(net, about, checkpoint)


def _keep(net: torch.nn.Module, about: Mapping[str, Any], checkpoint: Path) -> None:
    state = {key: value.cpu() for key, value in net.state_dict().items()}
    torch.save({"state": state, **about}, checkpoint)


def _synthetic(data: Path, net: torch.nn.Module) -> list[detector_data.Picture]:
    """Return half of the synthetic faces, as far as the network can label them."""
    paths = detector_data.synthetic(data)[::2]
    faces = detector_label.label(_detector(TorchModel(net), 0.3), paths)
    print(f"labelled {len(faces)} of {len(paths)} synthetic faces", flush=True)
    return faces


def export_package(data: Path, checkpoint: Path, folder: Path, size: tuple[int, int]) -> None:
    """Write the package of a checkpoint for one input size; threshold by validation scenes.

    Args:
        data: Holds ``detection/``.
        checkpoint: As kept by :func:`train`.
        folder: Of the package.
        size: Width and height of the network's input, multiples of 32.
    """
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = detector_net.Detector()
    net.load_state_dict(kept["state"])
    parts = detector_data.load(data, SPLIT_SEED)
    parity = detector_export.write_files(net, _inputs(parts["scenes"]["train"], size), folder)
    write_tables(folder, DetectorSettings(*size, **SMALL), kept, parity)
    choose_threshold(data, folder)


def choose_threshold(data: Path, folder: Path) -> None:
    """Set the threshold of each file of a package by validation scenes.

    The package's own threshold is that of the float file which the others were made of.
    """
    package = read_package(folder)
    settings = replace(detector_settings(package.features, package.id), **SMALL)
    valid = detector_data.load(data, SPLIT_SEED)["scenes"]["valid"]
    chosen = {
        file.path: _chosen_threshold(package, file, settings, valid) for file in runnable(package)
    }
    own = next(f for f in package.files if f.format == "onnx" and not f.target).path
    table = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    table["features"] = asdict(replace(settings, threshold=chosen.pop(own)))
    for row in table["files"]:
        row.pop("threshold", None)
        row.update({"threshold": chosen[row["path"]]} if row["path"] in chosen else {})
    export.write_toml(folder, table)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    export.write_json(folder, {**metrics, "tried": _tried(), "words": detector_card.WORDS})
    detector_card.write_card(folder)


def runnable(package: ModelPackage) -> list[ModelFile]:
    """Return the files that are loaded by themselves."""
    return [file for file in package.files if file.format in RUNS]


def _chosen_threshold(
    package: ModelPackage,
    file: ModelFile,
    settings: DetectorSettings,
    pictures: list[detector_data.Picture],
) -> float:
    result = tally(loaded(package, file, replace(settings, threshold=FLOOR)).detect, pictures)
    threshold = math.ceil(result.threshold() * 1000) / 1000
    print(f"{file.path}: threshold {threshold}: {summary(result, threshold)}", flush=True)
    return threshold


def write_tables(
    folder: Path, settings: DetectorSettings, kept: Mapping[str, Any], parity: list[dict[str, Any]]
) -> None:
    """Write model.toml and metrics.json without figures, and the card."""
    features = asdict(settings)
    licence = detector_card.LICENCE
    table = detector_export.manifest(folder, features, licence, SUMMARY, VERSION)
    export.write_toml(folder, table)
    training = {
        **kept.get("options", {}),
        "parameters": sum(v.numel() for v in kept["state"].values()),
        "minutes": kept.get("minutes"),
        "log": kept.get("log"),
    }
    content = {
        "model": folder.name, "training": training, "tried": _tried(),
        "words": detector_card.WORDS, "parity": parity, "evaluations": [],
    }  # fmt: skip
    export.write_json(folder, content)
    detector_card.write_card(folder)


def evaluate(data: Path, folder: Path) -> None:
    """Measure every exported file on test scenes and take the figures into the package."""
    scenes = detector_data.load(data, SPLIT_SEED)["scenes"]
    package = read_package(folder)
    runs = [_measured(package, file, scenes["test"]) for file in runnable(package)]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    export.write_json(folder, {**metrics, "evaluations": runs})
    table = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    keys = ("split", "backend", "precision", "n", "recall", "false_per_image", "landmark_error")
    table["metrics"] = [{key: run[key] for key in keys} for run in runs]
    export.write_toml(folder, table)
    detector_card.write_card(folder)


def loaded(package: ModelPackage, file: ModelFile, settings: DetectorSettings) -> FaceDetector:
    """Return the detector of one exported file."""
    candidate = Candidate(RUNS[file.format], file.path, file.precision)
    return FaceDetector(load_candidate(package, candidate), settings)


def _measured(
    package: ModelPackage, file: ModelFile, pictures: list[detector_data.Picture]
) -> dict[str, Any]:
    settings = detector_settings(package.as_run_by(file).features, package.id)
    result = tally(loaded(package, file, replace(settings, threshold=FLOOR)).detect, pictures)
    shipped = loaded(package, file, settings)
    at_input = tally_at_input(result, pictures, settings)
    run = {
        "split": "test scenes",
        "file": file.path,
        "backend": RUNS[file.format],
        "precision": file.precision,
        "threshold": settings.threshold,
        "n": len(result.truths),
        "images": result.images,
        **summary(result, settings.threshold),
        "recall_at_0.1": round(result.recall(result.threshold()), 4),
        "recall_24px_at_input": round(at_input, 4),
        "frame_ms": _frame_ms(shipped, pictures),
        "kinds": breakdown(result, settings.threshold),
    }
    print({key: value for key, value in run.items() if key != "kinds"}, flush=True)
    return run


def _frame_ms(detector: FaceDetector, pictures: list[detector_data.Picture]) -> float:
    """Return the median processor time of one 320×240 frame, decoding included."""
    frames = [np.asarray(cv2.resize(p.pixels, (320, 240))) for p in pictures[:100]]
    times = []
    for frame in frames:
        began = time.process_time()
        detector.detect(frame)
        times.append(time.process_time() - began)
    return round(float(np.median(times)) * 1e3, 3)


def _inputs(
    scenes: list[detector_data.Picture], size: tuple[int, int]
) -> list[npt.NDArray[np.float32]]:
    """Return training scenes as the network reads them, a fifth of them in poor light."""
    inputs = []
    for number, picture in enumerate(scenes[:CALIBRATION]):
        frame = np.zeros((size[1], size[0], 3), np.uint8)
        fit(picture.pixels, frame)
        gain = np.float32(0.25 if number % 5 == 0 else 1.0)
        inputs.append((frame * gain - np.float32(detector_net.CENTRE))[np.newaxis])
    return inputs


def _detector(model: Any, threshold: float) -> FaceDetector:
    size = {"width_px": detector_net.WIDTH_PX, "height_px": detector_net.HEIGHT_PX}
    return FaceDetector(model, DetectorSettings(threshold=threshold, most=64, **size))


def _tried() -> list[dict[str, Any]]:
    path = Path(__file__).parent / "detector_tried.json"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def _train(arguments: argparse.Namespace) -> None:
    names = ("steps", "seconds", "workers", "batch", "rate", "seed", "device")
    options = detector_fit.Options(**{name: getattr(arguments, name) for name in names})
    train(arguments.data, options, arguments.checkpoint, arguments.start)


def _export(arguments: argparse.Namespace) -> None:
    size = tuple(int(side) for side in arguments.size.split("x"))
    export_package(arguments.data, arguments.checkpoint, arguments.out, (size[0], size[1]))


def _threshold(arguments: argparse.Namespace) -> None:
    choose_threshold(arguments.data, arguments.out)


def _evaluate(arguments: argparse.Namespace) -> None:
    evaluate(arguments.data, arguments.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    steps = ["all", *STEPS, "threshold"]
    parser.add_argument("step", nargs="?", choices=steps, default="all")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/face-detector-small"))
    parser.add_argument("--checkpoint", type=Path, default=Path("face-detector.pt"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=detector_fit.Options.seconds)
    parser.add_argument("--rate", type=float, default=detector_fit.Options.rate)
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw")
    parser.add_argument("--batch", type=int, default=detector_fit.Options.batch)
    parser.add_argument("--size", default="320x256", help="of the input, width x height")
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
