"""Train the face networks: teachers on the labels, then small networks on both.

    python tools/train/face_train.py --data DIR --checkpoint build/train/face.pt

``--data`` is the folder that holds ``fer2013plus/``, ``diffusionfer/`` and ``detection/``. The
runs are long on a CPU; ``--device cuda`` makes the same ones. ``--seconds`` in place of
``--steps`` lets a budget decide; the checkpoint then says how many steps that was.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import calibrate
import face_fit
import face_pool
import numpy as np
import torch
from torch import nn

TEACHER = face_fit.Options(
    "teacher", batch=256, rate=0.1, covered=0.06, strength=0.8, mixed=0.4, heads=(1.0, 1.0)
)
STUDENT = face_fit.Options(
    "small", batch=384, rate=0.15, decay=2e-4, average=0.9995, heads=(1.0, 1.0)
)
SETTLE = face_fit.Options(
    "small", batch=256, rate=0.06, decay=4e-4, average=0.9995, strength=0.5, covered=0.08,
    balance=0.35,
)  # fmt: skip
HEADS = {"voted": (1.0, 0.3), "published": (0.3, 1.0)}
"""The networks that are made, and what the losses of vote and published label weigh in each."""


def main() -> None:
    """Read the options and train."""
    given = _parser().parse_args()
    torch.set_num_threads(given.threads)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    budget = given.seconds if given.steps == 0 else 0.0
    shares = dict(zip(("teachers", "student", "settle"), given.shares, strict=True))
    common = {"device": given.device}

    def planned(options: face_fit.Options, name: str, count: int, seed: int) -> face_fit.Options:
        steps = round(given.steps * shares[name] / count)
        seconds = budget * shares[name] / count
        return replace(options, **common, steps=steps, seconds=seconds, seed=seed)

    train(
        given.data,
        given.checkpoint,
        planned(replace(TEACHER, net=given.teacher), "teachers", given.teachers, given.seed + 100),
        planned(replace(STUDENT, net=given.net), "student", 1, given.seed),
        planned(replace(SETTLE, net=given.net), "settle", len(HEADS), given.seed + 1),
        given.teachers,
    )


def train(
    data: Path, checkpoint: Path, teacher: face_fit.Options, student: face_fit.Options,
    settle: face_fit.Options, count: int,
) -> None:  # fmt: skip
    """Fit teachers, then the small network, then one of it for each kind of label; keep them.

    Args:
        data: Holds the corpora.
        checkpoint: Written after each step.
        teacher: Of the first teacher; the others have the next seeds.
        student: Of the small network.
        settle: Of the last steps, for each kind of label.
        count: Number of teachers.
    """
    parts = face_pool.load(data)
    began = time.monotonic()
    teachers: list[nn.Module] = []
    kept: dict[str, Any] = {"teachers": [], "settled": {}}

    def keep(**more: Any) -> None:
        kept.update(more, minutes=round((time.monotonic() - began) / 60, 1))
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        torch.save(kept, checkpoint)

    for number in range(count):
        net, made, log = face_fit.fit(parts, replace(teacher, seed=teacher.seed + number))
        teachers.append(net)
        told = {"options": asdict(made), "log": log, "together": together(teachers, parts)}
        kept["teachers"].append(told)
        print(f"{number + 1} teachers together: {told['together']}", flush=True)
    small, made, log = face_fit.fit(parts, student, teachers)
    keep(state=_state(small), options=asdict(made), log=log)
    for head, weights in HEADS.items():
        start = small.state_dict()
        net, made, log = face_fit.fit(parts, replace(settle, heads=weights), teachers, start)
        told = {"state": _state(net), "options": asdict(made), "log": log}
        keep(settled={**kept["settled"], head: told})


def _state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.cpu() for key, value in net.state_dict().items()}


def together(teachers: Sequence[nn.Module], parts: face_pool.Parts) -> dict[str, float]:
    """Return the validation figures of the mean of several networks' logits."""
    voted = np.mean([face_fit.logits(net, parts.valid) for net in teachers], axis=0)
    published = np.mean(
        [face_fit.logits(net, parts.valid_published, "published") for net in teachers], axis=0
    )
    plain = calibrate.figures(published, parts.valid_published.labels)
    return {
        **calibrate.figures(voted, parts.valid.labels),
        "published_accuracy": plain["accuracy"],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train/face.pt"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--teachers", type=int, default=3)
    parser.add_argument("--teacher", default=TEACHER.net)
    parser.add_argument("--net", default=STUDENT.net)
    parser.add_argument("--steps", type=int, default=0, help="of everything; else --seconds")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--shares", type=float, nargs=3, default=(0.5, 0.28, 0.22),
                        help="of the budget: teachers, small network, last steps")  # fmt: skip
    parser.add_argument("--seed", type=int, default=STUDENT.seed)
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
