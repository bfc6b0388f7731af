"""Compile a shipped package for all targets, with the corpora that it was trained on.

    python tools/train/compile_models.py voice --data DIR
    python tools/train/compile_models.py eeg --data eegmat_128hz.npz
    python tools/train/compile_models.py physio --data stress_predict_e4.npz

The package below ``--models`` is replaced by one with the candidates that passed. They are judged
on what the package was not trained on, where such data is left: a part of the corpora for face,
detector and voice. Figures are of other data, but for two parts that cards have figures of too:
DiffusionFER's held-out runs, and the speakers that a voice's temperature was fitted on. EEG, body
signals and text are trained on all the rest, so there the candidates are compared on data that the
float model knows too; that tells what int8 loses, and not how good the model is. Sign afterwards:
``python tools/sign_models.py --key FILE``. The detector's thresholds are then chosen again by
``python tools/train/detector.py threshold``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import card
import detector_card
import landmarks_package
import numpy as np

from edge_emo.cli.compile import table
from edge_emo.compile import TARGETS, Data, compile_package
from edge_emo.compile.samples import Samples, read_samples
from edge_emo.compile.targets import KINDS
from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.features.face import standardise
from edge_emo.features.face_detector import detector_settings, fit
from edge_emo.manifest import ModelPackage, read_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import CATEGORIES

CALIBRATION = 512
"""Inputs, or clips, that ranges are taken from."""
VIEWS = 400
"""Pictures and views of each category that faces are judged on, at least."""
JUDGED = 13000
"""Sentences that text is judged on."""
EEG_CLIPS, PHYSIO_CLIPS = "load-10s-19ch.jsonl", "stress-60s.jsonl"
Pair = tuple[Data, Data]


def main() -> None:
    """Prepare the data, then compile."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", choices=PREPARE)
    parser.add_argument("--data", type=Path, required=True, help="the unpacked corpora")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--target", action="append", choices=tuple(TARGETS))
    parser.add_argument("--kind", action="append", choices=KINDS, help="all where none is named")
    given = parser.parse_args()
    name, prepare = PREPARE[given.model]
    package = read_package(given.models / name)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        judged, seen = prepare(package, given.data, Path(place))
        ready = time.monotonic()
        done = compile_package(
            str(given.models / name),
            given.target or list(TARGETS),
            validation=judged,
            calibration=seen,
            out=given.models,
            kinds=given.kind or KINDS,
            judged_on=f"{(prepare.__doc__ or '').splitlines()[0]} {about(judged)}",
            progress=lambda words: _tell(f"{time.monotonic() - ready:4.0f} s {words}"),
        )
    WRITE_CARD.get(package.task, card.write_card)(done.folder)
    print(table([asdict(one) for one in done.figures]))
    print(f"{ready - began:.0f} s to prepare, {time.monotonic() - ready:.0f} s to compile")


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def about(judged: Data) -> str:
    """Return the number of inputs or clips in words."""
    if judged.path.suffix == ".npz":
        with np.load(judged.path) as file:
            return f"{len(file[file.files[0]])} inputs."
    return f"{len(judged.path.read_text(encoding='utf-8').splitlines())} clips."


def prepare_face(package: ModelPackage, data: Path, place: Path) -> Pair:
    """Judged on validation pictures, real and synthetic, and views drawn of rare categories.

    Of disgust there are sixteen pictures, so one would be a point of the score. A view moves,
    turns and mirrors a picture as training does, until a category has ``VIEWS``.
    """
    import face_pool

    parts = face_pool.load(data)
    published = package.id == "face-fer2013-small"
    valid, drawn = parts.valid_published if published else parts.valid, parts.valid_synthetic
    images = np.concatenate([valid.images, drawn.images])
    numbers = np.concatenate([valid.labels, drawn.votes.argmax(axis=1)])
    more = _rare(numbers)
    images = np.concatenate([images, _views(images[more])])
    labels = [CATEGORIES[k] if k >= 0 else "" for k in (*numbers, *numbers[more])]
    training = parts.train["fer"].images
    chosen = np.random.default_rng(0).choice(len(training), CALIBRATION, False)
    name = package.inputs[0].name
    np.savez(place / "judged.npz", **{name: _pictures(images)}, labels=np.array(labels))
    np.savez(place / "seen.npz", **{name: _pictures(training[chosen])})
    return Data(place / "judged.npz"), Data(place / "seen.npz")


