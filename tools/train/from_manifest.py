"""Train a small model from the manifests that ``edge-emo datasets mix`` wrote.

    edge-emo datasets mix foundation have --out mixed/foundation
    python tools/train/from_manifest.py mixed/foundation --modality text \
        --out build/recipes/text-recipe-foundation
    edge-emo evaluate text-recipe-foundation --folder build/recipes \
        --manifest mixed/foundation/validation.jsonl

It reads what the estimator of the modality reads: the inputs are those that the device computes,
and what it refuses is left out. What is held out is the recipe's test part, or its
validation part where no corpus has a test part; the last line says which. The temperature is
fitted on the validation part, or on speakers and dialogues taken out of training. The networks
are small and untuned: this shows that a recipe can be trained, not how good it can be.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import calibrate
import export
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from from_manifest_net import Bag, Picture, Row
from leakage import LeakageError, refuse_overlap
from text_data import plain
from torch import nn

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.catalogue import corpora
from edge_emo.datasets.clips import Clip, iter_clips
from edge_emo.datasets.decode import decode_clip
from edge_emo.estimators.calibration import fit_temperature
from edge_emo.estimators.create import build_estimator
from edge_emo.estimators.face_finder import load_face_detector
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.types import CATEGORIES, MODALITIES, Modality

PARTS = ("train", "validation", "test")
LEAST = 10
"""Training clips that a label needs."""


@dataclasses.dataclass(frozen=True)
class Windows:
    """What the estimator cut from clips.

    Attributes:
        inputs: One array an input of the model, the first axis counts windows.
        label: (n,) number of the label.
        weight: (n,) how often a window is drawn.
    """

    inputs: Sequence[npt.NDArray[Any]]
    label: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]


class Listener(LoadedModel):
    """Keeps what an estimator gives to its model, and answers zeros.

    Args:
        package: Tells the outputs.
    """

    backend = "listener"

    def __init__(self, package: ModelPackage) -> None:
        self._answer = {o.name: np.zeros(o.shape, np.float32) for o in package.outputs}
        self.heard: list[list[npt.NDArray[Any]]] = []

    def run(self, inputs: Tensors) -> Tensors:
        """Keep the inputs; see :meth:`LoadedModel.run`."""
        self.heard.append([array.copy() for array in inputs.values()])
        return self._answer

    def close(self) -> None:
        """Do nothing."""


def main() -> None:
    """Read, refuse what leaks, train, export."""
    given = _parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    parts = {part: list(_labelled(given.mixed, part, given.modality)) for part in PARTS}
    labels = labels_of(parts["train"])
    train, choice, held_part = divided(parts, given.modality, given.mixed)
    train = _some(train, given.most)
    template = template_of(given.modality)
    weights = json.loads((given.mixed / "recipe.json").read_text("utf-8"))["weights"]
    seen = read_windows(template, train, given.mixed, labels, weights)
    chosen = read_windows(template, _some(choice, given.most // 4), given.mixed, labels, weights)
    net = network(given.modality, template, seen, len(labels))
    log = list(fit(net, seen, given.epochs, given.batch, given.rate, given.seed))
    logits = run(net, chosen)
    training = {
        "clips": dict(Counter(str(clip.corpus) for clip in train)),
        "windows": len(seen.label),
        "parameters": sum(p.numel() for p in net.parameters()),
        "epochs": given.epochs,
        "validation": calibrate.figures(logits, chosen.label),
        "loss": log,
    }
    recall = training["validation"]["unweighted_average_recall"]
    package = package_of(
        given.out.name, template, labels, train, fit_temperature(logits, chosen.label), recall
    )
    record = export.Record(training, [], _words(given.mixed.name, held_part))
    rows = range(0, len(chosen.label), len(chosen.label) // 8 + 1)
    samples = [tuple(column[i : i + 1] for column in chosen.inputs) for i in rows]
    export.write_package(net, package, record, samples, given.out)
    print(json.dumps(training))
    print(f"held out: {given.mixed / held_part}.jsonl, {len(parts[held_part])} clips")


def template_of(modality: Modality) -> ModelPackage:
    """Return the default package, of a voice without the functionals: the small network is one."""
    package = find_package(modality)
    if modality != "voice":
        return package
    return dataclasses.replace(package, inputs=package.inputs[:1])


def labels_of(clips: Sequence[Clip]) -> tuple[str, ...]:
    """Return the labels that occur often enough, the seven categories in their order.

    Raises:
        SystemExit: There are fewer than two.
    """
    counts = Counter(clip.label for clip in clips)
    known = sorted({str(label) for label, n in counts.items() if n >= LEAST})
    if len(known) < 2:
        raise SystemExit(f"nothing to learn: labels of training clips are {dict(counts)}")
    if all(label in CATEGORIES for label in known):
        known.sort(key=CATEGORIES.index)
    return tuple(known)


def divided(
    parts: dict[str, list[Clip]], modality: str, root: Path
) -> tuple[list[Clip], list[Clip], str]:
    """Return training, the clips that the temperature is fitted on, and the held-out part's name.

    Training texts that are held out too, letter by letter, are dropped. Then nothing may be
    shared: speakers, dialogues, files. A film's cast is in all parts of its text.

    Raises:
        SystemExit: There is nothing to evaluate on, it was trained on, or a file is missing.
    """
    held_part = "test" if parts["test"] else "validation"
    held = parts[held_part]
    if not held:
        raise SystemExit("neither test nor validation has a labelled clip: nothing to evaluate on")
    _need_files(chain(*parts.values()), root)
    known = {plain(clip.text or "") for clip in held if modality == "text"}
    train, choice = (
        [clip for clip in clips if plain(clip.text or "") not in known]
        for clips in (parts["train"], parts["validation"] if held_part == "test" else [])
    )
    if not choice:
        out = _tenth(train)
        choice = [clip for clip in train if _group(clip) in out]
        train = [clip for clip in train if _group(clip) not in out]
    try:
        refuse_overlap(
            [*train, *choice],
            held,
            root=None if modality == "text" else root,
            dialogue=dialogue,
            speakers=modality != "text",
        )
    except LeakageError as error:
        raise SystemExit(f"refused: {error}") from error
    return train, choice, held_part


def dialogue(clip: Clip) -> str | None:
    """Return the dialogue of a clip, from its name; None in corpora without any."""
    corpus = corpora().get(clip.corpus or "")
    if corpus is None or corpus.group != "dialogue":
        return None
    return re.sub(r"(_utt|/)\d+(/[a-z]+)?$", "", clip.clip)


def read_windows(
    template: ModelPackage,
    clips: Sequence[Clip],
    root: Path,
    labels: Sequence[str],
    weights: dict[str, dict[str, float]],
) -> Windows:
    """Return what the template's estimator reads of each clip; what it refuses is left out."""
    listener = Listener(template)
    finder = load_face_detector() if template.modality == "face" else None
    estimator = build_estimator(template, listener, MonotonicClock(), finder)
    label, weight = [], []
    for clip in clips:
        if clip.label in labels:
            info, chunk = decode_clip(clip, root)
            estimator.start(info)
            before = len(listener.heard)
            estimator.clip(chunk)
            count = len(listener.heard) - before
            drawn = weights.get(str(clip.corpus), {}).get(str(clip.label), 1.0)
            label += [labels.index(clip.label)] * count
            weight += [drawn / max(1, count)] * count
    if not label:
        raise SystemExit("the estimator refuses every clip")
    inputs = [np.concatenate(column) for column in zip(*listener.heard, strict=True)]
    return Windows(inputs, np.array(label), np.array(weight))


