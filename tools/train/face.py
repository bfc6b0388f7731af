"""The face model: train on FER+ in two runs, export, measure on PublicTest.

``--data`` is the folder that holds ``fer2013plus/``. Steps, ``all`` runs the first four:

- ``train``: fit and keep ``--checkpoint``
- ``refine``: train on from ``--checkpoint`` with one more block, keep ``--refined``
- ``export``: ``--refined`` → model package ``--out``, int8 file included
- ``measure``: figures of PublicTest into the package
- ``latency``: time on this machine's backends into the package
- ``manifest``: PublicTest as pictures and manifest of clips into ``--out``

PublicTest is read for the last two only. Validation data are a part of Training.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import calibrate
import cv2
import export
import face_data
import face_fit
import face_net
import face_refine
import face_robust
import latency
import numpy as np
import torch
from torch import nn

from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.estimators.calibration import fit_temperature
from edge_emo.features.face import standardise
from edge_emo.manifest import read_package
from edge_emo.types import CATEGORIES

TEST = "FER2013 PublicTest, FER+ majority"
TEST_FER2013 = "FER2013 PublicTest, FER2013 labels"
MOST_LOST = 0.005
"""Accuracy or mean recall that int8 may lose on validation data before it is left out."""
CALIBRATION_PICTURES = 300
STEPS = ("train", "refine", "export", "measure", "latency", "manifest")
FAULTS_WORDS = (
    "PublicTest with FER+ majority, pictures made worse on purpose, LiteRT files, after every "
    "choice was made; also what the estimator would refuse. The corpus has 48 px, so that the "
    "larger sizes only show what resizing costs."
)
LICENCE = {
    "weights": "research only: trained on pictures gathered from the web",
    "commercial": False,
    "corpora": [
        {"name": "FER2013", "licence": "pictures gathered from the web: research"},
        {"name": "FER+ votes", "licence": "MIT"},
    ],
}
# Mean pleasure, arousal and dominance of the terms angry, disgusted, fearful, happy, sad and
# surprised in Russell and Mehrabian, "Evidence for a three-factor theory of emotions",
# J. Research in Personality 11, 1977. Neutral is their origin.
PAD = {
    "anger": (-0.51, 0.59, 0.25),
    "disgust": (-0.60, 0.35, 0.11),
    "fear": (-0.64, 0.60, -0.43),
    "happiness": (0.81, 0.51, 0.46),
    "neutral": (0.0, 0.0, 0.0),
    "sadness": (-0.63, -0.27, -0.33),
    "surprise": (0.40, 0.67, -0.13),
}
RARE_LIFT = 0.05
"""Share of the log prior that is taken off the logits; chosen on validation data."""
WORDS = {
    "data": "FER2013 pictures, 48×48 px grey, with the votes of ten raters of FER+. Rows whose "
    "leading vote is unknown, not a face or contempt are left out; votes for those in other "
    "rows too. The shares of the remaining votes are the training targets.",
    "split": "Training for training, less the pictures that PublicTest also has; a tenth of it, "
    "identical pictures kept together, for validation: temperature, reliability and every "
    "choice. PublicTest for the figures below only. The corpus does not say who is in a "
    "picture, so the same person may be on both sides. Pictures on which two categories tie "
    "have no label and are left out of the figures.",
    "intended_use": [
        "An estimate of the expression of one frontal face in view, as one vote of a fusion.",
        "Research and demonstration.",
    ],
    "not_for": [
        "What somebody feels or intends: a face shows an expression, not its cause.",
        "Decisions about people: hiring, schooling, credit, policing, health, insurance.",
        "Identifying or singling out people; watching people who were not told.",
        "Commercial products: see the licences.",
    ],
    "limits": [
        "Disgust and fear are rare in the corpus and the least reliable: see the confusion.",
        "Trained on still pictures gathered by search words, so expressions are often posed.",
        "Who is in the corpus is unknown; figures by age, sex and skin colour were not measured.",
        "Figures are for the corpus' crops; behind a camera, finding the face lowers them by an "
        "amount that was not measured. What blur, noise, darkness, few pixels, tilt and covering "
        "cost is under Robustness; heads turned out of the picture plane were not measured.",
        "A covered mouth misleads the network instead of making it unsure: see the calibration "
        "error of that row. The estimator must lower the quality.",
        "Valence, arousal and dominance are a table over the estimated category and know no "
        "more than it does.",
    ],
}


def main() -> None:
    """Run one step."""
    arguments = _parser().parse_args()
    torch.set_num_threads(arguments.threads)
    for step in STEPS[:4] if arguments.step == "all" else [arguments.step]:
        {
            "train": lambda given: train(given.data, _options(given), given.checkpoint),
            "refine": _refine,
            "export": lambda given: export_package(given.data, given.refined, given.out),
            "measure": lambda given: measure(given.data, given.out),
            "latency": lambda given: add_latency(given.out),
            "manifest": lambda given: write_manifest(given.data, given.out),
        }[step](arguments)


def train(data: Path, options: face_fit.Options, checkpoint: Path) -> None:
    """Fit and keep weights, options, log and duration."""
    training, valid = _split(data, options.seed)
    print(f"training on {len(training.names)}, validating on {len(valid.names)}", flush=True)
    began = time.monotonic()
    net, log = face_fit.fit(training, valid, options)
    minutes = round((time.monotonic() - began) / 60, 1)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "state": net.state_dict(), "options": asdict(options), "log": log, "minutes": minutes
    }  # fmt: skip
    torch.save(content, checkpoint)


def refine(data: Path, start: Path, checkpoint: Path, steady: int) -> None:
    """Train on from a checkpoint of :func:`train`; keep after every epoch."""
    first = torch.load(start, map_location="cpu", weights_only=True)
    options = face_refine.Options(steady=steady, seed=first["options"]["seed"])
    training, valid = _split(data, options.seed)
    began = time.monotonic()

    def keep(net: nn.Module, log: face_refine.Log) -> None:
        minutes = round((time.monotonic() - began) / 60, 1)
        content = {"state": net.state_dict(), "options": asdict(options), "log": log}
        known = {key: first[key] for key in ("options", "log", "minutes")}
        torch.save({**content, "minutes": minutes, "first": known}, checkpoint)

    face_refine.refine(first["state"], training, valid, options, keep)


def export_package(data: Path, checkpoint: Path, folder: Path) -> None:
    """Write the model package of a refined checkpoint, calibrated on its validation part."""
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = face_net.build(kept["options"]["net"])
    net.load_state_dict(kept["state"])
    training, valid = _split(data, kept["options"]["seed"])
    _lift_rare(net, training)
    logits = face_fit.logits(net, valid)
    known = valid.labels >= 0
    temperature = round(fit_temperature(logits[known], valid.labels[known]), 4)
    figures = calibrate.figures(logits, valid.labels, temperature)
    recall = figures["unweighted_average_recall"]
    package = _package(folder.name, temperature, calibrate.reliability(recall, len(CATEGORIES)))
    parameters = sum(p.numel() for p in net.parameters())
    about = {"parameters": parameters, "pictures": len(training.names), "validation": figures}
    record = export.Record(training=_about(kept, about), tried=_tried(), words=WORDS)
    export.write_package(net, package, record, _samples(valid, 64), folder)
    add_uncalibrated(folder, "validation", calibrate.figures(logits, valid.labels))
    add_int8(folder, training, valid)


def add_int8(folder: Path, training: face_data.Faces, valid: face_data.Faces) -> None:
    """Add the int8 file, unless it costs too much on validation data."""
    drawn = np.random.default_rng(0).choice(len(training.names), CALIBRATION_PICTURES, False)
    export.add_int8(folder, _samples(training.take(drawn), len(drawn)), _samples(valid, 512))
    temperature = read_package(folder).temperature
    figures = {}
    for precision in ("float32", "int8"):
        answers = face_robust.run(folder, list(valid.images), precision)
        figures[precision] = calibrate.figures(answers, valid.labels, temperature)
        print(f"validation, {precision}: {figures[precision]}", flush=True)
    export.add_metrics(folder, {"validation_files": figures})
    names = ("accuracy", "unweighted_average_recall")
    lost = max(figures["float32"][name] - figures["int8"][name] for name in names)
    if lost > MOST_LOST:
        print(f"int8 loses {lost:.4f} on validation data: left out", flush=True)
        export.drop_int8(folder)


def measure(data: Path, folder: Path) -> None:
    """Take the figures of PublicTest into the package: labels, faults, calibration."""
    int8 = any(file.precision == "int8" for file in read_package(folder).files)
    with tempfile.TemporaryDirectory() as place:
        manifest = write_manifest(data, Path(place))
        export.measure(folder, TEST, manifest, ["litert", "onnx", "openvino"], "float32")
        published = write_manifest(data, Path(place) / "fer2013", published=True)
        export.measure(folder, TEST_FER2013, published, ["litert"], "float32")
        if int8:
            export.measure(folder, TEST, manifest, ["litert"], "int8")
            export.measure(folder, TEST_FER2013, published, ["litert"], "int8")
    test = face_data.read(data, "PublicTest")
    plain = face_robust.run(folder, list(test.images), "float32")
    add_uncalibrated(folder, TEST, calibrate.figures(plain, test.labels))
    rows = face_robust.table(folder, test, ["float32", "int8"] if int8 else ["float32"])
    export.add_metrics(folder, {"robustness": {"what": FAULTS_WORDS, "rows": rows}})


def add_uncalibrated(folder: Path, split: str, figures: Mapping[str, float]) -> None:
    """Keep the calibration error at temperature 1."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    known = metrics.get("uncalibrated", {})
    error = figures["expected_calibration_error"]
    export.add_metrics(folder, {"uncalibrated": {**known, split: error}})


