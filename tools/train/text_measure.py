"""Figures of the exported text files on dev parts: corpora, context, faults, parts, time."""

from __future__ import annotations

import dataclasses
import random
import re
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import export
import numpy as np
from text_data import Sentence, clips, plain

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.datasets.decode import decode_clip
from edge_emo.estimators.create import build_estimator
from edge_emo.evaluation.evaluate import evaluate_package
from edge_emo.evaluation.report import Report
from edge_emo.manifest import ModelPackage, read_package
from edge_emo.runtime.choose import load_model

BACKENDS = ("litert", "onnx", "openvino")
LABELLED = ("goemotions", "xed", "meld", "emotionlines", "dailydialog", "isear")
TALKS = ("meld", "dailydialog")
WOMEN, MEN = ("Rachel", "Monica", "Phoebe"), ("Ross", "Joey", "Chandler")


def measure(folder: Path, dev: Sequence[Sentence], seen: Collection[str]) -> None:
    """Take all figures into a package.

    Args:
        folder: The model package.
        dev: The dev parts of all corpora, those that the package was not trained on too.
        seen: The words of each sentence that it was trained on, as ``plain`` gives them.
    """
    for name in LABELLED:
        backends = ("litert", "onnx") if name == "goemotions" else ("litert",)
        _evaluate(folder, f"dev of {name}, one category", _of(dev, name), "label", backends)
    reads_context = read_package(folder).features["context_s"] > 0
    for name in TALKS if reads_context else ():
        split = f"dev of {name}, one category, with context"
        _evaluate(folder, split, _of(dev, name), "label", ("litert",), context=True)
    _evaluate(
        folder, "dev of goemotions, grouped", _of(dev, "goemotions"), "categories", ("litert",)
    )
    _evaluate(
        folder, "dev of goemotions, 28 labels", _of(dev, "goemotions"), "emotions", ("litert",)
    )
    _evaluate(folder, "dev of emobank", _of(dev, "emobank"), "affect", ("litert", "openvino"))
    tables = [_context(folder, dev)] if reads_context else []
    tables += [_new(folder, dev, seen), _faults(folder, dev), _parts(folder, dev)]
    tables.append(_time(folder, dev))
    export.add_metrics(folder, {"tables": tables, "uncalibrated": _uncalibrated(folder, dev)})


def _of(dev: Sequence[Sentence], name: str) -> list[Sentence]:
    return [one for one in dev if one.corpus == name]


def _evaluate(
    folder: Path,
    split: str,
    sentences: list[Sentence],
    truth: str,
    backends: Sequence[str],
    context: bool = False,
) -> None:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "manifest.jsonl"
        write_clips(file, clips(sentences, truth, context=context))
        export.measure(folder, split, file, list(backends))


def _report(folder: Path, chosen: Sequence[Clip]) -> Report:
    return evaluate_package(read_package(folder), chosen, folder, backend="litert")


def _figures(found: Report) -> tuple[int, float | None, float | None, float | None]:
    return found.n, found.accuracy, found.macro_f1, found.weighted_f1


def _new(folder: Path, dev: Sequence[Sentence], seen: Collection[str]) -> dict[str, Any]:
    rows = []
    for name in LABELLED:
        every = _of(dev, name)
        new = [one for one in every if plain(one.text) not in seen]
        for kind, some in (("all", every), ("with new words only", new)):
            found = _report(folder, clips(some, "label", context=name in TALKS))
            rows.append([name, kind, *_figures(found)])
    return {
        "title": "Sentences with new words",
        "what": "Dev sentences whose words, signs and case aside, are those of no training "
        "sentence, beside all of them; those of dialogues with context where it is read; litert.",
        "head": ["corpus", "sentences", "n", "accuracy", "macro F1", "weighted F1"],
        "rows": rows,
    }


def _context(folder: Path, dev: Sequence[Sentence]) -> dict[str, Any]:
    rows = []
    for name in TALKS:
        talk = [s for s in _of(dev, name) if s.before][:1500]
        for said in range(4):
            short = [_with(s, said) for s in talk]
            found = _report(folder, clips(short, "label", context=True))
            rows.append([name, said, *_figures(found)])
    return {
        "title": "What context is worth",
        "what": "At most 1500 utterances of dev dialogues that have something before them, with "
        "none, one, two or three utterances of it given; litert.",
        "head": ["dialogues", "given", "n", "accuracy", "macro F1", "weighted F1"],
        "rows": rows,
    }


def _with(one: Sentence, said: int) -> Sentence:
    return dataclasses.replace(one, before=one.before[-said:] if said else ())


