"""The model card: card.md from model.toml and metrics.json, no figure from anywhere else.

python tools/train/card.py models/face-expression-small
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import card_compiled

from edge_emo.manifest.write import read_table

WORDS = ("data", "split", "intended_use", "not_for", "limits")
"""Keys of ``words`` in metrics.json; each holds one text or a list of texts."""

FIGURES = (
    ("n", "clips"),
    ("accuracy", "accuracy"),
    ("unweighted_average_recall", "unweighted average recall"),
    ("unweighted_average_recall_interval", "its 95 % interval"),
    ("interval_over", "by drawing"),
    ("macro_f1", "macro F1"),
    ("weighted_f1", "weighted F1"),
    ("roc_auc", "ROC AUC"),
    ("roc_auc_interval", "its 95 % interval"),
    ("permutation_p", "permutation test p"),
    ("expected_calibration_error", "expected calibration error"),
    ("calibration_error_by_luck", "calibration error by luck"),
    ("abstained", "abstained"),
    ("valence_r", "valence r"),
    ("arousal_r", "arousal r"),
    ("dominance_r", "dominance r"),
)


def write_card(folder: Path) -> None:
    """Write ``card.md`` of a model package.

    Args:
        folder: Holds ``model.toml`` and ``metrics.json``.
    """
    model, metrics = read_tables(folder)
    words = metrics.get("words", {})
    parts = [
        f"# {model['id']} {model['version']}",
        model["summary"],
        _section("Intended use", _texts(words.get("intended_use"))),
        _section("Not for", _texts(words.get("not_for"))),
        _section("Input and output", _tensors(model)),
        _section("Data and licences", [*_texts(words.get("data")), *_licences(model)]),
        _section("Split", _texts(words.get("split"))),
        _section("Accuracy", _accuracy(metrics)),
        _section("Several labels at once", _multilabel(metrics)),
        _section("Confusion", _confusions(metrics)),
        *(_section(t["title"], _further(t)) for t in metrics.get("tables", [])),
        _section("Robustness", _robustness(metrics)),
        _section("Gate", _list(metrics, "gate")),
        _section("Calibration", _calibration(model, metrics)),
        _section("Valence, arousal, dominance", [*_dimensions(model), *_list(metrics, "affect")]),
        _section("Limits", _texts(words.get("limits"))),
        _section("Files", _files(model, metrics)),
        _section("Compiled", card_compiled.section(metrics)),
        _section("Time", _latency(metrics)),
        _section("Training", _training(metrics)),
        _section("What was tried", _tried(metrics)),
    ]
    write_parts(folder, parts)


def read_tables(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``model.toml`` and ``metrics.json`` of a model package."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return read_table(folder), metrics


def write_parts(folder: Path, parts: Sequence[str]) -> None:
    """Write ``card.md`` of its parts, those that are empty left out."""
    text = "\n\n".join(part for part in parts if part)
    (folder / "card.md").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write the card of each folder named on the command line."""
    for folder in sys.argv[1:]:
        write_card(Path(folder))


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _texts(value: str | Sequence[str] | None) -> list[str]:
    if not value:
        return []
    return [value] if isinstance(value, str) else [f"- {line}" for line in value]


def _tensors(model: Mapping[str, Any]) -> list[str]:
    rows = [
        [t["name"], "×".join(map(str, t["shape"])), t["layout"], t["dtype"], _labels(t)]
        for t in (*model["inputs"], *model["outputs"])
    ]
    return _table(["tensor", "shape", "layout", "dtype", "labels or colour"], rows)


def _labels(tensor: Mapping[str, Any]) -> str:
    return ", ".join(tensor.get("labels", ())) or str(tensor.get("colour", ""))


def _licences(model: Mapping[str, Any]) -> list[str]:
    licence = model["licence"]
    rows = [[c["name"], c["licence"]] for c in licence["corpora"]]
    use = "allowed" if licence["commercial"] else "not allowed"
    return [
        "",
        *_table(["corpus", "licence"], rows),
        "",
        f"Weights: {licence['weights']}. Commercial use: {use}.",
    ]


def _accuracy(metrics: Mapping[str, Any]) -> list[str]:
    runs = metrics.get("evaluations", [])
    if not runs:
        return ["Not measured yet."]
    present = [(key, title) for key, title in FIGURES if any(_known(r.get(key)) for r in runs)]
    rows = [
        [run["split"], _file(run), *(_number(run.get(key)) for key, _ in present)] for run in runs
    ]
    return [
        "Measured by `edge-emo evaluate` on the exported files; an abstention counts as an error.",
        "",
        *_table(["clips of", "backend", *(title for _, title in present)], rows),
    ]


