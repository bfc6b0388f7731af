"""The text model: train, export, measure on the dev parts.

``--data`` is the folder that holds ``goemotions/``, ``xed/``, ``emobank/`` and, for the research
package, ``meld/``, ``emotionlines/``, ``dailydialog/`` and ``isear/``, as published. A package
whose name ends in ``commercial`` is trained on the first three only. Steps:

- ``teach``: fit larger networks on the training parts and keep them beside ``--checkpoint``;
  those that are there already stay
- ``train``: fit the small one on those parts and the teachers' answers, keep ``--checkpoint``
- ``finish``: fit it further, to the validation part too
- ``export``: checkpoint → model package ``--out``, calibrated on the validation part
- ``measure``: figures of the dev parts into the package ``--out``
- ``manifest``: the dev part of ``--corpus`` with the truth ``--truth`` as a manifest ``--out``,
  for ``edge-emo evaluate``
- ``all`` (the default): the first five
"""

from __future__ import annotations

import argparse
import json
import time
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import calibrate
import export
import numpy as np
import numpy.typing as npt
import text_measure
import torch
from leakage import refuse_overlap
from text_data import (
    CORPORA,
    EMOTIONS,
    SPOKEN,
    Sentence,
    clips,
    dialogue,
    plain,
    read_corpora,
)
from text_distil import Teachers, plain_views
from text_fit import Options, fit, plentiful, run
from text_net import Exported, Heads, Size, TextNet, int8_of
from text_score import lift_of, report, thresholds
from text_table import Table, View, table_of
from text_words import words

from edge_emo.datasets.clips import write_clips
from edge_emo.estimators.calibration import fit_temperature
from edge_emo.features.text import TextSpec, context_rows, sentence_rows, tokens
from edge_emo.types import CATEGORIES

SPEC = TextSpec(words=48, context=32, ids=16, word_rows=24000, gram_rows=28000, least=3, most=5)
QUIET = 0.3
"""Part of DailyDialog's neutral utterances that the small network reads, half in each epoch."""
TEACHER_SPEC = replace(SPEC, gram_rows=32000)
FURTHER = Options(
    epochs=3,
    rate=5e-4,
    table_rate=5e-4,
    row_drop=0.2,
    context_drop=0.15,
    seed=5,
    lift=0.25,
    twice=(),
)
"""How a teacher is fitted further to what is spoken."""
LAST = Options(epochs=3, rate=1e-3, table_rate=1e-3, seed=11, quiet=0.5)
"""How the small network is fitted further, to the validation part too."""
TEACHER = Size(TEACHER_SPEC.rows, width=128, filters=256, hidden=256, drop=0.5, recurrent=True)


def main() -> None:
    """Run one step."""
    given = _parser().parse_args()
    torch.set_num_threads(1)
    steps = {
        "teach": teach,
        "train": train,
        "finish": finish,
        "export": export_package,
        "measure": measure,
        "manifest": manifest,
        "all": lambda all_of: [step(all_of) for step in EVERY_STEP],
    }
    steps[given.step](given)


def teach(given: argparse.Namespace) -> None:
    """Fit the teachers that are not kept yet, each from its own seed."""
    training, validation = _parts(given, TEACHER_SPEC)
    for number in range(1, given.teachers + 1):
        seed, path = given.seed + number, _teacher(given, number)
        options = Options(epochs=given.teacher_epochs, seed=seed, row_drop=0.2)
        net = _net(_read(path)) if path.exists() else _new_net(TEACHER, seed)
        if not path.exists():
            _teach(net, training, validation, options, path)
        some = np.array([s.corpus in SPOKEN for s in training.sentences])
        path = _teacher(given, number, "spoken")
        if some.any() and not path.exists():
            _teach(net, training.part(some), validation, FURTHER, path)


def _teach(net: TextNet, training: Table, validation: Table, options: Options, path: Path) -> None:
    views = plain_views(training, options.context_drop)
    log = _fit(net, training, views, validation, options)
    _keep(path, net, {"options": asdict(options), "log": log})


