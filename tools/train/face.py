"""The face packages: export the trained networks, measure the files on PublicTest.

    python tools/train/face_train.py --data DIR --checkpoint build/train/face.pt
    python tools/train/face.py --data DIR --checkpoint build/train/face.pt

``--data`` is the folder that holds ``fer2013plus/``, ``diffusionfer/`` and ``detection/``.
Without a step, the first three run:

- ``export``: the checkpoint → ``face-expression-small`` and ``face-fer2013-small`` below
  ``--out``, int8 files included
- ``measure``: figures of PublicTest and of held-out synthetic faces into the packages
- ``far``: figures of those pictures of PublicTest of which Training has no near copy
- ``latency``: time on this machine's backends into the packages
- ``manifest``: the test pictures and manifests of clips into ``--out``

PublicTest is read by ``measure``, ``far`` and ``manifest`` only. Validation data are a part of
Training.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import calibrate
import cv2
import export
import face_data
import face_fit
import face_net
import face_pool
import face_robust
import face_words
import latency
import numpy as np
import numpy.typing as npt
import torch
from pad import PAD

from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.estimators.calibration import fit_temperature
from edge_emo.features.face import standardise
from edge_emo.manifest import read_package
from edge_emo.types import CATEGORIES

TEST = "FER2013 PublicTest, FER+ majority"
TEST_FER2013 = "FER2013 PublicTest, FER2013 labels"
FAR = ", less near copies of training pictures"
TEST_SYNTHETIC = "DiffusionFER, held-out runs"
VOTED, PUBLISHED = "face-expression-small", "face-fer2013-small"
MOST_LOST = 0.005
"""Accuracy or mean recall that int8 may lose on validation data before it is left out."""
JUDGED = 20000
"""Training pictures that float and int8 are compared on, besides validation."""
CALIBRATION_PICTURES = 400
MAIN = ("tflite", "onnx")
"""Formats of the files whose figures are taken on every test part."""
STEPS = ("export", "measure", "far", "latency", "manifest")
LIFTS = tuple(round(0.02 * k, 2) for k in range(16))
MOST_PAID = 0.001
"""Accuracy that lifting rare categories may cost on validation data."""


@dataclass(frozen=True)
class Head:
    """One head of the network as a package."""

    id: str
    name: str
    summary: str
    words: Mapping[str, Any]
    default: bool


HEADS = (
    Head(
        VOTED, "voted",
        "Expressed emotion of one face, seven categories, valence and arousal, and whether eyes "
        "or mouth are covered, from a 48 px grey crop.",
        face_words.VOTED, default=True,
    ),
    Head(
        PUBLISHED, "published",
        "The label that FER2013 was published with, from a 48 px grey crop; for comparisons.",
        face_words.PUBLISHED, default=False,
    ),
)  # fmt: skip


def main() -> None:
    """Run one step."""
    given = _parser().parse_args()
    torch.set_num_threads(given.threads)
    for step in STEPS[:3] if given.step == "all" else [given.step]:
        {
            "export": lambda: export_packages(given.data, given.checkpoint, given.out),
            "measure": lambda: measure(given.data, given.out),
            "far": lambda: measure_far(given.data, given.out),
            "latency": lambda: add_latency(given.out),
            "manifest": lambda: write_manifests(given.data, given.out),
        }[step]()


def export_packages(data: Path, checkpoint: Path, models: Path) -> None:
    """Write both packages of a checkpoint, calibrated on its validation part."""
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    parts = face_pool.load(data)
    for head in HEADS:
        net = face_net.build(kept["options"]["net"])
        net.load_state_dict(kept["settled"][head.name]["state"])
        export_head(head, net.eval(), kept, parts, models / head.id)


def export_head(
    head: Head, net: face_net.FaceNet, kept: Mapping[str, Any], parts: face_pool.Parts, folder: Path
) -> None:
    """Write one package: lift, temperature, files, int8 when it costs little."""
    valid = parts.valid if head.name == "voted" else parts.valid_published
    lift = choose_lift(net, head, parts, valid)
    logits = face_fit.logits(net, valid, head.name)
    known = valid.labels >= 0
    temperature = round(fit_temperature(logits[known], valid.labels[known]), 4)
    found = calibrate.figures(logits, valid.labels, temperature)
    reliability = calibrate.reliability(found["unweighted_average_recall"], len(CATEGORIES))
    about = {
        "parameters": sum(p.numel() for p in net.parameters()),
        "pictures": sum(len(rows.images) for rows in parts.train.values()),
        "validation": found,
        "rare_lift": lift,
    }
    record = export.Record(
        training=_about(kept, head.name, about), tried=_tried(), words=head.words
    )
    module = face_net.Voted(net) if head.name == "voted" else face_net.Published(net)
    package = _package(head, temperature, reliability)
    export.write_package(module, package, record, _samples(valid.images[:64]), folder)
    add_uncalibrated(folder, "validation", calibrate.figures(logits, valid.labels))
    add_int8(folder, head, parts.train["fer"], valid)


def choose_lift(
    net: face_net.FaceNet, head: Head, parts: face_pool.Parts, valid: face_data.Faces
) -> float:
    """Move the last biases towards rare categories (logit adjustment: Menon et al. 2021).

    The share of the log prior that is taken off is the largest that costs at most
    ``MOST_PAID`` of accuracy on validation data.

    Returns:
        That share.
    """
    votes = parts.train["fer"].votes
    prior = np.log(votes[np.isfinite(votes).all(axis=1)].mean(axis=0))
    logits = face_fit.logits(net, valid, head.name)
    rows = {lift: calibrate.figures(logits - lift * prior, valid.labels) for lift in LIFTS}
    least = max(row["accuracy"] for row in rows.values()) - MOST_PAID
    chosen = max(lift for lift, row in rows.items() if row["accuracy"] >= least)
    print(f"{head.id}: lift {chosen} of {rows}", flush=True)
    with torch.no_grad():
        getattr(net, head.name).bias -= chosen * torch.from_numpy(prior)
    return chosen


def add_int8(folder: Path, head: Head, training: face_pool.Rows, valid: face_data.Faces) -> None:
    """Add the int8 file, unless it costs too much.

    What it costs is seen on validation pictures and on others of the training part that its
    ranges were not taken from: ten pictures of disgust alone say little.
    """
    order = np.random.default_rng(0).permutation(len(training.images))
    chosen, judged = np.split(order[: CALIBRATION_PICTURES + JUDGED], [CALIBRATION_PICTURES])
    export.add_int8(folder, _samples(training.images[chosen]), _samples(valid.images[:512]))
    images = [*valid.images, *training.images[judged]]
    labels = np.concatenate([valid.labels, _labels(head, training)[judged]])
    temperature = read_package(folder).temperature
    figures, costs = {}, {}
    for precision in ("float32", "int8"):
        answers = face_robust.run(folder, images, precision)
        n = len(valid.labels)
        figures[precision] = calibrate.figures(answers[:n], valid.labels, temperature)
        costs[precision] = calibrate.figures(answers, labels, temperature)
        print(f"{precision}: {figures[precision]}, with training {costs[precision]}", flush=True)
    export.add_metrics(folder, {"validation_files": figures, "gate_files": costs})
    names = ("accuracy", "unweighted_average_recall")
    lost = max(costs["float32"][name] - costs["int8"][name] for name in names)
    if lost > MOST_LOST:
        print(f"int8 loses {lost:.4f}: left out", flush=True)
        export.drop_int8(folder)


def _labels(head: Head, rows: face_pool.Rows) -> npt.NDArray[np.int64]:
    """Return the label of each row for a head; -1 where there is none."""
    if head.name == "published":
        return rows.published
    known = np.isfinite(rows.votes).all(axis=1)
    best = rows.votes == rows.votes.max(axis=1, keepdims=True)
    return np.where(known & (best.sum(axis=1) == 1), rows.votes.argmax(axis=1), -1)


def measure(data: Path, models: Path) -> None:
    """Take the figures of PublicTest into the packages: labels, faults, calibration."""
    with tempfile.TemporaryDirectory() as place:
        write_manifests(data, Path(place))
        voted, published, synthetic = (
            Path(place) / name / "manifest.jsonl" for name in ("voted", "published", "synthetic")
        )
        _measure(models / VOTED, TEST, voted)
        _measure(models / VOTED, TEST_FER2013, published, MAIN)
        _measure(models / VOTED, TEST_SYNTHETIC, synthetic, MAIN)
        _measure(models / PUBLISHED, TEST_FER2013, published)
    folder = models / VOTED
    test = face_data.read(data, "PublicTest")
    plain = face_robust.run(folder, list(test.images), "float32")
    add_uncalibrated(folder, TEST, calibrate.figures(plain, test.labels))
    precisions = sorted({file.precision for file in read_package(folder).files})
    rows = face_robust.table(folder, test, precisions)
    export.add_metrics(folder, {"robustness": {"what": face_words.FAULTS, "rows": rows}})


def measure_far(data: Path, models: Path) -> None:
    """Take the figures of those pictures of PublicTest of which Training has no near copy."""
    with tempfile.TemporaryDirectory() as place:
        write_manifests(data, Path(place))
        _measure(models / VOTED, TEST + FAR, Path(place) / "voted" / "far.jsonl", MAIN)
        _measure(
            models / PUBLISHED, TEST_FER2013 + FAR, Path(place) / "published" / "far.jsonl", MAIN
        )


def _measure(
    folder: Path, split: str, manifest: Path, formats: Sequence[str] = tuple(latency.RUNS)
) -> None:
    """Measure the shipped files of some formats, precision by precision."""
    files = [file for file in read_package(folder).files if file.format in formats]
    for precision in sorted({file.precision for file in files}):
        backends = {latency.RUNS[f.format]: f for f in files if f.precision == precision}
        export.measure(folder, split, manifest, list(backends), precision)


def add_uncalibrated(folder: Path, split: str, figures: Mapping[str, float]) -> None:
    """Keep the calibration error at temperature 1."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    known = metrics.get("uncalibrated", {})
    error = figures["expected_calibration_error"]
    export.add_metrics(folder, {"uncalibrated": {**known, split: error}})