def network(modality: str, template: ModelPackage, seen: Windows, labels: int) -> nn.Module:
    """Return the small network of a modality, untrained."""
    if modality == "text":
        rows = 1 + int(template.features["word_rows"]) + int(template.features["gram_rows"])
        return Bag(rows, labels)
    return Picture(labels) if modality in ("voice", "face") else Row(seen.inputs[0], labels)


def fit(
    net: nn.Module, seen: Windows, epochs: int, batch: int, rate: float, seed: int
) -> Iterator[float]:
    """Train on windows drawn by their weights; yield the mean loss of each epoch."""
    random = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
    share = seen.weight / seen.weight.sum()
    steps = max(1, len(share) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps * epochs + 1)
    for _ in range(epochs):
        net.train()
        losses = []
        for _ in range(steps):
            drawn = random.choice(len(share), size=min(batch, len(share)), p=share)
            answer = net(*(torch.from_numpy(column[drawn]) for column in seen.inputs))
            loss = F.cross_entropy(answer, torch.from_numpy(seen.label[drawn]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        yield round(float(np.mean(losses)), 4)


@torch.no_grad()
def run(net: nn.Module, windows: Windows) -> npt.NDArray[np.float32]:
    """Return the logits of all windows."""
    net.eval()
    cuts = np.array_split(np.arange(len(windows.label)), len(windows.label) // 256 + 1)
    parts = [net(*(torch.from_numpy(column[cut]) for column in windows.inputs)) for cut in cuts]
    return np.asarray(torch.cat(parts).numpy())


def package_of(
    name: str,
    template: ModelPackage,
    labels: tuple[str, ...],
    clips: Sequence[Clip],
    temperature: float,
    recall: float,
) -> export.Package:
    """Return what model.toml says: features and inputs of the template, labels of the recipe."""
    licences = {str(clip.corpus): str(clip.licence) for clip in clips}
    features = dict(template.features)
    if "thresholds" in features:
        features["thresholds"] = {}
    return export.Package(
        id=name,
        modality=template.modality,
        summary="Trained from a recipe's manifests, to show the path; not for use.",
        licence={
            "weights": "as the corpora allow",
            "commercial": all(corpora()[corpus].commercial for corpus in licences),
            "corpora": [{"name": key, "licence": value} for key, value in licences.items()],
        },
        inputs=[export.Tensor(**dataclasses.asdict(tensor)) for tensor in template.inputs],
        outputs=[export.Tensor("logits", (1, len(labels)), "NC", labels=labels)],
        features=features,
        dimensions={"source": "mapping"},
        temperature=round(temperature, 4),
        reliability=calibrate.reliability(recall, len(labels)),
        default=False,
    )


def _labelled(mixed: Path, part: str, modality: str) -> Iterator[Clip]:
    for clip in iter_clips(mixed / f"{part}.jsonl"):
        if clip.modality == modality and clip.label is not None:
            yield clip


def _need_files(clips: Iterable[Clip], root: Path) -> None:
    gone = [clip.path for clip in clips if clip.path and not (root / clip.path).is_file()]
    if gone:
        raise SystemExit(f"{len(gone)} files of the manifests are not there, such as {gone[0]}")


def _group(clip: Clip) -> str:
    return dialogue(clip) or clip.speaker or clip.clip


def _tenth(clips: Sequence[Clip]) -> set[str]:
    """Return a tenth of the dialogues, speakers, or else clips; one at least."""
    groups = sorted(set(map(_group, clips)), key=_chance)
    return set(groups[: max(1, len(groups) // 10)])


def _chance(name: str) -> bytes:
    return hashlib.blake2b(name.encode()).digest()


def _some(clips: list[Clip], most: int) -> list[Clip]:
    """Return the clips in an order by chance, at most so many."""
    return sorted(clips, key=lambda clip: _chance(clip.clip))[:most]


def _words(recipe: str, held_part: str) -> dict[str, Any]:
    return {
        "data": f"The recipe {recipe}, of which what was there; no augmentation.",
        "split": f"Held out: its {held_part} part; neither speakers of sound nor dialogues shared.",
        "limits": ["Small and untuned: it shows that the recipe can be trained."],
        "not_for": ["Any use."],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mixed", type=Path, help="folder that mix wrote")
    parser.add_argument("--modality", choices=MODALITIES, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder, named as the package")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--most", type=int, default=40_000, help="clips that are trained on")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
