"""The packaged fusion heads as ONNX and LiteRT, for devices that fuse without NumPy.

    python tools/export_fusion.py --out FOLDER

Writes ``channel`` and ``quantum``, each ``.onnx`` and ``.tflite``, and prints how far their
posteriors lie from those of ``edge_emo.fusion`` on random votes of any subset of the modalities.
``tools/fusion_study/modules.py`` says what the tensors hold. Needs the extra ``compile``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools" / "train"))

import export  # noqa: E402  # a script of tools/train
from fusion_study import modules  # noqa: E402

from edge_emo.config import FusionMethod  # noqa: E402
from edge_emo.fusion.base import Vote  # noqa: E402
from edge_emo.fusion.heads import read_heads  # noqa: E402
from edge_emo.fusion.methods import make_pool  # noqa: E402
from edge_emo.types import CATEGORIES, MODALITIES, Posterior, Prediction  # noqa: E402

HEADS: tuple[FusionMethod, ...] = ("channel", "quantum")


def random_votes(seed: int) -> list[Vote]:
    """Return votes of a random subset of the modalities; some are all on one label."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(MODALITIES))[: random.integers(1, len(MODALITIES) + 1)]
    return [_vote(int(n), random) for n in chosen]


def _vote(number: int, random: np.random.Generator) -> Vote:
    row = random.dirichlet([0.3] * len(CATEGORIES))
    if random.random() < 0.2:
        row = np.eye(len(CATEGORIES))[random.integers(len(CATEGORIES))]
    posterior = Posterior(CATEGORIES, tuple(np.clip(row, 0.0, 1.0).tolist()))
    fresh = float(random.uniform(0.05, 1.0))
    said = Prediction(MODALITIES[number], 0, 0, posterior, None, None, None, 1.0, "", 0)
    return Vote(said, fresh * float(random.uniform(0.05, 1.0)), fresh)


def write(method: FusionMethod, out: Path) -> tuple[Path, Path]:
    """Write one head in both formats; return the files."""
    module = modules.MODULES[method](read_heads()).eval()
    example = tuple(
        torch.from_numpy(part) for part in modules.inputs(read_heads(), method, random_votes(0))
    )
    onnx, tflite = out / f"{method}.onnx", out / f"{method}.tflite"
    torch.onnx.export(
        module, example, onnx, dynamo=True, opset_version=18, external_data=False,
        input_names=["shares", "exponents"], output_names=["logits"], verbose=False,
    )  # fmt: skip
    export.write_tflite(module, example, tflite)
    return onnx, tflite


def compared(method: FusionMethod, files: Sequence[Path], count: int = 100) -> dict[str, Any]:
    """Return by file the largest difference of a posterior from that of the pool."""
    casts = [random_votes(seed) for seed in range(count)]
    pool = make_pool(method)
    samples = [modules.inputs(read_heads(), method, votes) for votes in casts]
    expected = [_over_categories(pool.pool(votes)) for votes in casts]
    found = {}
    for file in files:
        run = export.run_onnx if file.suffix == ".onnx" else export.run_tflite
        given = [np.exp(logits[0].astype(np.float64)) for logits in run(file, samples)]
        gaps = [np.abs(a - b).max() for a, b in zip(given, expected, strict=True)]
        found[file.name] = float(max(gaps))
    return found


def _over_categories(posterior: Posterior) -> np.ndarray[Any, Any]:
    return np.array([posterior[name] for name in CATEGORIES])


def main() -> None:
    """Write the heads and print how far they lie from the pools."""
    parser = argparse.ArgumentParser(description="Export the fusion heads to ONNX and LiteRT.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for method in HEADS:
        for name, gap in compared(method, write(method, options.out)).items():
            print(f"{name}: largest difference of a posterior {gap:.1e}")


if __name__ == "__main__":
    main()