def train(given: argparse.Namespace) -> None:
    """Fit the small network on what the teachers say, and keep weights, options and log."""
    began = time.monotonic()
    training, validation = _parts(given, SPEC)
    kept = _kept(training, given.seed)
    training = training.part(kept)
    teachers, figures = _teachers(given)
    options = Options(epochs=given.epochs, seed=given.seed, quiet=0.5)
    net = _new_net(Size(SPEC.rows, drop=given.drop), given.seed)
    theirs, _ = _parts(given, TEACHER_SPEC)
    views = teachers.views(theirs.part(kept), given.changed, given.seed, options.context_drop)
    log = _fit(net, training, views, validation, options)
    content = {
        "options": {**asdict(options), "teachers": given.teachers, "changed": given.changed},
        "log": log,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "sentences": dict(Counter(s.corpus for s in training.sentences)),
        "emoji": _emoji(training.sentences),
        "teachers": figures,
    }
    _keep(given.checkpoint, net, content)


def finish(given: argparse.Namespace) -> None:
    """Fit the small network further, to the validation part too; nothing is chosen any more."""
    teachers, _ = _teachers(given)
    sentences = _sentences(given)
    table = table_of(sentences, SPEC)
    kept = _kept(table, given.seed)
    theirs = table_of(sentences, TEACHER_SPEC).part(kept)
    views = teachers.views(theirs, given.changed, given.seed + 1, LAST.context_drop)
    net = _net(_read(given.checkpoint))
    for loss in fit(net, table.part(kept), views, LAST):
        print(json.dumps({"loss": round(loss, 4)}), flush=True)
    _keep(_finished(given), net, {"options": asdict(LAST)})


def export_package(given: argparse.Namespace) -> None:
    """Write the model package of a finished checkpoint, calibrated before it was finished.

    What the network answers to the validation part before it has learned it sets the lift, the
    thresholds and the temperature.
    """
    kept, finished = _read(given.checkpoint), _read(_finished(given))
    net = _rounded(_net(kept))
    held = [s for s in _sentences(given) if s.split == "validation"]
    table = table_of(held, SPEC)
    heads = run(net, table)
    lift = _lift(heads, table)
    spoken = torch.from_numpy((table.before > 0).any(1, keepdims=True)).float()
    heads = heads._replace(logits=heads.logits + spoken * lift)
    limits = _limits(heads, table)
    logits, targets, weights = _single(heads, table)
    temperature = round(_temperature(logits, targets, weights), 3)
    recall = calibrate.figures(logits, targets)["unweighted_average_recall"]
    record = export.Record(
        training={
            **kept["options"],
            "parameters": sum(p.numel() for p in net.parameters()),
            "sentences": kept["sentences"],
            "minutes of the small network on one shared CPU thread": kept["minutes"],
            "validation": report(heads, table),
            "added to the logits of a line with context": dict(
                zip(CATEGORIES, np.round(lift.numpy(), 3).tolist(), strict=True)
            ),
            "validation before the lift and before the table became int8": _figures(
                kept["log"][-1]
            ),
            **_taught(kept),
            "then, validation part included": finished["options"],
            "log": kept["log"],
        },
        tried=json.loads(Path(__file__).with_name("text_tried.json").read_text("utf-8")),
        words=words(_commercial(given)),
    )
    package = _package(given, kept["emoji"], limits, temperature, recall)
    samples = [(_rows(one), context_rows(one.before, SPEC)) for one in held[::400]]
    exported = Exported(_rounded(_net(finished)), lift)
    export.write_package(exported, package, record, samples, given.out)


