"""The card of the face detector: card.md from model.toml and metrics.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import card_compiled
from card import (
    _licences,
    _number,
    _section,
    _table,
    _tensors,
    _texts,
    _training,
    _tried,
    read_tables,
    write_parts,
)

Lines = Callable[[Mapping[str, Any]], list[str]]

LICENCE = {
    "weights": "research only: trained on faces cut from LFW, and on labels of another detector",
    "commercial": False,
    "corpora": [
        {"name": "mask scenes (maksssksksss)", "licence": "CC0-1.0"},
        {"name": "LFW crops", "licence": "pictures gathered from the web: research"},
        {"name": "DiffusionFER", "licence": "CC0-1.0"},
    ],
}
WORDS = {
    "data": "705 scenes with boxes by people and, for most faces, boxes and landmarks of a "
    "stronger detector (the teacher); 1,600 grey close crops of LFW with the teacher's labels; "
    "DiffusionFER, 128 px, labelled by the half-trained network where it agrees with itself in "
    "a mirror. Scenes are shown alone or four side by side; crops and synthetic faces are "
    "pasted at 12 to 245 px, turned, tinted, cut off by "
    "the edge, beside pasted pieces without a face, in darkness, blur, noise and JPEG. Target "
    "boxes lie half-way between the people's (brow to chin) and the teacher's.",
    "split": [
        "Scenes by picture with a fixed seed: 70 % training, 15 % validation, 15 % test. The "
        "threshold is chosen on validation scenes; the test scenes are for the figures below.",
        "The scenes come from few series, so the same person or place may be on both sides.",
        "Faces are counted from 24 px (shorter side of the people's box, in pixels of the "
        "scene); smaller ones are neither right nor wrong. The network sees a scene scaled to "
        "its input, so that a face of 24 px is smaller there.",
    ],
    "intended_use": [
        "Finding the faces before a camera at 0.4 to 3 m, with landmarks, for an estimator.",
        "Research and demonstration.",
    ],
    "not_for": [
        "Identifying, counting or singling out people; watching people who were not told.",
        "Safety: a face that is missed or turned away must not matter.",
        "Commercial products: see the licences.",
    ],
    "limits": [
        "Four of five faces in the scenes wear masks; bare faces are fewer: see the table.",
        "Bare faces were learnt mostly from pasted portraits of LFW, which shows few women, "
        "children and dark-skinned people; figures by age, sex and skin colour were not measured.",
        "A face of less than 15 px in the network's picture, 30 px of a frame that is 640 px wide, "
        "has to be surer than a larger one.",
        "Landmarks under a mask are the teacher's guess, and are taught to be guessed.",
        "Faces turned by more than 60° in the picture, upside down, or in profile are mostly "
        "missed.",
    ],
}


def write_card(folder: Path) -> None:
    """Write ``card.md`` of a detector package; no figure from anywhere else."""
    write_face_card(
        folder,
        _meaning,
        lambda metrics: [
            _section("Figures", _figures(metrics)),
            _section("By kind of face", _kinds(metrics)),
        ],
    )


def write_face_card(folder: Path, meaning: Lines, figures: Lines) -> None:
    """Write ``card.md`` of a network that finds faces or parts of them.

    Args:
        folder: Holds ``model.toml`` and ``metrics.json``.
        meaning: From the former to lines that say what the tensors hold.
        figures: From the latter to the sections of what was measured.
    """
    model, metrics = read_tables(folder)
    words = metrics["words"]
    parts = [
        f"# {model['id']} {model['version']}",
        model["summary"],
        _section("Intended use", _texts(words["intended_use"])),
        _section("Not for", _texts(words["not_for"])),
        _section("Input and output", [*_tensors(model), "", *meaning(model)]),
        _section("Data and licences", [*_texts(words["data"]), *_licences(model)]),
        _section("Split", _texts(words["split"])),
        *figures(metrics),
        _section("Limits", _texts(words["limits"])),
        _section("Files", _files(model, metrics)),
        _section("Compiled", card_compiled.section(metrics)),
        _section("Training", _training(metrics)),
        _section("What was tried", _tried(metrics)),
    ]
    write_parts(folder, parts)


def _meaning(model: Mapping[str, Any]) -> list[str]:
    return [
        "`image` holds RGB grey levels less 127.5, the frame scaled into the upper left corner, "
        "114 beside it. For each stride s: `score` in log-odds; `box`: centre less the cell's "
        "centre, and logarithm of the size; `points`: right eye, left eye, nose, right and left "
        "corner of the mouth, less the cell's centre; all in units of 4 s px. "
        "Threshold, chosen for each file on validation scenes: "
        f"{model['features']['threshold']}, or what `[[files]]` says."
    ]


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    rows = [
        [run["split"], run["file"], run["backend"], str(run["n"]), str(run["images"]),
         *(_number(run.get(key)) for key in _KEYS)]
        for run in metrics["evaluations"]
    ]  # fmt: skip
    head = ["pictures of", "file", "backend", "faces", "pictures", *_KEYS.values()]
    return [
        "Measured by `python tools/train/detector.py evaluate` on the exported files. Found: "
        "intersection over union with the people's box of 0.4 or more. Landmarks: mean distance "
        "to the teacher's over the distance between the eyes, of faces found.",
        "",
        *_table(head, rows),
    ]


def _files(model: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    gaps = {row["file"]: row["output_difference"] for row in metrics["parity"]}
    rows = [
        [f["path"], f["precision"], str(f["bytes"]), _number(gaps.get(f["path"]))]
        for f in model["files"]
    ]
    return _table(["file", "precision", "bytes", "greatest output difference to torch"], rows)


_KEYS = {
    "threshold": "threshold",
    "recall": "recall",
    "false_per_image": "false alarms per picture",
    "landmark_error": "landmark error",
    "recall_at_0.1": "recall at 0.1 false alarms per picture",
    "recall_24px_at_input": "recall, faces ≥ 24 px at the input",
    "frame_ms": "ms of processor time per frame",
}


def _kinds(metrics: Mapping[str, Any]) -> list[str]:
    runs = [run for run in metrics["evaluations"] if run.get("kinds")]
    if not runs:
        return []
    run = next((run for run in runs if run["backend"] == "litert"), runs[0])
    rows = [[kind["faces"], str(kind["n"]), f"{kind['recall']:.3f}"] for kind in run["kinds"]]
    return [
        f"{run['split']}, {run['file']}, at its threshold:",
        "",
        *_table(["faces", "n", "recall"], rows),
    ]
