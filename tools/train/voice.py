"""The voice model: train on four corpora of acted speech, export, measure on unseen speakers.

``--data`` is the folder that holds ``ravdess/``, ``emodb/``, ``nemo/``, ``ased/`` and
``noise/``, as published. Steps:

- ``train``: fit on the training speakers and keep ``--checkpoint``
- ``export``: checkpoint → model package ``--out``
- ``measure``: figures of the test speakers into the package ``--out``
- ``manifest``: the clips of the test speakers (``--split``) as a manifest ``--out``, for
  ``edge-emo evaluate voice --manifest FILE --root DATA``
- ``all``: the first three

Log-mel frames are kept in ``--cache``. Test speakers are read for the last two steps only.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import calibrate
import export
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from voice_augment import LENGTH, RANGE_NATS, Augment, clip_windows
from voice_data import CORPORA, SPEC, Clip, cached_features, read_corpora, write_manifest
from voice_net import VoiceNet

from edge_emo.types import CATEGORIES

Floats = npt.NDArray[np.float32]
Items = list[tuple[Clip, Floats]]

LICENCE = {
    "weights": "CC-BY-NC-SA-4.0, research only: the strictest of the corpora",
    "commercial": False,
    "corpora": [{"name": corpus.name, "licence": corpus.licence} for corpus in CORPORA]
    + [{"name": "noise: ESC-10, Speech Commands", "licence": "CC-BY-3.0, CC-BY-4.0"}],
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
WORDS = {
    "data": "Acted speech in English (ravdess), German (emodb), Polish (nemo) and Amharic (ased), "
    "16 kHz. RAVDESS calm and EmoDB boredom have no category and are left out. Disgust is in "
    "ravdess and emodb only, surprise in ravdess and nemo only. Training windows are varied: "
    "crop or padding with the clip's own quiet, tempo, shift and colour of the spectrum, "
    "background noise, telephone bandwidth, blanked stretches.",
    "split": [
        "By speaker; no speaker is on two sides. Every choice was made on validation.",
        *(
            f"{corpus.name}: test {' '.join(sorted(corpus.test))}, validation "
            f"{' '.join(sorted(corpus.validation))}, training all other speakers."
            for corpus in CORPORA
        ),
    ],
    "intended_use": [
        "An estimate of the emotion that a voice expresses, as one vote of a fusion.",
        "Research and demonstration.",
    ],
    "not_for": [
        "What somebody feels or means: a voice shows an expression, not its cause.",
        "Decisions about people: hiring, schooling, credit, policing, health, insurance.",
        "Listening to people who were not told.",
        "Commercial products: see the licences.",
    ],
    "limits": [
        "Acted, studio-like speech of few speakers; everyday speech is expected to be harder, by "
        "an amount that was not measured.",
        "Four languages; how it does on others, on children and on singing is unknown.",
        "One voice at a time: with two it judges the mixture.",
        "Nonverbal sounds pass the speech gate and get an estimate that means little.",
        "Streams under 16 kHz lack the upper bands; they are less reliable, and marked so.",
        "The first windows after a start hold one to three seconds of sound and are worse.",
        "Valence, arousal and dominance are a table over the estimated category and know no "
        "more than it does.",
    ],
}


def main() -> None:
    """Run one step."""
    given = _parser().parse_args()
    torch.set_num_threads(1)
    steps = {
        "train": train,
        "export": export_package,
        "measure": measure,
        "manifest": manifest,
        "all": lambda all_of: [step(all_of) for step in (train, export_package, measure)],
    }
    steps[given.step](given)


def train(given: argparse.Namespace) -> None:
    """Fit and keep weights, options, log and duration."""
    torch.manual_seed(given.seed)
    rng = np.random.default_rng(given.seed)
    sets = _read(given, ("train", "validation"))
    noise = cached_features(sorted((given.data / "noise").glob("*.wav")), given.cache)
    print({split: len(items) for split, items in sets.items()}, flush=True)
    net = VoiceNet()
    if given.start:
        kept = torch.load(given.start, map_location="cpu", weights_only=True)
        net.load_state_dict(kept["state"])
    net = net.to(memory_format=torch.channels_last)
    began = time.monotonic()
    average, log = _fit(net, sets, Augment(noise, rng), rng, given)
    content = {
        "state": average.state_dict(),
        "options": {key: getattr(given, key) for key in ("epochs", "batch", "rate", "seed")},
        "before": {key: kept[key] for key in ("options", "minutes")} if given.start else {},
        "log": log,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "clips": len(sets["train"]),
    }
    given.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, given.checkpoint)


def export_package(given: argparse.Namespace) -> None:
    """Write the model package of a checkpoint, calibrated on the validation speakers."""
    kept = torch.load(given.checkpoint, map_location="cpu", weights_only=True)
    net = VoiceNet()
    net.load_state_dict(kept["state"])
    items = _read(given, ("validation",))["validation"]
    logits = clip_logits(net, items)
    temperature = fit_temperature(logits, items)
    recalls = _recalls(logits, items)
    record = export.Record(
        training={
            **kept["options"],
            **({"before": kept["before"]} if kept["before"] else {}),
            "parameters": sum(p.numel() for p in net.parameters()),
            "clips": kept["clips"],
            "minutes on one shared CPU thread": kept["minutes"],
            "validation": {
                "n": len(items),
                **{f"unweighted average recall {name}": r for name, r in recalls.items()},
            },
            "log": kept["log"],
        },
        tried=json.loads(Path(__file__).with_name("voice_tried.json").read_text("utf-8")),
        words=WORDS,
    )
    package = _package(
        given.out.name, temperature, calibrate.reliability(recalls["all"], len(CATEGORIES))
    )
    samples = [(clip_windows(frames)[:1],) for _, frames in items[::12]]
    export.write_package(net, package, record, samples, given.out)


def measure(given: argparse.Namespace) -> None:
    """Evaluate the exported files on the test speakers, of all corpora and of each."""
    clips = [clip for clip in read_corpora(given.data) if clip.split == "test"]
    with tempfile.TemporaryDirectory() as folder:
        for corpus in CORPORA:
            (Path(folder) / corpus.name).symlink_to((given.data / corpus.name).resolve())
        file = Path(folder) / "manifest.jsonl"
        write_manifest(clips, given.data, file)
        export.measure(given.out, "test speakers of all corpora", file, ["litert", "onnx"])
        for corpus in CORPORA:
            write_manifest([c for c in clips if c.corpus == corpus.name], given.data, file)
            export.measure(given.out, f"test speakers of {corpus.name}", file, ["litert"])


def manifest(given: argparse.Namespace) -> None:
    """Write the manifest of a split, all corpora or one."""
    clips = [
        clip
        for clip in read_corpora(given.data)
        if clip.split == given.split and given.corpus in (None, clip.corpus)
    ]
    write_manifest(clips, given.data, given.out)
    print(f"{len(clips)} clips in {given.out}; evaluate with --root {given.data}")


# --- training ---------------------------------------------------------------------------------


def _read(given: argparse.Namespace, splits: tuple[str, ...]) -> dict[str, Items]:
    clips = [clip for clip in read_corpora(given.data) if clip.split != "test"]
    frames = cached_features([clip.path for clip in clips], given.cache)
    pairs = list(zip(clips, frames, strict=True))
    return {split: [pair for pair in pairs if pair[0].split == split] for split in splits}


def _fit(
    net: VoiceNet,
    sets: dict[str, Items],
    augment: Augment,
    rng: np.random.Generator,
    given: argparse.Namespace,
) -> tuple[torch.nn.Module, list[dict[str, Any]]]:
    """Run all epochs; return the moving average of the weights, and the log."""
    steps = len(sets["train"]) // given.batch
    optimizer = torch.optim.AdamW(net.parameters(), lr=given.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, given.rate, total_steps=steps * given.epochs, pct_start=0.15
    )
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    weights = _balance([clip for clip, _ in sets["train"]])
    log: list[dict[str, Any]] = []
    for epoch in range(given.epochs):
        net.train()
        drawn = rng.choice(len(weights), size=(steps, given.batch), p=weights)
        losses = []
        for rows in drawn:
            losses.append(_step(net, [sets["train"][i] for i in rows], augment, optimizer))
            schedule.step()
            average.update_parameters(net)
        log.append({"epoch": epoch, "loss": round(float(np.mean(losses)), 4)})
        if epoch % 5 == 4 or epoch == given.epochs - 1:
            log[-1] |= _recalls(clip_logits(average.module, sets["validation"]), sets["validation"])
        print(json.dumps(log[-1]), flush=True)
    return average.module, log


def _step(net: VoiceNet, items: Items, augment: Augment, optimizer: torch.optim.Optimizer) -> float:
    batch = torch.from_numpy(np.stack([augment(frames) for _, frames in items])[:, None])
    targets = torch.tensor([CATEGORIES.index(clip.label) for clip, _ in items])
    loss = F.cross_entropy(net(batch), targets, label_smoothing=0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _balance(clips: list[Clip]) -> npt.NDArray[np.float64]:
    """Return sampling weights: classes alike, and corpora within a class by root of size."""
    cells = Counter((clip.corpus, clip.label) for clip in clips)
    totals = {
        label: sum(count**0.5 for (_, other), count in cells.items() if other == label)
        for label in CATEGORIES
    }
    weights = [cells[clip.corpus, clip.label] ** -0.5 / totals[clip.label] for clip in clips]
    return np.array(weights) / np.sum(weights)


# --- validation -------------------------------------------------------------------------------


@torch.no_grad()
def clip_logits(net: torch.nn.Module, items: Items) -> list[Floats]:
    """Return the logits of every window of every clip."""
    net.eval()
    return [net(torch.from_numpy(clip_windows(frames))).numpy() for _, frames in items]


def fit_temperature(logits: list[Floats], items: Items) -> float:
    """Return the temperature that makes the labels likeliest under the clips' mean posteriors."""
    rows, true = np.arange(len(items)), [CATEGORIES.index(clip.label) for clip, _ in items]
    grid = np.round(np.arange(0.3, 3.001, 0.02), 2)
    losses = [-np.log(_posteriors(logits, t)[rows, true]).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def _posteriors(logits: list[Floats], temperature: float) -> npt.NDArray[np.float64]:
    soft = [torch.softmax(torch.from_numpy(r).double() / temperature, 1).numpy() for r in logits]
    return np.stack([rows.mean(0) for rows in soft])


def _recalls(logits: list[Floats], items: Items) -> dict[str, float]:
    """Return the unweighted average recall of all clips and of each corpus."""
    guesses = _posteriors(logits, 1.0).argmax(1)
    hits: dict[str, dict[str, list[bool]]] = {}
    for (clip, _), guess in zip(items, guesses, strict=True):
        for name in ("all", clip.corpus):
            hit = CATEGORIES[guess] == clip.label
            hits.setdefault(name, {}).setdefault(clip.label, []).append(hit)
    return {
        name: round(float(np.mean([np.mean(one) for one in by_label.values()])), 4)
        for name, by_label in hits.items()
    }


# --- package ----------------------------------------------------------------------------------


def _package(name: str, temperature: float, reliability: float) -> export.Package:
    table = {
        axis: {label: PAD[label][i] for label in CATEGORIES}
        for i, axis in enumerate(("valence", "arousal", "dominance"))
    }
    spec = {key: getattr(SPEC, key) for key in SPEC.__slots__}
    return export.Package(
        id=name,
        modality="voice",
        summary="Emotion that a voice expresses, seven categories, from three seconds of sound.",
        licence=LICENCE,
        inputs=[export.Tensor("logmel", (1, 1, LENGTH, SPEC.bands), "NCHW")],
        outputs=[export.Tensor("logits", (1, len(CATEGORIES)), "NC", labels=CATEGORIES)],
        features={
            **spec,
            "frames": LENGTH,
            "window_s": 3.0,
            "hop_s": 0.5,
            "first_s": 1.0,
            "range_nats": RANGE_NATS,
        },
        dimensions={"source": "mapping", **table},
        temperature=temperature,
        reliability=reliability,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("all", "train", "export", "measure", "manifest"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/voice-mel-small"))
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train/voice.pt"))
    parser.add_argument("--cache", type=Path, default=Path("build/train/voice-cache"))
    parser.add_argument("--start", type=Path, help="checkpoint whose weights a further run takes")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"))
    parser.add_argument("--corpus", choices=[corpus.name for corpus in CORPORA])
    return parser


if __name__ == "__main__":
    main()
