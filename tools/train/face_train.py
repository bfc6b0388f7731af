"""Train the face networks: teachers on the labels, then the small network on both.

    python tools/train/face_train.py --data DIR --checkpoint build/train/face.pt

``--data`` is the folder that holds ``fer2013plus/``, ``diffusionfer/`` and ``detection/``. The
runs are long on a CPU; ``--device cuda`` makes the same ones. ``--seconds`` in place of
``--steps`` lets a budget decide; the checkpoint then says how many steps that was. ``--start``
goes on from such a checkpoint, on the labels alone and with milder variation.
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

TEACHER = face_fit.Options("teacher", batch=256, rate=0.1, covered=0.06, strength=0.8, mixed=0.4)
SETTLE = face_fit.Options(
    "small", batch=96, rate=0.04, decay=4e-4, average=0.998, strength=0.5, covered=0.08,
    balance=0.35, small_share=0.55,
)  # fmt: skip
STUDENT = face_fit.Options("small", batch=384, rate=0.15, decay=2e-4, average=0.9995)


def main() -> None:
    """Read the options and train."""
    given = _parser().parse_args()
    torch.set_num_threads(given.threads)
    common = {"device": given.device}
    if given.start is not None:
        options = replace(SETTLE, **common, net=given.net, steps=given.steps,
                          seconds=given.seconds, seed=given.seed)  # fmt: skip
        settle(given.data, given.start, given.checkpoint, options)
        return
    train(
        given.data,
        given.checkpoint,
        replace(TEACHER, **common, net=given.teacher, steps=given.teacher_steps,
                seconds=given.teacher_seconds, seed=given.seed + 100),
        replace(STUDENT, **common, net=given.net, steps=given.steps, seconds=given.seconds,
                seed=given.seed),
        given.teachers,
    )  # fmt: skip


def train(
    data: Path, checkpoint: Path, teacher: face_fit.Options, student: face_fit.Options, count: int
) -> None:
    """Fit teachers, then the small network; keep weights, options and logs.

    Args:
        data: Holds the corpora.
        checkpoint: Written at the end.
        teacher: Of the first teacher; the others have the next seeds.
        student: Of the small network.
        count: Number of teachers.
    """
    parts = face_pool.load(data)
    began = time.monotonic()
    teachers: list[nn.Module] = []
    told: list[dict[str, Any]] = []
    for number in range(count):
        net, made, log = face_fit.fit(parts, replace(teacher, seed=teacher.seed + number))
        teachers.append(net)
        told.append({"options": asdict(made), "log": log, "together": together(teachers, parts)})
        print(f"{number + 1} teachers together: {told[-1]['together']}", flush=True)
    net, made, log = face_fit.fit(parts, student, teachers)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {
            "state": {key: value.cpu() for key, value in net.state_dict().items()},
            "options": asdict(made),
            "log": log,
            "teachers": told,
            "minutes": round((time.monotonic() - began) / 60, 1),
        },
        checkpoint,
    )


def settle(data: Path, start: Path, checkpoint: Path, options: face_fit.Options) -> None:
    """Go on from a checkpoint of :func:`train`, on the labels alone; keep the same as it does."""
    first = torch.load(start, map_location="cpu", weights_only=True)
    began = time.monotonic()

    def keep(net: nn.Module, log: face_fit.Log) -> None:
        state = {key: value.cpu() for key, value in net.state_dict().items()}
        minutes = round((time.monotonic() - began) / 60, 1)
        told = {"first": {key: value for key, value in first.items() if key != "state"}}
        content = {"state": state, "options": asdict(options), "log": log, "minutes": minutes}
        torch.save({**content, **told}, checkpoint)

    face_fit.fit(face_pool.load(data), options, start=first["state"], keep=keep)


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
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--teachers", type=int, default=3)
    parser.add_argument("--teacher", default=TEACHER.net)
    parser.add_argument("--teacher-steps", type=int, default=0)
    parser.add_argument("--teacher-seconds", type=float, default=60.0)
    parser.add_argument("--net", default=STUDENT.net)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=STUDENT.seed)
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
