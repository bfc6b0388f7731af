"""The five landmarks of an upright face crop: train, export, evaluate.

    python tools/train/landmarks.py train --data DIR --checkpoint build/train/landmarks.pt
    python tools/train/landmarks.py export --data DIR --checkpoint build/train/landmarks.pt

``--data`` is the folder that holds ``detection/``. ``export`` writes the package and measures it;
``evaluate`` measures alone.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import detector_data
import landmarks_package
import torch
from landmarks_fit import Options, fit, joined, pieces


def main() -> None:
    """Run one step."""
    given = _parser().parse_args()
    torch.set_num_threads(1)
    if given.step == "train":
        names = ("steps", "seconds", "seed", "rate", "strength")
        options = Options(**{name: getattr(given, name) for name in names})
        train(given.data, options, given.checkpoint, given.start)
        return
    if given.step == "export":
        landmarks_package.export_package(given.data, given.checkpoint, given.out)
    landmarks_package.evaluate(given.data, given.out)


def train(data: Path, options: Options, checkpoint: Path, start: Path | None = None) -> None:
    """Fit and keep weights, options, log, duration, and what it began from.

    Args:
        data: Holds ``detection/``.
        options: Of the run.
        checkpoint: Written at the end.
        start: A checkpoint to go on from.
    """
    began = time.monotonic()
    first = torch.load(start, map_location="cpu", weights_only=True) if start else {}
    parts = detector_data.load(data, 0)
    rows, valid = (
        joined(pieces(parts["crops"][part], bare=True), pieces(parts["scenes"][part], bare=False))
        for part in ("train", "valid")
    )
    print(f"{len(rows.images)} faces, {len(valid.images)} for validation", flush=True)
    net, made, log = fit(rows, valid, options, first.pop("state", None))
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    minutes = round((time.monotonic() - began) / 60, 1)
    content = {"state": net.state_dict(), "options": asdict(made), "log": log, "minutes": minutes}
    torch.save({**content, "faces": len(rows.images), "first": first}, checkpoint)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("train", "export", "evaluate"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train/landmarks.pt"))
    parser.add_argument("--out", type=Path, default=Path("models/face-landmarks-small"))
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=Options.seconds)
    parser.add_argument("--rate", type=float, default=Options.rate)
    parser.add_argument("--strength", type=float, default=Options.strength)
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--seed", type=int, default=Options.seed)
    return parser


if __name__ == "__main__":
    main()