def add_latency(models: Path) -> None:
    """Time every file on this machine."""
    for head in HEADS[:1]:
        rows = latency.table(models / head.id)
        export.add_metrics(models / head.id, {"latency": {"what": latency.WORDS, "rows": rows}})


def write_manifests(data: Path, folder: Path) -> None:
    """Write test pictures and manifests of clips below ``voted published synthetic``.

    ``far.jsonl`` of the first two leaves out near copies of training pictures.

    Args:
        data: Holds the corpora.
        folder: Made when absent.
    """
    for name, read in (("voted", face_data.read), ("published", face_data.read_published)):
        faces = read(data, "PublicTest")
        clips = [_clip(faces, i) for i in range(len(faces.names))]
        _write(folder / name, faces.images, clips)
        copies = face_data.are_copies(faces, face_data.read_published(data, "Training"))
        far = (clip for clip, copy in zip(clips, copies, strict=True) if not copy)
        write_clips(folder / name / "far.jsonl", far)
    rows = face_pool.load(data).valid_synthetic
    _write(folder / "synthetic", rows.images, [_synthetic(rows, i) for i in range(len(rows.mouth))])


def _write(folder: Path, images: face_pool.Grey, clips: list[Clip]) -> None:
    (folder / "crops").mkdir(parents=True, exist_ok=True)
    for clip, image in zip(clips, images, strict=True):
        cv2.imwrite(str(folder / str(clip.path)), image)
    write_clips(folder / "manifest.jsonl", clips)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", nargs="?", default="all", choices=("all", *STEPS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train/face.pt"))
    parser.add_argument("--threads", type=int, default=1)
    return parser


