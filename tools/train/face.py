"""The face model: train on FER+, export, measure on PublicTest.

``--data`` is the folder that holds ``fer2013plus/``. Steps, ``train`` runs the first three:

- ``train``: fit and keep ``--checkpoint``
- ``export``: checkpoint → model package ``--out``
- ``measure``: figures of PublicTest into the package
- ``manifest``: PublicTest as pictures and manifest of clips into ``--out``

PublicTest is read for the last two only. Validation data are a part of Training.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import calibrate
import cv2
import export
import face_data
import face_fit
import face_net
import numpy as np
import torch

from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.estimators.calibration import fit_temperature
from edge_emo.features.face import standardise
from edge_emo.types import CATEGORIES

TEST = "FER2013 PublicTest, FER+ majority"
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
RARE_LIFT = 0.2
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
        "Figures are for the corpus' crops; behind a camera, finding the face, light, masks, "
        "glasses and turned heads lower them by an amount that was not measured.",
        "Valence, arousal and dominance are a table over the estimated category and know no "
        "more than it does.",
    ],
}


def main() -> None:
    """Run one step."""
    arguments = _parser().parse_args()
    torch.set_num_threads(arguments.threads)
    steps = {
        "train": _train_all,
        "export": _export,
        "measure": _measure,
        "manifest": lambda given: write_manifest(given.data, given.out),
    }
    steps[arguments.step](arguments)


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


def export_package(data: Path, checkpoint: Path, folder: Path) -> None:
    """Write the model package of a checkpoint, calibrated on its validation part."""
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    options = face_fit.Options(**kept["options"])
    net = face_net.build(options.net)
    net.load_state_dict(kept["state"])
    training, valid = _split(data, options.seed)
    _lift_rare(net, training)
    logits = face_fit.logits(net, valid)
    known = valid.labels >= 0
    temperature = round(fit_temperature(logits[known], valid.labels[known]), 4)
    figures = calibrate.figures(logits, valid.labels, temperature)
    recall = figures["unweighted_average_recall"]
    package = _package(folder.name, temperature, calibrate.reliability(recall, len(CATEGORIES)))
    record = export.Record(
        training={
            **asdict(options),
            "parameters": sum(p.numel() for p in net.parameters()),
            "rare_lift": RARE_LIFT,
            "pictures": len(training.names),
            "minutes on one thread of a busy CPU": kept["minutes"],
            "validation": dict(figures),
            "log": kept["log"],
        },
        tried=_tried(),
        words=WORDS,
    )
    images = standardise(valid.images[:64])[:, np.newaxis, np.newaxis]
    export.write_package(net, package, record, [(image,) for image in images], folder)


def write_manifest(data: Path, folder: Path) -> Path:
    """Write PublicTest as PNG files and a manifest of clips.

    Returns:
        The manifest.
    """
    faces = face_data.read(data, "PublicTest")
    (folder / "crops").mkdir(parents=True, exist_ok=True)
    for name, image in zip(faces.names, faces.images, strict=True):
        cv2.imwrite(str(folder / "crops" / name), image)
    write_clips(folder / "manifest.jsonl", [_clip(faces, i) for i in range(len(faces.names))])
    return folder / "manifest.jsonl"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "step", nargs="?", default="train", choices=("train", "export", "measure", "manifest")
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train/face.pt"))
    parser.add_argument("--net", default=face_fit.Options.net)
    parser.add_argument("--epochs", type=int, default=face_fit.Options.epochs)
    parser.add_argument("--balance", type=float, default=face_fit.Options.balance)
    parser.add_argument("--seed", type=int, default=face_fit.Options.seed)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def _train_all(given: argparse.Namespace) -> None:
    options = face_fit.Options(
        net=given.net, epochs=given.epochs, balance=given.balance, seed=given.seed
    )
    train(given.data, options, given.checkpoint)
    _export(given)
    _measure(given)


def _export(given: argparse.Namespace) -> None:
    export_package(given.data, given.checkpoint, given.out)


def _measure(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_manifest(given.data, Path(folder))
        export.measure(given.out, TEST, manifest, ["litert", "onnx"])


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
        votes={name: round(share, 4) for name, share in shares if share > 0},
        perspective="expressed",
        licence="research",
    )


def _tried() -> list[dict[str, Any]]:
    path = Path(__file__).with_name("face_tried.json")
    tried: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return tried


if __name__ == "__main__":
    main()