def _taught(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the validation figures of the teachers by what they are."""
    number = kept["options"]["teachers"]
    kinds = ["teacher {}", "teacher {}, fitted further to what is spoken"]
    names = [kind.format(n) for kind in kinds for n in range(1, number + 1)]
    return {f"validation of {name}": f for name, f in zip(names, kept["teachers"], strict=False)}


def measure(given: argparse.Namespace) -> None:
    """Evaluate the exported files on the dev parts, and measure what only the text model has."""
    seen = {plain(s.text) for s in _sentences(given)}  # refuses figures of what the run has seen
    dev = [s for s in read_corpora(given.data, commercial=False) if s.split == "dev"]
    text_measure.measure(given.out, dev, seen)


def manifest(given: argparse.Namespace) -> None:
    """Write the manifest of the dev part of one corpus."""
    every = read_corpora(given.data, commercial=False)
    chosen = [s for s in every if s.split == "dev" and s.corpus == given.corpus]
    made = clips(chosen, given.truth, context=given.context)
    write_clips(given.out, made)
    print(f"{len(made)} clips in {given.out}")


EVERY_STEP = (teach, train, finish, export_package, measure)

# --- training ---------------------------------------------------------------------------------


def _commercial(given: argparse.Namespace) -> bool:
    return bool(given.out.name.endswith("commercial"))


def _sentences(given: argparse.Namespace) -> list[Sentence]:
    """Return what a run may see.

    Raises:
        LeakageError: It shares a person, a dialogue or a text with a dev part.
    """
    every = read_corpora(given.data, commercial=False)
    dev = [s for s in every if s.split == "dev"]
    mine = read_corpora(given.data, commercial=True) if _commercial(given) else every
    seen = [s for s in mine if s.split != "dev"]
    refuse_overlap(clips(seen, None), clips(dev, None), dialogue=dialogue)
    return seen


def _parts(given: argparse.Namespace, spec: TextSpec) -> tuple[Table, Table]:
    """Return the training and the validation part."""
    table = table_of(_sentences(given), spec)
    held = np.array([s.split == "validation" for s in table.sentences])
    return table.part(~held), table.part(held)


def _fit(
    net: TextNet, training: Table, views: Sequence[View], validation: Table, options: Options
) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = []
    for epoch, loss in enumerate(fit(net, training, views, options)):
        log.append({"epoch": epoch, "loss": round(loss, 4)})
        if epoch % 2 or epoch == options.epochs - 1:
            log[-1] |= report(run(net, validation), validation)
        print(json.dumps(log[-1]), flush=True)
    return log


def _kept(table: Table, seed: int) -> npt.NDArray[np.bool_]:
    """Return which sentences the small network reads: of DailyDialog's neutral ones a part."""
    drawn = np.random.default_rng(seed).random(len(table.sentences))
    return ~plentiful(table) | (drawn < QUIET)


def _new_net(size: Size, seed: int) -> TextNet:
    torch.manual_seed(seed)
    return TextNet(size)


def _teacher(given: argparse.Namespace, number: int, kind: str = "teacher") -> Path:
    checkpoint: Path = given.checkpoint
    return checkpoint.with_suffix(f".{kind}{number}.pt")


def _finished(given: argparse.Namespace) -> Path:
    checkpoint: Path = given.checkpoint
    return checkpoint.with_suffix(".finished.pt")


def _teachers(given: argparse.Namespace) -> tuple[Teachers, list[dict[str, Any]]]:
    """Return the teachers that are kept, and the validation figures of each."""
    numbers = range(1, given.teachers + 1)
    every = [_read(_teacher(given, n)) for n in numbers]
    spoken = [_read(p) for n in numbers if (p := _teacher(given, n, "spoken")).exists()]
    figures = [_figures(kept["log"][-1]) for kept in (*every, *spoken)]
    return Teachers([_net(kept) for kept in every], [_net(kept) for kept in spoken]), figures


def _rounded(net: TextNet) -> TextNet:
    """Return the network with its table in steps of int8."""
    with torch.no_grad():
        steps, scale = int8_of(net.table.weight)
        net.table.weight.copy_(steps * scale)
    return net


def _keep(path: Path, net: TextNet, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state": net.state_dict(), "size": asdict(net.size), **content}, path)


def _read(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _net(kept: Mapping[str, Any]) -> TextNet:
    net = TextNet(Size(**kept["size"]))
    net.load_state_dict(kept["state"])
    return net


def _emoji(sentences: Sequence[Sentence]) -> list[str]:
    """Return the emoji and emoticons of five training sentences or more."""
    counts = Counter(
        word for one in sentences if one.split == "train" for word in set(tokens(one.text))
    )
    return sorted(word for word, n in counts.items() if n >= 5 and _is_sign(word))


def _is_sign(word: str) -> bool:
    if word.isascii():
        return len(word) > 1 and word[0] in ":;=^<" and word[-1] != ">"
    return unicodedata.category(word[0]) == "So" and word not in "♀♂♭♪°"


# --- validation -------------------------------------------------------------------------------


def _lift(heads: Heads, table: Table) -> torch.Tensor:
    """Return what is added to the logits of lines with context, chosen on people who talk."""
    corpora = np.array([s.corpus for s in table.sentences])
    some = np.isin(corpora, SPOKEN) & (table.before > 0).any(1)
    if not some.any():
        return torch.zeros(len(CATEGORIES))
    truth = table.truth.categories[some]
    return torch.from_numpy(lift_of(heads.logits.numpy()[some], truth, corpora[some]))


def _limits(heads: Heads, table: Table) -> dict[str, dict[str, float]]:
    """Return the thresholds of both multi-label outputs, chosen on GoEmotions' validation part."""
    there = torch.from_numpy(table.truth.has[:, 1] > 0)
    rows = there.numpy()
    found = {}
    for name, labels, truth in (
        ("scores", CATEGORIES, table.truth.categories),
        ("emotions", EMOTIONS, table.truth.emotions),
    ):
        scores = getattr(heads, name)[there].sigmoid().numpy()
        values = thresholds(scores, truth[rows])
        found[name] = {k: round(float(v), 4) for k, v in zip(labels, values, strict=True)}
    return found


def _figures(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("epoch", "loss")}


def _single(
    heads: Heads, table: Table
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.integer], npt.NDArray[np.float64]]:
    """Return logits and category of the sentences with one; each corpus weighs the same."""
    one = table.truth.categories.sum(1) == 1
    corpora = np.array([s.corpus for s in table.sentences])[one]
    counts = Counter(corpora.tolist())
    weights = np.array([1.0 / counts[name] for name in corpora.tolist()])
    logits = heads.logits[torch.from_numpy(one)].numpy()
    return logits, table.truth.categories[one].argmax(1), weights


def _temperature(
    logits: npt.NDArray[np.float32],
    targets: npt.NDArray[np.integer],
    weights: npt.NDArray[np.float64],
) -> float:
    """Return the temperature for a mixture of the corpora in equal parts, drawn from them."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(len(targets), size=20_000, p=weights / weights.sum())
    return fit_temperature(logits[drawn], targets[drawn])


# --- package ----------------------------------------------------------------------------------


def _rows(one: Sentence) -> npt.NDArray[np.int32]:
    return sentence_rows(tokens(one.text), SPEC)


def _package(
    given: argparse.Namespace,
    emoji: list[str],
    limits: dict[str, dict[str, float]],
    temperature: float,
    recall: float,
) -> export.Package:
    commercial = _commercial(given)
    used = [corpus for corpus in CORPORA if corpus.commercial or not commercial]
    weights = (
        "CC-BY-SA-4.0: the strictest of the corpora"
        if commercial
        else "CC-BY-NC-SA-4.0, research only: the strictest of the corpora"
    )
    return export.Package(
        id=given.out.name,
        modality="text",
        summary="Emotion that English words express: seven categories, 28 labels, dimensions.",
        licence={
            "weights": weights,
            "commercial": commercial,
            "corpora": [{"name": c.name, "licence": c.licence} for c in used],
        },
        inputs=[
            export.Tensor("words", (1, SPEC.words, SPEC.ids), "NTI", "int32"),
            export.Tensor("before", (1, SPEC.context, SPEC.ids), "NTI", "int32"),
        ],
        outputs=[
            export.Tensor("logits", (1, len(CATEGORIES)), "NC", labels=CATEGORIES),
            export.Tensor("scores", (1, len(CATEGORIES)), "NC", labels=CATEGORIES),
            export.Tensor("emotions", (1, len(EMOTIONS)), "NC", labels=EMOTIONS),
            export.Tensor("affect", (1, 3), "NC", labels=("valence", "arousal", "dominance")),
        ],
        features={
            **asdict(SPEC),
            "context_s": 0.0 if commercial else 60.0,  # its corpora hold no dialogues
            "languages": ["en"],
            "emoji": emoji,
            "thresholds": limits,
        },
        dimensions={"source": "model"},
        temperature=temperature,
        reliability=calibrate.reliability(recall, len(CATEGORIES)),
        default=not commercial,
        precision="int8",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = ("all", "teach", "train", "finish", "export", "measure", "manifest")
    parser.add_argument("step", choices=steps, nargs="?", default="all")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/text-expression-small"))
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train/text.pt"))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--teachers", type=int, default=2, help="how many; 0 for none")
    parser.add_argument("--teacher-epochs", type=int, default=4)
    parser.add_argument("--changed", type=int, default=1, help="changed copies of each sentence")
    parser.add_argument("--drop", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", choices=[c.name for c in CORPORA], default="goemotions")
    truths = ("label", "categories", "emotions", "affect")
    parser.add_argument("--truth", choices=truths, default="label")
    parser.add_argument("--context", action="store_true", help="with what was said before")
    return parser


if __name__ == "__main__":
    main()
