"""Every subset of modalities, with the packaged models: SIMULATED by pairing clips of equal label.

    python tools/report_subsets.py --have FOLDER [--write]
    python tools/report_subsets.py face=face.jsonl voice=voice.jsonl text=text.jsonl eeg=eeg.jsonl

FOLDER holds manifests as ``edge-emo datasets prepare CORPUS ROOT --out FOLDER/CORPUS.jsonl`` writes
them: fer2013plus, ravdess, emodb, nemo, ased, goemotions, eegmat; clips that the packages were not
trained on are chosen from them, except for EEG, whose package was trained on all of EEGMAT.
``--write`` writes the figures, the table of ``docs/concepts/fusion.md`` and its chart. Run it again
whenever a package changes, and for each release. Manifests of your own hold clips that the model of
their modality has not seen.

A draw takes one clip of a category from each modality, of different people; nobody was ever
recorded with all of them at once, so dependence between modalities is missing and gains are larger
than in life. EEG clips say ``rest`` or ``load``, no category: a category of positive arousal is
paired with load, any other with rest. That is a stand-in to exercise the felt side, not evidence
that load is arousal.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo.clock import MonotonicClock
from edge_emo.config import FusionSettings
from edge_emo.datasets.clips import Clip, read_clips
from edge_emo.estimators.create import create_estimator
from edge_emo.evaluation.evaluate import Outcome, run_clips
from edge_emo.fusion.base import Fused
from edge_emo.manifest import find_package
from edge_emo.pipeline.plan import make_fusion
from edge_emo.types import CATEGORIES, EXPRESSED, MODALITIES, Affect, Modality, Prediction

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools" / "train"))
DOCS = ROOT / "docs" / "concepts"
RESULTS = ROOT / "tools" / "fusion_study" / "subsets.json"

from fusion_study import unseen  # noqa: E402  # it reads tools/train

AROUSED = ("anger", "disgust", "fear", "happiness", "surprise")
"""Categories of positive arousal (Russell and Mehrabian, 1977)."""


@dataclass(frozen=True)
class Cast:
    """What the model of one modality said of its clips, by label."""

    reliability: float
    outcomes: Mapping[str, Sequence[Outcome]]

    def draw(self, category: str, used: set[str | None], random: np.random.Generator) -> Outcome:
        """Return an answer about ``category`` by somebody who is not used yet.

        Raises:
            SystemExit: Nobody is left.
        """
        label = category if category in self.outcomes else _stand_in(category)
        free = [one for one in self.outcomes.get(label, ()) if one.clip.speaker not in used]
        if not free:
            raise SystemExit(f"no clip of {label} by anybody but {used or 'nobody'}: add some")
        chosen = free[int(random.integers(len(free)))]
        if chosen.clip.speaker is not None:
            used.add(chosen.clip.speaker)
        return chosen


def _stand_in(category: str) -> str:
    return "load" if category in AROUSED else "rest"


def cast(modality: Modality, clips: Iterable[Clip], root: Path, count: int, seed: int = 0) -> Cast:
    """Run the default package of a modality over at most ``count`` clips of each label."""
    package = find_package(modality, ())
    labelled = [clip for clip in clips if clip.label is not None]
    order = np.random.default_rng(seed).permutation(len(labelled))
    kept: dict[str | None, list[Clip]] = defaultdict(list)
    for number in order:
        of_label = kept[labelled[number].label]
        if len(of_label) < count:
            of_label.append(labelled[number])
    estimator = create_estimator(package.id, MonotonicClock())
    ran = run_clips(estimator, package, [clip for some in kept.values() for clip in some], root)
    estimator.close()
    grouped: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in ran.outcomes:
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
    """Return ``count`` simulated people: a category, and what each model said of it.

    Raises:
        SystemExit: The clips are too few.
    """
    random = np.random.default_rng(seed)
    answered = [casts[m].outcomes for m in casts if m in EXPRESSED]
    categories = [c for c in CATEGORIES if all(c in outcomes for outcomes in answered)]
    if not categories:
        raise SystemExit("no category has clips of every modality: add some")
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
        pairs = [(category, _fused(chosen, said, reliability)) for category, said in people]
        rows.append({"simulated": True, "modalities": list(chosen), **_row(pairs)})
    return rows


def _fused(
    chosen: Sequence[Modality],
    said: Mapping[Modality, Prediction],
    reliability: Mapping[Modality, float],
) -> Fused:
    fusion = make_fusion(FusionSettings(), reliability)
    for modality in chosen:
        fusion.update(said[modality])
    return fusion.fuse(0)


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


def lowered(rows: Sequence[Mapping[str, Any]], least: float = 0.005) -> list[str]:
    """Return where adding a modality lowered the log-likelihood of the expressed label."""
    known = {
        frozenset(row["modalities"]): row["log_likelihood"]
        for row in rows
        if row["log_likelihood"] is not None
    }
    return [
        f"{' + '.join(sorted(more - fewer))} to {' + '.join(sorted(fewer))}"
        for fewer, before in known.items()
        for more, after in known.items()
        if fewer < more and len(more) == len(fewer) + 1 and after < before - least
    ]


def casts_of(options: argparse.Namespace) -> dict[Modality, Cast]:
    """Run the models on the clips that the command names."""
    count, seed = options.clips, options.seed
    if options.have is not None:
        return {
            m: cast(m, unseen.CLIPS[m](options.have), options.have, count, seed)
            for m in MODALITIES
            if m in unseen.CLIPS
        }
    named = {name: Path(path) for name, path in (t.split("=", 1) for t in options.manifests)}
    return {
        m: cast(m, read_clips(named[m]), named[m].parent, count, seed)
        for m in MODALITIES
        if m in named
    }


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    """Write figures, table and chart."""
    from fusion_study import pages, pictures

    packages = {m: find_package(m, ()).id for m in rows[-1]["modalities"]}
    results = {"packages": packages, "rows": list(rows), "lowered": lowered(rows)}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    ran = ", ".join(f"`{one}`" for one in packages.values())
    worse = "; ".join(results["lowered"]) or "none"
    text = f"Packages: {ran}.\n\n{table(rows)}\n\n"
    text += f"Modalities that lowered the log-likelihood of what they were added to: {worse}."
    pages.fill(DOCS / "fusion.md", {"every-subset": text})
    pictures.packages(DOCS / "fusion-packages.svg", rows)


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description="Report every subset of modalities (simulated).")
    parser.add_argument("manifests", nargs="*", help="modality=FILE, such as face=face.jsonl")
    parser.add_argument("--have", type=Path, help="folder of prepared corpora, in place of files")
    parser.add_argument("--clips", type=int, default=60, help="clips of each label and modality")
    parser.add_argument("--draws", type=int, default=2100, help="simulated people")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one row a line")
    parser.add_argument("--write", action="store_true", help="write figures, table and chart")
    options = parser.parse_args()
    rows = report(casts_of(options), options.draws, options.seed)
    print("\n".join(map(json.dumps, rows)) if options.json else table(rows))
    if options.write:
        write(rows)


if __name__ == "__main__":
    main()
