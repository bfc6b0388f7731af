"""The voice packages: export what ``voice_fit.py`` trained, and measure it.

``--data`` is the folder that holds the corpora as WAV files, ``--weights`` those with the
``voice-*.pt`` files: each run's networks of all folders become one. Steps:

- ``cross``: export the file of every fold, measure it on the speakers that it never met, by clips
  and heard live, and keep the figures in ``--figures``; for the research package also files of
  corpora left out, faults of the sound, and the gate. Temperatures that ``--figures`` holds are not
  fitted again; figures of other weights are refused
- ``export``: the package ``--out``, its temperature fitted on its validation speakers, and the
  figures of ``cross`` in its card; ``compile_models.py`` then makes its int8 files
- ``measure``: judges the package's own files on speakers that it never met
- ``figures``: the last part of ``export`` alone: the figures of ``cross``, times and texts into the
  card
- ``log``: what was tried into the card
- ``manifest``: the clips that ``--run`` never met as a manifest ``--out``, for
  ``edge-emo evaluate MODEL --manifest FILE --root DATA``
- ``fold``: the exported file of ``--run`` as a package folder below ``--out``
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import calibrate
import export
import latency
import numpy as np
import torch
import voice_package
import voice_score
from voice_bench import Bench
from voice_corpora import TARGETS, Sound
from voice_mel import LENGTH, SPEC
from voice_start import folds_of

from edge_emo.datasets.clips import write_clips
from edge_emo.features.voice_functionals import functionals
from edge_emo.manifest import read_package

NAMES = {False: "voice-expression-small", True: "voice-expression-commercial"}
FOLD = "float32, files of folds"


def main() -> None:
    """Run one step."""
    given = _parser().parse_args()
    torch.set_num_threads(1)
    steps = {
        "cross": cross,
        "export": export_package,
        "manifest": manifest,
        "fold": fold,
        "figures": add_figures,
        "measure": measure,
        "log": log,
    }
    steps[given.step](given)


def manifest(given: argparse.Namespace) -> None:
    """Write the clips that a run never met."""
    sounds = voice_score.all_sounds(given.data)
    found = voice_score.unseen(given.run, sounds, given.corpora)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_clips(given.out, map(voice_score.manifest_clip, found))
    print(f"{len(found)} clips in {given.out}; evaluate with --root {given.data}")


def fold(given: argparse.Namespace) -> None:
    """Write the exported file of a run as a package; its temperature is that of ``cross``."""
    temperature = json.loads(given.figures.read_text("utf-8"))["temperatures"][given.run]
    sounds = voice_score.all_sounds(given.data)
    traced = next(s for s in sounds if s.corpus == "emodb")
    voice_score.export_fold(given.weights, given.run, temperature, given.out, traced, given.data)


def cross(given: argparse.Namespace) -> None:
    """Measure every fold and keep the figures."""
    bench = Bench(given)
    parts = {
        "folds": lambda: {"evaluations": bench.folds()},
        "left-out": lambda: {"evaluations": bench.left_out()},
        "faults": lambda: {"robustness": bench.robustness()},
        "gate": lambda: {"gate": bench.gate()},
        "arousal": lambda: {"affect": bench.arousal()},
        "alone": lambda: {"tables": [bench.alone()]},
        "live": lambda: {"tables": [bench.live()]},
    }
    for name in given.parts:
        if name not in ("left-out", "arousal") or not given.commercial:
            told = {"temperatures": bench.temperatures, "networks": bench.networks}
            _keep(given.figures, parts[name]() | told)


def _keep(file: Path, found: dict[str, Any]) -> None:
    """Put figures beside those of other parts; those of the same name are replaced."""
    held: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    lists = {kind: _with(held, found, kind, by) for kind, by in _NAMED.items()}
    held |= found | lists
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(held, indent=1) + "\n", "utf-8")


_NAMED = {"evaluations": "split", "tables": "title"}


def _with(held: dict[str, Any], found: dict[str, Any], kind: str, by: str) -> list[dict[str, Any]]:
    new = found.get(kind, [])
    names = {row[by] for row in new}
    return [*(row for row in held.get(kind, []) if row[by] not in names), *new]


def export_package(given: argparse.Namespace) -> None:
    """Write a package, fit its temperature, and put the figures into its card."""
    run = "commercial" if given.commercial else "research"
    corpora = ("emodb",) if given.commercial else TARGETS
    sounds = voice_score.all_sounds(given.data)
    trained = voice_package.read_run(given.weights, run)
    validation = voice_score.unseen(run, sounds, corpora)
    voice_score.refuse_leaks(run, sounds, validation, given.data)
    voice_score.refuse_unrecorded(run, trained, validation)
    said = voice_score.answers(trained.net, validation, given.data)
    labels = voice_package.labels_of(run)
    temperature = voice_score.fit_temperature([said], labels)
    figures = json.loads(given.figures.read_text("utf-8"))
    recall = _mean_recall(figures, corpora)
    reliability = calibrate.reliability(recall, len(labels))
    package = voice_package.package(
        given.out.name, run, trained.net.reads, temperature, reliability
    )
    record = export.Record(_training(trained), _tried(), voice_package.words(run))
    some = validation[:: max(1, len(validation) // 40)]
    others = [voice_score.first(trained.net, s, given.data) for s in some]
    export.write_package(trained.net, package, record, others, given.out)
    add_figures(given)
    for table in elder_folds(trained.parts):
        export.add_table(given.out, table)


def elder_folds(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a table of what folds recalled whose files are gone, for networks of a package.

    Args:
        parts: What is told of the training of each; those that share such folds share a table.
    """
    shared: dict[str, tuple[Mapping[str, Any], list[int]]] = {}
    for number, part in enumerate(parts, 1):
        if folds := folds_of(part):
            shared.setdefault(json.dumps(folds), (folds, []))[1].append(number)
    return [_elder_table(folds, numbers, parts) for folds, numbers in shared.values()]