def _faults(folder: Path, dev: Sequence[Sentence]) -> dict[str, Any]:
    sentences = [s for s in _of(dev, "goemotions") if len(s.categories or ()) == 1][:2000]
    rng = random.Random(0)
    faults: list[tuple[str, Callable[[str], str]]] = [
        ("as written", lambda text: text),
        ("lower case", str.lower),
        ("capitals", str.upper),
        ("no punctuation", lambda text: re.sub(r"[^\w\s'\[\]]", "", text)),
        ("as a recogniser writes", lambda text: re.sub(r"[^\w\s'\[\]]", "", text).lower()),
        (
            "a letter wrong in one longer word of five",
            lambda text: _typos(text, rng, 0.2),
        ),
        ("a letter wrong in every second longer word", lambda text: _typos(text, rng, 0.5)),
        ("one word of five lost", lambda text: _lost(text, rng)),
    ]
    rows = [_fault(folder, name, fault, sentences) for name, fault in faults]
    for low, high in ((1, 4), (5, 9), (10, 19), (20, 99)):
        some = [s for s in sentences if low <= len(s.text.split()) <= high]
        rows.append(_fault(folder, f"{low} to {high} words", lambda text: text, some))
    return {
        "title": "Robustness",
        "what": "The first 2000 dev comments of goemotions with one category, made worse on "
        "purpose, and by length; longer words have four letters or more; litert.",
        "head": ["text", "n", "accuracy", "macro F1", "calibration error", "abstained"],
        "rows": rows,
    }


def _fault(
    folder: Path, name: str, fault: Callable[[str], str], sentences: list[Sentence]
) -> list[Any]:
    changed = [dataclasses.replace(one, text=fault(one.text)) for one in sentences]
    found = _report(folder, clips(changed, "label"))
    figures = (found.accuracy, found.macro_f1, found.expected_calibration_error, found.abstained)
    return [name, found.n, *figures]


def _typos(text: str, rng: random.Random, share: float) -> str:
    return " ".join(_typo(w, rng) if rng.random() < share else w for w in text.split())


def _typo(word: str, rng: random.Random) -> str:
    """Return a word with one letter swapped with its neighbour, lost, doubled or another."""
    if len(word) < 4:
        return word
    at = rng.randrange(len(word) - 1)
    a, b = word[at], word[at + 1]
    pair = rng.choice([b + a, b, a + a + b, rng.choice("etaoinshr") + b])
    return word[:at] + pair + word[at + 2 :]


def _lost(text: str, rng: random.Random) -> str:
    words = text.split()
    return " ".join(w for w in words if rng.random() > 0.2) or text


def _parts(folder: Path, dev: Sequence[Sentence]) -> dict[str, Any]:
    rows = []
    for title, who in (("women's parts", WOMEN), ("men's parts", MEN)):
        said = [s for s in _of(dev, "meld") if s.part in who]
        found = _report(folder, clips(said, "label", context=True))
        rows.append([title, *_figures(found)])
    return {
        "title": "Women's and men's parts",
        "what": "Dev utterances of meld by the six leading parts, with context where it is read; "
        "litert. No other "
        "corpus tells who writes, and all of them are in English.",
        "head": ["parts", "n", "accuracy", "macro F1", "weighted F1"],
        "rows": rows,
    }


def _time(folder: Path, dev: Sequence[Sentence]) -> dict[str, Any]:
    package = read_package(folder)
    chosen = clips(_of(dev, "goemotions")[:400], None)
    clock = _ProcessorClock()
    rows = []
    for backend in BACKENDS:
        estimator = build_estimator(package, load_model(package, backend=backend), clock)
        network, whole = [], []
        for clip in chosen:
            _, chunk = decode_clip(clip, folder)
            began_ns = clock.now_ns()
            prediction = estimator.clip(chunk)
            whole.append((clock.now_ns() - began_ns) / 1e6)
            network.append(prediction.inference_ns / 1e6)
        estimator.close()
        rows.append([backend, *(_percentile(c, p) for c in (network, whole) for p in (50, 95))])
    return {
        "title": "Time of a sentence",
        "what": "400 comments, each once, ms of processor time, one thread of an x86-64 machine "
        "that others use too: the network alone, and everything from letters to prediction.",
        "head": ["backend", "network p50", "network p95", "whole p50", "whole p95"],
        "rows": rows,
    }


class _ProcessorClock(MonotonicClock):
    """Tells what this process has used of the processor, which others do not add to."""

    def now_ns(self) -> int:
        return time.process_time_ns()


def _percentile(values: list[float], share: int) -> float:
    return round(float(np.percentile(values, share)), 3)


def uncalibrated(package: ModelPackage) -> ModelPackage:
    """Return a package whose posteriors no temperature changes, that of a file neither."""
    files = tuple(dataclasses.replace(file, temperature=None) for file in package.files)
    return dataclasses.replace(package, temperature=1.0, files=files)


def _uncalibrated(folder: Path, dev: Sequence[Sentence]) -> dict[str, float]:
    package = uncalibrated(read_package(folder))
    found = {}
    for name in ("goemotions", "meld"):
        chosen = clips(_of(dev, name), "label")
        report = evaluate_package(package, chosen, folder, backend="litert")
        found[f"dev of {name}"] = report.expected_calibration_error or 0.0
    return found
