"""Pictures of the concepts page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from fusion_study.sequences import to_vote
from fusion_study.votes import LABELS, Votes, smoothed

from edge_emo.fusion.heads import read_heads
from edge_emo.fusion.quantum import QuantumPool

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "edge_emo", "font.size": 8, "svg.fonttype": "none"})

from matplotlib import pyplot as plt  # noqa: E402  # after the choice of its back end


def draw(folder: Path, results: Mapping[str, Any], votes: Votes) -> None:
    """Write ``fusion-state.svg`` and ``fusion-subsets.svg`` and ``fusion-tracking.svg``."""
    _state(folder / "fusion-state.svg", votes)
    _subsets(folder / "fusion-subsets.svg", results)
    _tracking(folder / "fusion-tracking.svg", results)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    text = path.read_text(encoding="utf-8")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def _state(path: Path, votes: Votes) -> None:
    """Draw |ρ| of two clips: the senses agree, and they contradict each other."""
    voice, face = smoothed(votes.voice), smoothed(votes.face)
    alike = (voice * face).sum(axis=1) / np.sqrt((voice**2).sum(axis=1) * (face**2).sum(axis=1))
    sure = np.minimum(voice.max(axis=1), face.max(axis=1))
    chosen = {
        "voice and face agree": int((alike * sure).argmax()),
        "voice against face": int(((1 - alike) * sure).argmax()),
    }
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.4))
    reference = read_heads()["reference"]
    for axis, (title, clip) in zip(axes, chosen.items(), strict=True):
        cast = [
            to_vote(sense, shares[clip], reference[sense])
            for sense, shares in (("voice", voice), ("face", face))
        ]
        state = QuantumPool().measure(cast)
        axis.imshow(np.abs(state.matrix), cmap="viridis", vmin=0)
        axis.set_title(
            f"{title}\nentropy {state.entropy:.2f}, off the diagonal {state.coherence:.2f}"
        )
        axis.set_xticks(range(len(LABELS)), LABELS, rotation=60)
        axis.set_yticks(range(len(LABELS)), LABELS)
    _save(figure, path)


def _subsets(path: Path, results: Mapping[str, Any]) -> None:
    figure, axis = plt.subplots(figsize=(6, 2.8))
    senses = ("voice", "face", "both")
    heads = {name: rows for name, rows in results["subsets"].items() if "both" in rows}
    for number, (name, rows) in enumerate(heads.items()):
        values = np.array([rows[sense]["kl"] for sense in senses])
        bounds = np.array([rows[sense]["interval"]["kl"] for sense in senses]).T
        at = np.arange(len(senses)) + 0.26 * (number - 1)
        axis.bar(at, values, 0.24, yerr=np.abs(bounds - values), label=name)
    axis.axhline(results["noise_floor"]["kl"], color="grey", lw=0.8, ls="--")
    axis.text(-0.4, results["noise_floor"]["kl"] + 0.005, "half the raters for the other half")
    axis.set_xticks(range(len(senses)), senses)
    axis.set_ylabel("KL from the votes of both senses")
    axis.legend(frameon=False)
    _save(figure, path)


def packages(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a chart of every subset of the packaged models; it says that it is simulated."""
    shown = [row for row in rows if row["accuracy"] is not None]
    names = [" + ".join(row["modalities"]) for row in shown]
    figure, axes = plt.subplots(1, 2, figsize=(7, 0.24 * len(shown) + 1.0), sharey=True)
    panels = (("accuracy", "accuracy"), ("log_likelihood", "log-likelihood"))
    for axis, (key, title) in zip(axes, panels, strict=True):
        axis.barh(range(len(shown)), [row[key] for row in shown], color="tab:blue")
        axis.set_title(f"{title} (simulated)")
    axes[0].set_yticks(range(len(shown)), names)
    axes[0].invert_yaxis()
    _save(figure, path)


def _tracking(path: Path, results: Mapping[str, Any]) -> None:
    figure, axis = plt.subplots(figsize=(6, 3.2))
    for name, rows in results["tracking"].items():
        delays, _, false = np.array(rows["curve"]).T
        best = [n for n in range(len(delays)) if not _beaten(n, delays, false)]
        best.sort(key=lambda n: false[n])
        axis.plot(false[best], delays[best], marker="o", ms=3, label=name)
    axis.set_xlim(0, 15)
    axis.set_ylim(0, 3)
    axis.set_xlabel("false switches per minute (simulated)")
    axis.set_ylabel("delay, s")
    axis.legend(frameon=False)
    _save(figure, path)


def _beaten(number: int, delays: Any, false: Any) -> bool:
    better = (delays <= delays[number]) & (false <= false[number])
    return bool((better & ((delays < delays[number]) | (false < false[number]))).any())