def add_latency(folder: Path) -> None:
    """Time every file on this machine."""
    rows = latency.table(folder)
    export.add_metrics(folder, {"latency": {"what": latency.WORDS, "rows": rows}})


def write_manifest(data: Path, folder: Path, published: bool = False) -> Path:
    """Write PublicTest as PNG files and a manifest of clips.

    Args:
        data: Folder that holds ``fer2013plus/``.
        folder: Made when absent.
        published: Whether labels are those of FER2013, of every picture, instead of FER+.

    Returns:
        The manifest.
    """
    faces = (face_data.read_published if published else face_data.read)(data, "PublicTest")
    (folder / "crops").mkdir(parents=True, exist_ok=True)
    for name, image in zip(faces.names, faces.images, strict=True):
        cv2.imwrite(str(folder / "crops" / name), image)
    write_clips(folder / "manifest.jsonl", [_clip(faces, i) for i in range(len(faces.names))])
    return folder / "manifest.jsonl"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", nargs="?", default="all", choices=("all", *STEPS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train/face.pt"))
    parser.add_argument("--refined", type=Path, default=Path("build/train/face-refined.pt"))
    parser.add_argument("--net", default=face_fit.Options.net)
    parser.add_argument("--epochs", type=int, default=face_fit.Options.epochs)
    parser.add_argument("--balance", type=float, default=face_fit.Options.balance)
    parser.add_argument("--seed", type=int, default=face_fit.Options.seed)
    parser.add_argument("--steady", type=int, default=face_refine.Options.steady)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def _options(given: argparse.Namespace) -> face_fit.Options:
    return face_fit.Options(
        net=given.net, epochs=given.epochs, balance=given.balance, seed=given.seed
    )