def _elder_table(
    folds: Mapping[str, Any], numbers: Sequence[int], parts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    heirs = [number for number in numbers if "before" in parts[number - 1]]
    itself = next((number for number in numbers if number not in heirs), None)
    first = "This network" if itself else "A network that these go on from"
    others = f" Convolutions {' and '.join(map(str, heirs))} go on from it." if heirs else ""
    return {
        "title": f"Folds of convolutions {itself or heirs[0]} alone",
        "what": f"{first} was trained on {folds['device']} and read back from a package.{others} "
        "The files of folds, of which all rows of unseen speakers above are, hold other "
        f"convolutions in the place of {' and '.join(map(str, numbers))}, trained on a processor. "
        f"Its card said of noise: {folds['noise']} What its own folds had, float32, by itself and "
        "without an expert:",
        "head": ["clips of", "clips", "unweighted average recall", "expected calibration error"],
        "rows": [list(row.values()) for row in folds["folds"]],
    }


def measure(given: argparse.Namespace) -> None:
    """Measure the package's own files on the speakers that it never met."""
    run = "commercial" if given.commercial else "research"
    sounds = voice_score.all_sounds(given.data)
    split = "speakers that its temperature was fitted on"
    with tempfile.TemporaryDirectory() as place:
        for entry in given.data.iterdir():
            (Path(place) / entry.name).symlink_to(entry.resolve())
        file = Path(place) / "manifest.jsonl"
        known = ("emodb",) if given.commercial else TARGETS
        _write_manifest(file, voice_score.unseen(run, sounds, known))
        export.measure(given.out, split, file, ["onnx"], "float32")
        export.measure(given.out, split, file, _int8_backends(given.out), "int8")
        for corpus in TARGETS if given.commercial else ():
            if corpus not in known:
                _write_manifest(file, voice_score.unseen(run, sounds, [corpus]))
                export.measure(given.out, f"{corpus}, a corpus never heard", file, ["litert"])


def _int8_backends(folder: Path) -> list[str]:
    """OpenVINO cannot read the int8 TFLite file; it has one of its own once it is compiled."""
    compiled = any(file.target == "openvino" for file in read_package(folder).files)
    return ["litert", "openvino"] if compiled else ["litert"]


def _write_manifest(file: Path, sounds: list[Sound]) -> None:
    write_clips(file, map(voice_score.manifest_clip, sounds))


def add_figures(given: argparse.Namespace) -> None:
    """Put what ``cross`` measured in front of the package's own evaluations."""
    figures = json.loads(given.figures.read_text("utf-8"))
    metrics = json.loads((given.out / "metrics.json").read_text("utf-8"))
    own = [row for row in metrics["evaluations"] if row.get("precision") != FOLD]
    found = sorted(figures["evaluations"], key=lambda row: "never heard" in row["split"])
    rows = [{**_brief(row), "precision": FOLD} for row in found]
    names = ("robustness", "gate", "affect")
    entries = {name: figures[name] for name in names if figures.get(name)}
    entries |= {
        "evaluations": [*rows, *own],
        "latency": {"what": _latency_words(given.out), "rows": latency.table(given.out)},
        "words": voice_package.words("commercial" if given.commercial else "research"),
        "tried": _tried(),
    }
    export.add_metrics(given.out, entries)
    for table in figures.get("tables", []):
        export.add_table(given.out, table)


def log(given: argparse.Namespace) -> None:
    """Put what was tried into the card."""
    export.add_metrics(given.out, {"tried": _tried()})


def _latency_words(folder: Path) -> str:
    """Say what the times hold, and how long functionals take where they are read."""
    if len(read_package(folder).inputs) == 1:
        return latency.WORDS
    window = np.random.default_rng(0).standard_normal((LENGTH, SPEC.bands)).astype(np.float32)
    times_ns = []
    for _ in range(200):
        began_ns = time.perf_counter_ns()
        functionals(window)
        times_ns.append(time.perf_counter_ns() - began_ns)
    least_ms = min(times_ns) / 1e6
    return f"{latency.WORDS} The functionals of a window take {least_ms:.2f} ms more, at least."


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for the card; those of parts of other rows do without a confusion."""
    part = any(word in row["split"] for word in ("women", " men", "among", "shared"))
    return {key: value for key, value in row.items() if key != "confusion" or not part}


def _mean_recall(figures: dict[str, Any], corpora: Iterable[str]) -> float:
    wanted = {f"{corpus}, unseen speakers" for corpus in corpora}
    rows = [row for row in figures["evaluations"] if row["split"] in wanted]
    return float(np.mean([row["unweighted_average_recall"] for row in rows]))


def _training(trained: voice_package.Trained) -> dict[str, Any]:
    stages = {f"convolutions, {k + 1}": _stage(part) for k, part in enumerate(trained.parts)}
    return {
        "parameters": sum(p.numel() for p in trained.net.parameters()),
        "clips": trained.parts[0]["clips"],
        **stages,
        **({"expert on functionals": trained.expert} if trained.expert else {}),
        "log": [part["log"] for part in trained.parts],
    }


def _stage(part: dict[str, Any]) -> str:
    """Say how a network of convolutions was trained last."""
    options = part["options"]
    frames = options.get("frames", LENGTH)
    shown = "whole windows" if frames == LENGTH else f"mostly {frames} frames of each window"
    return (
        f"{part['steps']} steps of {options['batch']} on from {part['stem'] or 'chance'}, {shown}, "
        f"{part['seconds']:g} s of {part['device']} shared with the other runs, windows made "
        f"before: {part.get('windows') or 'none'}"
    )


def _tried() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        Path(__file__).with_name("voice_tried.json").read_text("utf-8")
    )
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "step",
        choices=("cross", "export", "measure", "figures", "manifest", "fold", "log"),
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--weights", type=Path, nargs="+", default=[Path("build/train/voice")],
        help="folders of networks that stand beside one another; an expert may be in the first",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("models") / NAMES[False])
    parser.add_argument("--figures", type=Path, default=Path("build/train/voice-cross.json"))
    parser.add_argument("--commercial", action="store_true")
    parts = ("folds", "left-out", "faults", "gate", "arousal", "alone", "live")
    parser.add_argument("--parts", nargs="+", default=list(parts), choices=parts, help="of cross")
    parser.add_argument("--cache", type=Path, default=Path("build/train/voice-answers"))
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip, for trials")
    parser.add_argument("--run", default="research")
    parser.add_argument("--corpora", nargs="+", default=list(TARGETS), choices=TARGETS)
    return parser


if __name__ == "__main__":
    main()