def _rare(numbers: np.ndarray) -> np.ndarray:
    """Return the rows that views are drawn of, over and over in turn."""
    rows = [np.flatnonzero(numbers == k) for k in range(len(CATEGORIES))]
    return np.concatenate([np.resize(row, max(0, VIEWS - len(row))) for row in rows])


def _views(images: np.ndarray) -> np.ndarray:
    import face_augment
    import torch

    rng = torch.Generator().manual_seed(0)
    pictures = torch.from_numpy(images).float()[:, None]
    placed = face_augment.place(pictures, rng, 0.5, images.shape[-1])
    return np.asarray(placed[:, 0].clamp(0.0, 255.0).round().to(torch.uint8))


def prepare_detector(package: ModelPackage, data: Path, place: Path) -> Pair:
    """Judged on validation scenes and crops with their boxes, calibrated on those trained on."""
    import detector
    import detector_data

    settings = detector_settings(package.features, package.id)
    size = (settings.width_px, settings.height_px)
    parts = detector_data.load(data, detector.SPLIT_SEED)
    name = package.inputs[0].name
    valid = parts["scenes"]["valid"] + parts["crops"]["valid"]
    inputs, faces = [], []
    for number, picture in enumerate(valid):
        frame = np.zeros((size[1], size[0], 3), np.uint8)
        scale = fit(picture.pixels, frame)
        inputs.append(frame.astype(np.float32) - np.float32(127.5))
        boxes = picture.faces.boxes / scale
        corner, extent = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
        faces.append(np.hstack([np.full((len(boxes), 1), number), corner, extent]))
    np.savez(place / "judged.npz", **{name: np.stack(inputs)}, faces=np.vstack(faces))
    seen = detector._inputs(parts["scenes"]["train"], size)
    np.savez(place / "seen.npz", **{name: np.concatenate(seen)})
    return Data(place / "judged.npz"), Data(place / "seen.npz")


def prepare_landmarks(package: ModelPackage, data: Path, place: Path) -> Pair:
    """Judged on faces of validation pictures, calibrated on those trained on."""
    import detector_data
    import landmarks_fit
    import torch

    parts = detector_data.load(data, 0)
    name = package.inputs[0].name
    template = landmarks_fit.places(torch.zeros(1, 10))
    for part, file, count in (("valid", "judged", 2000), ("train", "seen", CALIBRATION)):
        rows = landmarks_fit.pieces(parts["scenes"][part] + parts["crops"][part], False)
        crops, points, _ = landmarks_fit.draw(rows, count, torch.Generator().manual_seed(0), 0.3)
        apart = (points[:, 0] - points[:, 1]).norm(dim=1).clamp(min=0.2 * landmarks_fit.INPUT_PX)
        wanted = torch.cat([(points - template).reshape(count, -1), apart[:, None]], 1)
        truth = (wanted / landmarks_fit.UNIT_PX).numpy()
        np.savez(place / f"{file}.npz", **{name: crops.numpy()}, points=truth)
    return Data(place / "judged.npz"), Data(place / "seen.npz")


def prepare_voice(package: ModelPackage, data: Path, place: Path) -> Pair:
    """Judged on the speakers that its temperature was fitted on, calibrated on the others."""
    import voice
    import voice_score

    sounds = [s for s in voice_score.all_sounds(data) if s.label in package.labels]
    judged = voice_score.unseen("research", sounds, voice.TARGETS)
    names = {sound.name for sound in judged}
    return _sounds(judged, [s for s in sounds if s.name not in names], data, place)