def _about(
    kept: Mapping[str, Any], head: str, found: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    last = kept["settled"][head]
    teachers = [teacher["together"] for teacher in kept["teachers"]]
    return {
        **found,
        "teachers together, validation": teachers[-1] if teachers else None,
        "teachers' options": [teacher["options"] for teacher in kept["teachers"]],
        "small network": kept["options"],
        "its last steps, for these labels": last["options"],
        "minutes on a shared GPU, both packages": kept["minutes"],
        "log": {
            "teachers": [teacher["log"] for teacher in kept["teachers"]],
            "small network": kept["log"],
            "last steps": last["log"],
        },
    }


def _samples(images: face_pool.Grey) -> list[export.Sample]:
    return [(image,) for image in standardise(images)[:, np.newaxis, np.newaxis]]


def _package(head: Head, temperature: float, reliability: float) -> export.Package:
    side = face_net.INPUT_PX
    mapped = ("valence", "arousal", "dominance")
    table = {axis: {label: PAD[label][i] for label in CATEGORIES} for i, axis in enumerate(mapped)}
    outputs = [export.Tensor("logits", (1, len(CATEGORIES)), "NC", labels=CATEGORIES)]
    dimensions: dict[str, Any] = {"source": "mapping", **table}
    if head.name == "voted":
        outputs += [
            export.Tensor("valence_arousal", (1, 2), "NC", labels=("valence", "arousal")),
            export.Tensor("covered", (1, 2), "NC", labels=("eyes", "mouth")),
        ]
        dimensions = {"source": "mixed", "dominance": table["dominance"]}
    return export.Package(
        id=head.id,
        modality="face",
        summary=head.summary,
        licence=face_words.LICENCE,
        inputs=[export.Tensor("image", (1, 1, side, side), "NCHW", colour="grey")],
        outputs=outputs,
        features={"size_px": side, "interval_s": 0.1},
        dimensions=dimensions,
        temperature=temperature,
        reliability=reliability,
        version="1.0.0",
        default=head.default,
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


def _synthetic(rows: face_pool.Rows, i: int) -> Clip:
    return Clip(
        clip=f"diffusionfer/{i:04d}",
        modality="face",
        corpus="diffusionfer",
        path=f"crops/{i:04d}.png",
        split="validation",
        label=CATEGORIES[int(rows.votes[i].argmax())],
        valence=round(float(rows.affect[i, 0]), 3),
        arousal=round(float(rows.affect[i, 1]), 3),
        perspective="expressed",
        licence="CC0-1.0",
    )


def _tried() -> list[dict[str, Any]]:
    path = Path(__file__).with_name("face_tried.json")
    tried: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return tried


if __name__ == "__main__":
    main()