def _refine(given: argparse.Namespace) -> None:
    refine(given.data, given.checkpoint, given.refined, given.steady)


def _about(kept: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    first = kept["first"]
    return {
        **found,
        "rare_lift": RARE_LIFT,
        "first run": first["options"],
        "second run": kept["options"],
        "minutes on one thread of a busy CPU": {
            "first run": first["minutes"],
            "second run": kept["minutes"],
        },
        "log": {"first run": first["log"], "second run": kept["log"]},
    }


def _samples(faces: face_data.Faces, n: int) -> list[export.Sample]:
    return [(image,) for image in standardise(faces.images[:n])[:, np.newaxis, np.newaxis]]


def _split(data: Path, seed: int) -> tuple[face_data.Faces, face_data.Faces]:
    test = face_data.read(data, "PublicTest")
    return face_data.split(face_data.without(face_data.read(data, "Training"), test), seed)


def _lift_rare(net: torch.nn.Module, training: face_data.Faces) -> None:
    """Move the last biases towards rare categories (logit adjustment: Menon et al. 2021)."""
    prior = torch.from_numpy(training.targets.mean(axis=0))
    with torch.no_grad():
        net.head.bias -= RARE_LIFT * prior.log()


def _package(name: str, temperature: float, reliability: float) -> export.Package:
    side = face_net.INPUT_PX
    table = {
        axis: {label: PAD[label][i] for label in CATEGORIES}
        for i, axis in enumerate(("valence", "arousal", "dominance"))
    }
    return export.Package(
        id=name,
        modality="face",
        summary="Expressed emotion of one frontal face, seven categories, from a 48 px grey crop.",
        licence=LICENCE,
        inputs=[export.Tensor("image", (1, 1, side, side), "NCHW", colour="grey")],
        outputs=[export.Tensor("logits", (1, len(CATEGORIES)), "NC", labels=CATEGORIES)],
        features={"size_px": side, "interval_s": 0.1, "margin": 0.0, "min_face_px": 36},
        dimensions={"source": "mapping", **table},
        temperature=temperature,
        reliability=reliability,
        version="1.1.0",
    )


def _clip(faces: face_data.Faces, i: int) -> Clip:
    shares = zip(CATEGORIES, faces.targets[i].tolist(), strict=True)
    label = int(faces.labels[i])
    return Clip(
        clip=f"fer2013plus/{Path(faces.names[i]).stem}",
        modality="face",
        corpus="fer2013plus",
        path=f"crops/{faces.names[i]}",
        split="PublicTest",
        label=None if label < 0 else CATEGORIES[label],
        votes={name: round(share, 4) for name, share in shares if share > 0} or None,
        perspective="expressed",
        licence="research",
    )


def _tried() -> list[dict[str, Any]]:
    path = Path(__file__).with_name("face_tried.json")
    tried: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return tried


if __name__ == "__main__":
    main()