def prepare_voice_commercial(package: ModelPackage, data: Path, place: Path) -> Pair:
    """Judged on clips of emodb, most of them trained on, calibrated on others of them.

    Its other corpora have no categories, and what it never heard is for figures alone.
    """
    import voice_score

    sounds = [
        sound
        for sound in voice_score.all_sounds(data)
        if sound.corpus == "emodb" and sound.label in package.labels
    ]
    others = _spread(sounds, CALIBRATION // 5)
    names = {sound.name for sound in others}
    return _sounds([s for s in sounds if s.name not in names], others, data, place)


def prepare_text(package: ModelPackage, data: Path, place: Path) -> Pair:
    """Judged on validation sentences with one category or with valence, arousal and dominance.

    Calibrated on training sentences. The last training steps saw the validation part; the dev
    part is for figures alone.
    """
    import text_data

    sentences = text_data.read_corpora(data, package.licence.commercial)
    context = package.features["context_s"] > 0

    def part(split: str, truth: str, most: int) -> list[Clip]:
        chosen = [one for one in sentences if one.split == split]
        return _spread(text_data.clips(chosen, truth, context=context), most)

    judged = [*part("validation", "label", JUDGED), *part("validation", "affect", JUDGED)]
    _write(place / "judged.jsonl", judged)
    _write(place / "seen.jsonl", part("train", "label", CALIBRATION))
    return Data(place / "judged.jsonl"), Data(place / "seen.jsonl")


def prepare_eeg(package: ModelPackage, data: Path, place: Path) -> Pair:
    """Judged on every second subject, calibrated on the others, without and with a baseline."""
    import eeg

    eeg.run_manifest(Namespace(data=data, out=place))
    return _by_speaker(package, place / EEG_CLIPS, eeg.BASELINE)


def prepare_physio(package: ModelPackage, data: Path, place: Path) -> Pair:
    """Judged on every second subject, calibrated on the others, without and with a baseline."""
    import physio

    physio.run_manifest(Namespace(data=data, out=place))
    return _by_speaker(package, place / PHYSIO_CLIPS, physio.BASELINE)


WRITE_CARD = {"detect": detector_card.write_card, "landmarks": landmarks_package.write_card}
PREPARE: Mapping[str, tuple[str, Callable[[ModelPackage, Path, Path], Pair]]] = {
    "face": ("face-expression-small", prepare_face),
    "face-fer2013": ("face-fer2013-small", prepare_face),
    "detector": ("face-detector-small", prepare_detector),
    "landmarks": ("face-landmarks-small", prepare_landmarks),
    "voice": ("voice-expression-small", prepare_voice),
    "voice-commercial": ("voice-expression-commercial", prepare_voice_commercial),
    "text": ("text-expression-small", prepare_text),
    "text-commercial": ("text-expression-commercial", prepare_text),
    "eeg": ("eeg-load-small", prepare_eeg),
    "physio": ("physio-stress-small", prepare_physio),
}


def _by_speaker(package: ModelPackage, manifest: Path, baseline: str) -> Pair:
    model = load_model(package, backend="onnx")
    rows = manifest.read_text(encoding="utf-8").splitlines()
    speakers = sorted({_speaker(row) for row in rows})
    for number, name in enumerate(("judged", "seen")):
        chosen = set(speakers[number::2])
        part = manifest.with_name(f"{name}.jsonl")
        part.write_text("\n".join(r for r in rows if _speaker(r) in chosen) + "\n", "utf-8")
        plain = _without(part, baseline)
        found = [
            read_samples(package, plain, model=model),
            read_samples(package, part, model=model, baseline_split=baseline),
        ]
        _joined(found).save(manifest.with_name(f"{name}.npz"), package)
    return Data(manifest.with_name("judged.npz")), Data(manifest.with_name("seen.npz"))


def _without(manifest: Path, split: str) -> Path:
    """Write the manifest without the clips of rest, which have no label."""
    path = manifest.with_name(f"plain-{manifest.name}")
    rows = manifest.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if json.loads(row)["split"] != split]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return path


def _sounds(judged: Sequence[Any], others: Sequence[Any], data: Path, place: Path) -> Pair:
    import voice_score

    _write(place / "judged.jsonl", map(voice_score.manifest_clip, judged))
    _write(place / "seen.jsonl", map(voice_score.manifest_clip, _spread(others)))
    return Data(place / "judged.jsonl", data), Data(place / "seen.jsonl", data)


def _speaker(row: str) -> str:
    return str(json.loads(row)["speaker"])


def _joined(parts: Sequence[Samples]) -> Samples:
    first, second = parts
    inputs = [np.concatenate(pair) for pair in zip(first.inputs, second.inputs, strict=True)]
    clips = np.concatenate([first.clips, second.clips + int(first.clips.max()) + 1])
    return Samples(tuple(inputs), clips, (*first.labels, *second.labels))


def _pictures(images: np.ndarray) -> np.ndarray:
    return np.asarray(standardise(images)[:, np.newaxis])


def _spread(things: Sequence[object], most: int = CALIBRATION) -> list:  # type: ignore[type-arg]
    """Return at most so many things, spread evenly."""
    places = np.unique(np.linspace(0, len(things) - 1, most).round().astype(int))
    return [things[k] for k in places]


def _write(path: Path, clips: Iterable[Clip]) -> None:
    write_clips(path, clips)


if __name__ == "__main__":
    main()
