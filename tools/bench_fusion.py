"""The fusion benchmark: methods of fusion on CREMA-D, folds by actor, one command.

    python tools/bench_fusion.py --data FOLDER [--have FOLDER] [--write] [--only PART ...]

The folder of ``--data`` holds CREMA-D's ``tabulatedVotes.csv``; that of ``--have`` the manifests
``eegmat.jsonl`` and ``stress-predict.jsonl`` as ``edge-emo datasets prepare`` writes them, for the
watch of body signals (part ``body``), which stays as written without it. The table goes to
standard output. ``--write`` also fits the packaged heads on all actors
(``edge_emo/fusion/heads.json``), and writes the results, the tables of ``docs/concepts/fusion.md``
and its pictures. Needs the extra ``train``, and matplotlib for the pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fusion_study import broken, divergence, heads, latency, pages, sequences
from fusion_study.score import (
    Clips,
    calibration,
    compared,
    interval,
    noise_floor,
    out_of_fold,
    score,
)
from fusion_study.votes import Floats, Votes, above_chance, read_votes, smoothed
from scipy.stats import spearmanr

from edge_emo.fusion.base import Pool
from edge_emo.fusion.methods import make_pool
from edge_emo.fusion.quantum import QuantumPool
from edge_emo.fusion.signs import conflict, entropy
from edge_emo.types import Modality

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "tools" / "fusion_study" / "results.json"
HEADS = ROOT / "edge_emo" / "fusion" / "heads.json"

LEARNED = (
    heads.LinearHead(),
    heads.LogLinearHead(),
    heads.FullHead(),
    heads.ChannelHead(),
    heads.QuantumHead(),
    heads.RealHead(),
    heads.PhaselessHead(),
    heads.DephasedHead(),
    heads.TiedHead(),
)
PACKAGED = {
    "full-log-linear": heads.FullPoolHead(),
    "channel": heads.ChannelPoolHead(),
    "quantum": heads.QuantumPoolHead(),
}
AGAINST = "full log-linear"


def plain(votes: Votes) -> Mapping[str, Floats]:
    """Return posteriors that need no fit."""
    voice, face = smoothed(votes.voice), smoothed(votes.face)
    product = voice * face
    return {
        "voice alone": voice,
        "face alone": face,
        "mean": 0.5 * (voice + face),
        "product": product / product.sum(axis=1, keepdims=True),
    }


def row(clips: Clips, votes: Votes, parameters: int) -> dict[str, Any]:
    """Return one row of the table, with 95 % intervals over actors."""
    names = ("kl", "js", "agreement", "accuracy")
    return {
        "parameters": parameters,
        **{name: float(getattr(clips, name).mean()) for name in names},
        "interval": {name: interval(getattr(clips, name), votes) for name in names},
        "calibration": calibration(clips, votes),
    }


def measure(votes: Votes, seed: int) -> dict[str, Any]:
    """Return every figure of the benchmark."""
    clips = {name: score(posterior, votes) for name, posterior in plain(votes).items()}
    parameters = dict.fromkeys(clips, 0)
    subsets: dict[str, Any] = {"raters' own votes": _subset_rows(clips, votes)}
    for head in (*LEARNED, *PACKAGED.values()):
        found = out_of_fold(head, votes, seed)
        clips[head.name], parameters[head.name] = score(found["both"], votes), head.parameters
        if head.subsets:
            subsets[head.name] = {n: row(score(p, votes), votes, 0) for n, p in found.items()}
        print(f"{head.name}: KL {clips[head.name].kl.mean():.4f}", file=sys.stderr)
    floor, half = noise_floor(votes, seed)
    return {
        "corpus": "CREMA-D votes (ODbL-1.0)",
        "actors": len(set(votes.actor)),
        "clips": len(votes.actor),
        "seed": seed,
        "methods": {name: row(c, votes, parameters[name]) for name, c in clips.items()},
        "noise_floor": row(floor, half, 0),
        "people_accuracy": float((votes.both.argmax(axis=1) == votes.intended).mean()),
        "against": {AGAINST: _against(clips, AGAINST, votes), "noisy channel": _against(
            clips, "noisy channel", votes), "face alone": _against(clips, "face alone", votes)},
        "subsets": subsets,
    }  # fmt: skip


def _subset_rows(clips: Mapping[str, Clips], votes: Votes) -> dict[str, Any]:
    return {name: row(clips[f"{name} alone"], votes, 0) for name in ("voice", "face")}


def _against(clips: Mapping[str, Clips], name: str, votes: Votes) -> dict[str, Any]:
    return {n: compared(c, clips[name], votes) for n, c in clips.items() if n != name}


def packaged(votes: Votes) -> dict[str, Any]:
    """Fit the packaged heads on every actor, and return what ``heads.json`` holds."""
    return {
        "source": {
            "tool": "tools/bench_fusion.py --write",
            "corpus": "CREMA-D votes, tabulatedVotes.csv",
            "licence": "ODbL-1.0",
            "attribution": "Cao et al., CREMA-D, IEEE Transactions on Affective Computing, 2014",
            "actors": len(set(votes.actor)),
            "clips": len(votes.actor),
        },
        "labels": list(heads.LABELS),
        "reference": {
            "voice": above_chance(votes.voice, votes.intended),
            "face": above_chance(votes.face, votes.intended),
        },
        **{name: _rounded(head.export(heads.fit(head, votes))) for name, head in PACKAGED.items()},
    }


def _rounded(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _rounded(value) for name, value in values.items()}
    return [_rounded(v) for v in values] if isinstance(values, list) else round(values, 9)


def monotone(votes: Votes) -> list[dict[str, float]]:
    """Return KL of face and an ever fresher voice, as the packaged default pools them.

    On the clips that it was fitted on; out-of-fold figures of the subsets are in the table.
    """
    reference = json.loads(HEADS.read_text(encoding="utf-8"))["reference"]
    pool, some = make_pool("channel"), votes.take(np.arange(0, len(votes.actor), 5))
    rows = []
    for share in (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0):
        weights = {"face": reference["face"], "voice": share * reference["voice"]}
        posterior = np.array([_pooled(pool, some, n, weights) for n in range(len(some.actor))])
        rows.append({"voice": share, "kl": float(score(posterior, some).kl.mean())})
    return rows


def _pooled(pool: Pool, votes: Votes, clip: int, weights: Mapping[Modality, float]) -> list[float]:
    cast = [
        sequences.to_vote(modality, smoothed(getattr(votes, modality)[clip]), weight)
        for modality, weight in weights.items()
        if weight > 0
    ]
    return list(pool.pool(cast).probabilities)


def state_signs(votes: Votes) -> dict[str, float]:
    """Return rank correlations of the signs of doubt with what they should show.

    Disagreement is the Jensen-Shannon divergence of voice and face; doubt is the entropy of the
    votes of both senses; error is the divergence of the packaged default from them. On every fifth
    clip of those that the heads were fitted on.
    """
    some = votes.take(np.arange(0, len(votes.actor), 5))
    voice, face, both = (smoothed(part) for part in (some.voice, some.face, some.both))
    reference = json.loads(HEADS.read_text(encoding="utf-8"))["reference"]
    casts = [
        [
            sequences.to_vote("voice", one, reference["voice"]),
            sequences.to_vote("face", other, reference["face"]),
        ]
        for one, other in zip(voice, face, strict=True)
    ]
    states = [QuantumPool().measure(cast) for cast in casts]
    pooled = np.array([make_pool("channel").pool(cast).probabilities for cast in casts])
    truth = {
        "disagreement": score(voice, replace(some, both=face * 1e6)).js,
        "doubt": -(both * np.log(both)).sum(axis=1),
        "error": score(pooled, some).kl,
    }
    signs = {
        "coherence": [state.coherence for state in states],
        "von_neumann": [state.entropy for state in states],
        "conflict": [conflict(cast) or 0.0 for cast in casts],
        "entropy": [entropy(row.tolist()) for row in pooled],
        "readout": (1.0 - pooled.max(axis=1)).tolist(),
    }
    return {
        f"{sign}_{name}": _rank(values, found)
        for sign, values in signs.items()
        for name, found in truth.items()
    }


def _rank(one: Sequence[float], other: Sequence[float]) -> float:
    return float(spearmanr(one, other).statistic)


def body(have: Path) -> dict[str, Any]:
    """Return how broken body signals are noticed."""
    sys.path.append(str(ROOT / "tools" / "train"))
    from fusion_study import broken_body  # it reads tools/train

    return {"body": broken_body.study(have)}


def parts(votes: Votes, seed: int, have: Path | None) -> Mapping[str, Callable[[], dict[str, Any]]]:
    """Return what can be measured, by name."""
    return {
        **({} if have is None else {"body": lambda: body(have)}),
        "methods": lambda: measure(votes, seed),
        "monotone": lambda: {"monotone": monotone(votes)},
        "tracking": lambda: {"tracking": sequences.compare(votes, seed)},
        "broken": lambda: {"broken": broken.study(votes)},
        "divergence": lambda: {"divergence": divergence.medians(votes, seed)},
        "signs": lambda: {"signs": state_signs(votes)},
        "latency": lambda: {"latency": latency.measure()},
    }


def chosen_parts(only: Sequence[str] | None, known: Iterable[str]) -> list[str]:
    """Return the parts to measure: all of them unless some are named.

    Raises:
        SystemExit: A named one cannot be measured.
    """
    every = ["heads", *known]
    wrong = [name for name in only or () if name not in every]
    if wrong:
        needs = "; body needs --have" if "body" in wrong else ""
        raise SystemExit(f"no part {', '.join(wrong)}: name some of {', '.join(every)}{needs}")
    return every if only is None else list(only)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Measure methods of fusion on CREMA-D votes.")
    parser.add_argument("--data", type=Path, required=True, help="folder of tabulatedVotes.csv")
    parser.add_argument("--have", type=Path, help="folder of prepared manifests of body signals")
    parser.add_argument("--seed", type=int, default=0, help="of folds and sequences")
    parser.add_argument("--write", action="store_true", help="write heads, results and the page")
    parser.add_argument("--only", nargs="*", help="parts to measure; the others stay as written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    votes = read_votes(options.data)
    known = parts(votes, options.seed, options.have)
    chosen = chosen_parts(options.only, known)
    if options.write and "heads" in chosen:
        HEADS.write_text(json.dumps(packaged(votes)) + "\n", encoding="utf-8")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for name, part in known.items():
        if name in chosen:
            results |= part()
    print(pages.table(results))
    if options.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        pages.write(ROOT / "docs" / "concepts", results, votes)


if __name__ == "__main__":
    main()
