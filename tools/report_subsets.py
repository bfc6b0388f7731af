"""Every subset of modalities, with the packaged models: SIMULATED by pairing clips of equal label.

    python tools/report_subsets.py face=face.jsonl voice=voice.jsonl text=text.jsonl eeg=eeg.jsonl

Each manifest holds clips that its model has not seen. A draw takes one clip of a category from each
modality, of different people; nobody was ever recorded with all of them at once, so dependence
between modalities is missing and gains are larger than in life. EEG clips say ``rest`` or ``load``,
no category: a category of positive arousal is paired with load, any other with rest. That is a
stand-in to exercise the felt side, not evidence that load is arousal. For each release.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo.clock import MonotonicClock
from edge_emo.config import FusionSettings
from edge_emo.datasets.clips import read_clips
from edge_emo.estimators.create import create_estimator
from edge_emo.evaluation.evaluate import Outcome, run_clips
from edge_emo.fusion.base import Fused
from edge_emo.manifest import find_package
from edge_emo.pipeline.plan import make_fusion
from edge_emo.types import CATEGORIES, EXPRESSED, MODALITIES, Affect, Modality, Prediction

AROUSED = ("anger", "disgust", "fear", "happiness", "surprise")
"""Categories of positive arousal (Russell and Mehrabian, 1977)."""


@dataclass(frozen=True)
class Cast:
    """What the model of one modality said of its clips, by label."""

    reliability: float
    outcomes: Mapping[str, Sequence[Outcome]]

    def draw(self, category: str, used: set[str | None], random: np.random.Generator) -> Outcome:
        """Return an answer about ``category`` by somebody who is not used yet."""
        label = category if category in self.outcomes else _stand_in(category)
        free = [one for one in self.outcomes[label] if one.clip.speaker not in used]
        chosen = free[int(random.integers(len(free)))]
        if chosen.clip.speaker is not None:
            used.add(chosen.clip.speaker)
        return chosen


def _stand_in(category: str) -> str:
    return "load" if category in AROUSED else "rest"


def cast(modality: Modality, manifest: Path, count: int) -> Cast:
    """Run the default package of a modality over at most ``count`` clips of each label."""
    package = find_package(modality, ())
    kept: dict[str, int] = defaultdict(int)
    clips = []
    for clip in read_clips(manifest):
        if clip.label is not None and kept[clip.label] < count:
            kept[clip.label] += 1
            clips.append(clip)
    estimator = create_estimator(package.id, MonotonicClock())
    outcomes, _ = run_clips(estimator, package, clips, manifest.parent)
    estimator.close()
    grouped: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.clip.label is not None:
            grouped[outcome.clip.label].append(outcome)
    return Cast(package.reliability, grouped)


def subsets(modalities: Iterable[Modality]) -> list[tuple[Modality, ...]]:
    """Return the 2^k − 1 subsets, small ones first."""
    given = tuple(modalities)
    sizes = range(1, len(given) + 1)
    return [chosen for n in sizes for chosen in itertools.combinations(given, n)]


def draws(
    casts: Mapping[Modality, Cast], count: int, seed: int
) -> list[tuple[str, dict[Modality, Prediction]]]:
    """Return ``count`` simulated people: a category, and what each model said of it."""
    random = np.random.default_rng(seed)
    answered = [casts[m].outcomes for m in casts if m in EXPRESSED]
    categories = [c for c in CATEGORIES if all(c in outcomes for outcomes in answered)]
    result = []
    for number in range(count):
        category = categories[number % len(categories)]
        used: set[str | None] = set()
        said = {
            modality: replace(one.draw(category, used, random).prediction, t_ns=0, duration_ns=0)
            for modality, one in casts.items()
        }
        result.append((category, said))
    return result


def report(casts: Mapping[Modality, Cast], count: int, seed: int) -> list[dict[str, Any]]:
    """Return one row for each subset."""
    people = draws(casts, count, seed)
    reliability = {modality: one.reliability for modality, one in casts.items()}
    rows = []
    for chosen in subsets(casts):
        pairs = []
        for category, said in people:
            fusion = make_fusion(FusionSettings(), reliability)
            for modality in chosen:
                fusion.update(said[modality])
            pairs.append((category, fusion.fuse(0)))
        rows.append({"simulated": True, "modalities": list(chosen), **_row(pairs)})
    return rows


def _row(pairs: Sequence[tuple[str, Fused]]) -> dict[str, Any]:
    expressed = [(c, fused.expressed) for c, fused in pairs if fused.expressed is not None]
    aroused = [(c in AROUSED, affect) for c, fused in pairs if (affect := _side(fused))]
    signs = [hot == (a.arousal > 0) for hot, a in aroused if a.arousal is not None]
    return {
        "n": len(pairs),
        "answered": len(aroused) / len(pairs),
        "accuracy": _mean([affect.label == c for c, affect in expressed]),
        "log_likelihood": _mean([np.log(a.posterior.get(c, 1e-4)) for c, a in expressed]),
        "arousal_sign": _mean(signs),
    }


def _side(fused: Fused) -> Affect | None:
    return fused.felt or fused.expressed


def _mean(values: Sequence[Any]) -> float | None:
    return float(np.mean(values)) if values else None


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the report in Markdown; every figure says that it is simulated."""
    lines = [
        "| modalities | accuracy (simulated) | log-likelihood (simulated) | "
        "sign of arousal (simulated) | answered (simulated) |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        keys = ("accuracy", "log_likelihood", "arousal_sign", "answered")
        cells = ["–" if row[key] is None else f"{row[key]:.3f}" for key in keys]
        lines.append(f"| {' + '.join(row['modalities'])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description="Report every subset of modalities (simulated).")
    parser.add_argument("manifests", nargs="+", help="modality=FILE, such as face=face.jsonl")
    parser.add_argument("--clips", type=int, default=60, help="clips of each label and modality")
    parser.add_argument("--draws", type=int, default=700, help="simulated people")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one row a line")
    options = parser.parse_args()
    named = dict(text.split("=", 1) for text in options.manifests)
    casts = {m: cast(m, Path(named[m]), options.clips) for m in MODALITIES if m in named}
    rows = report(casts, options.draws, options.seed)
    print("\n".join(map(json.dumps, rows)) if options.json else table(rows))


if __name__ == "__main__":
    main()