def _multilabel(metrics: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for run in metrics.get("evaluations", []):
        if found := run.get("multilabel"):
            rows = [["**macro F1**", _number(found["macro_f1"])]]
            rows += [["**micro F1**", _number(found["micro_f1"])]]
            rows += [[name, _number(value)] for name, value in found["f1"].items()]
            title = f"{run['split']}, {_file(run)}, output {found['output']}, n {found['n']}:"
            lines += [title, "", *_table(["label", "F1"], rows), ""]
    return lines[:-1]


def _further(table: Mapping[str, Any]) -> list[str]:
    """Return a table of measurements that one model has and others lack."""
    rows = [[_words(cell) for cell in row] for row in table["rows"]]
    return [table["what"], "", *_table(table["head"], rows)]


def _confusions(metrics: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    seen = set()
    for run in metrics.get("evaluations", []):
        if run["split"] in seen or not any(map(any, run.get("confusion") or ())):
            continue
        seen.add(run["split"])
        rows = [
            [f"**{label}**", *map(str, row)]
            for label, row in zip(run["labels"], run["confusion"], strict=True)
        ]
        head = ["true ↓ estimated →", *run["labels"]]
        lines += [f"{run['split']}, {_file(run)}:", "", *_table(head, rows), ""]
    return lines[:-1]


def _file(run: Mapping[str, Any]) -> str:
    return " ".join([run["backend"], *([run["precision"]] if run.get("precision") else [])])


def _robustness(metrics: Mapping[str, Any]) -> list[str]:
    table = metrics.get("robustness")
    if not table:
        return []
    keys = [key for key in table["rows"][0] if key != "fault"]
    head = ["fault"]
    for key in keys:
        head += [f"{key} accuracy", f"{key} recall", f"{key} calibration error"]
    rows = [
        [row["fault"], *(_number(row[key][name]) for key in keys for name in _ROBUST)]
        for row in table["rows"]
    ]
    return [table["what"], "", *_table(head, rows)]


def _list(metrics: Mapping[str, Any], key: str) -> list[str]:
    return [f"- {what}: {_number(value)}" for what, value in metrics.get(key, {}).items()]


_ROBUST = ("accuracy", "unweighted_average_recall", "expected_calibration_error")


def _latency(metrics: Mapping[str, Any]) -> list[str]:
    table = metrics.get("latency")
    if not table:
        return []
    rows = [
        [r["backend"], r["precision"], _number(r["p50_ms"]), _number(r["least_ms"])]
        for r in table["rows"]
    ]
    return [table["what"], "", *_table(["backend", "precision", "median ms", "least ms"], rows)]


def _calibration(model: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    temperature = model["calibration"]["temperature"]
    lines = [f"Posterior = softmax(logits / {temperature}), fitted on validation data."]
    lines += [
        f"Expected calibration error, {run['split']}, {_file(run)}: "
        f"{_number(run['expected_calibration_error'])}."
        for run in metrics.get("evaluations", [])
        if _known(run.get("expected_calibration_error"))
    ]
    lines += [
        f"Before the temperature was applied, {split}: {_number(error)}."
        for split, error in metrics.get("uncalibrated", {}).items()
    ]
    return ["\n".join(lines)]


def _dimensions(model: Mapping[str, Any]) -> list[str]:
    table = model.get("dimensions", {})
    names = [name for name in ("valence", "arousal", "dominance") if name in table]
    if not names:
        return ["The network's own outputs."] if table else []
    labels = list(dict.fromkeys(label for name in names for label in table[name]))
    rows = [[label, *(str(table[name].get(label, "")) for name in names)] for label in labels]
    mapped = "A mapping from the posterior, not a measurement: the expected value over this table."
    mixed = f"The network's own outputs; {' and '.join(names)}: {mapped[0].lower()}{mapped[1:]}"
    return [
        mixed if table["source"] == "mixed" else mapped,
        "",
        *_table(["label", *names], rows),
    ]


def _files(model: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    parity = {row["file"]: row for row in metrics.get("parity", [])}
    rows = [
        [f["path"], f["precision"], str(f["bytes"]), _number(_gap(parity.get(f["path"])))]
        for f in model["files"]
    ]
    return _table(["file", "precision", "bytes", "greatest posterior difference to torch"], rows)


def _gap(row: Mapping[str, Any] | None) -> float | None:
    return row["posterior_difference"] if row else None


def _training(metrics: Mapping[str, Any]) -> list[str]:
    training = metrics.get("training", {})
    return [f"- {key}: {_words(value)}" for key, value in training.items() if key != "log"]


def _tried(metrics: Mapping[str, Any]) -> list[str]:
    lines = []
    for entry in metrics.get("tried", []):
        kept = "kept" if entry.get("kept") else "not kept"
        figures = f" ({_words(entry['figures'])})" if entry.get("figures") else ""
        lines.append(f"- {entry['what']}{figures}: {kept}.")
    return lines


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {_words(v)}" for key, v in value.items())
    return _number(value) if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _known(value: object) -> bool:
    return value is not None


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
