r"""Train every voice network in a budget of seconds: folds, corpora left out, two packages.

    python voice_fit.py --data DATA --out OUT --budget 420 --device cuda

``--data`` holds ``<corpus>.tar`` (Opus) or trees of WAV files as published. Runs that see the
same corpora share a stream of varied windows; each is shown only windows of clips that it may
see. The learning rate follows the elapsed share of the budget, so a run always ends annealed.

A processor takes hours. There windows are made first and shown often, varied once more each time;
the groups of stems come first, and the others go on from them:

    python voice_windows.py --data DATA --out VARIED --count 76800
    python voice_windows.py --data DATA --out PLAIN --count 35200 --plain 1
    python voice_fit.py --data DATA --out OUT --budget 1100 --half --batch 96 --windows VARIED \
        --held 65536 --pool 128 --again 64 --groups stems-a stems-b
    python voice_fit.py --data DATA --out OUT --budget 4320 --half --batch 96 \
        --windows VARIED PLAIN PLAIN --held 65536 --pool 1024 --again 8 --plain 0.4 \
        --groups a b --peak 2.5e-3 --start OUT/voice-stems-a.pt OUT/voice-stems-b.pt
    python voice_windows.py --data DATA --out MORE --count 134400 --seed 7
    python voice_fit.py --data DATA --out NEXT --budget 2520 --half --batch 96 \
        --windows MORE VARIED PLAIN --held 4096 --pool 96 --again 64 --frames 176 \
        --groups a b --peak 2e-3 --start OUT/voice-a.pt OUT/voice-b.pt
    python voice_narrow.py --weights OUT --windows VARIED --out CUT
    python voice_fit.py --data DATA --out NARROW --budget 3000 --half --batch 96 \
        --windows MORE VARIED PLAIN --held 4096 --pool 96 --again 64 --frames 176 \
        --groups a b --peak 2.5e-3 --start CUT/voice-a.pt CUT/voice-b.pt

``voice.py --weights NEXT NARROW`` joins the networks of two such folders; that one is narrow keeps
the int8 file under 1.0 MB. A network that ``voice_onnx.py`` read back from a package goes on in the
same way, and what its card said of its folds comes along; what it met of corpora that no figure of
the package is of is told by ``--met``. A narrower descendant is a good second beside the network:

    python voice_fit.py --data DATA --out ON --budget 1800 --half --batch 96 \
        --windows MORE VARIED PLAIN --held 4096 --pool 96 --again 64 --frames 176 \
        --groups b --runs research --peak 1.5e-3 --met emogator noise \
        --start ELDER/voice-research.pt
    python voice_narrow.py --weights ON --windows VARIED --out CUT2 --channels 72 96
    python voice_fit.py --data DATA --out HEIR --budget 1200 --half --batch 96 \
        --windows MORE VARIED PLAIN --held 4096 --pool 96 --again 64 --frames 176 \
        --groups b --runs research --peak 2e-3 --met emogator noise --start CUT2/voice-b.pt

Cut once more, it fits beside ``ELDER`` into 1.0 MB; ``voice.py --weights ELDER LAST`` joins them:

    python voice_narrow.py --weights HEIR --windows VARIED --out CUT3 --channels 72 88
    python voice_fit.py --data DATA --out LAST --budget 2700 --half --batch 96 \
        --windows MORE VARIED PLAIN --held 4096 --pool 96 --again 64 --frames 176 \
        --groups b --runs research --peak 2e-3 --met emogator noise --start CUT3/voice-b.pt

Folds of a network of the elder form, such as that one, begin with stems too; a run may have a
folder of its own, whose file is then put beside the others:

    python voice_fit.py --data DATA --out HALF0 --budget 1900 --half --batch 96 \
        --windows MORE VARIED PLAIN --held 4096 --pool 96 --again 64 --frames 176 \
        --groups stems-a --runs half0 --form elder
    python voice_fit.py --data DATA --out FOLD0 --budget 2200 --half --batch 96 \
        --windows MORE VARIED PLAIN --held 4096 --pool 96 --again 64 --frames 176 \
        --groups a --runs fold0 --peak 2.5e-3 --start HALF0/voice-stems-a.pt

Group c begins from chance, with windows of its own and an expert; its runs may be shared by two
processes:

    python voice_windows.py --data DATA --out CVARIED --count 28800 --commercial
    python voice_windows.py --data DATA --out CPLAIN --count 9600 --plain 1 --commercial
    python voice_fit.py --data DATA --out COM --budget 2640 --half --batch 96 --frames 176 \
        --windows CVARIED CPLAIN --held 4096 --pool 96 --again 64 --groups c
    python voice_expert.py --varied CVARIED --plain CPLAIN --out COM --runs commercial \
        commercial-fold0 commercial-fold1 commercial-fold2 commercial-fold3

A stem holds out everybody whom a run that goes on from it holds out, which is checked; a run may
also go on from itself: name its file of another folder.

``OUT/voice-<group>.pt`` holds the averaged weights of each run of a group, who was held out, and
the log; it is written every minute and at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import time
import traceback
from pathlib import Path

import torch
import voice_sound
from voice_corpora import STEMS, TARGETS
from voice_held import Held, Made
from voice_learn import PEAK, Run, truth_of
from voice_mel import LENGTH
from voice_net import FORMS
from voice_start import read_stems
from voice_stream import Stream

GROUPS = {
    "stems-a": list(STEMS[::2]),
    "stems-b": list(STEMS[1::2]),
    "a": ["fold0", "fold1", "fold2", "fold3", "fold4", "fold5"],
    "b": [
        "fold6",
        "fold7",
        "research",
        *(f"without-{c}" for c in TARGETS),
    ],
    "c": ["commercial", *(f"commercial-fold{k}" for k in range(4))],
}
PART = {"c": 0.5}  # of the budget, where it is not all: the commercial corpora are small
SNAPSHOT_S = 60.0
PARTS = 0.7
"""Share of the budget in which a stretch of each window is shown, where ``--frames`` asks so."""
OPTIONS = (
    "budget",
    "batch",
    "pool",
    "plain",
    "teacher",
    "held",
    "again",
    "peak",
    "half",
    "frames",
    "form",
)
"""Kept beside the weights."""


def main() -> None:
    """Decode once, then train each group in a process of its own."""
    given = _parser().parse_args()
    if given.windows and given.device != "cpu":
        raise SystemExit("--windows are for a processor; a GPU makes its own")
    if given.frames != LENGTH and given.device != "cpu":
        raise SystemExit("--frames are for a processor; a GPU records steps of whole windows")
    given.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + given.budget
    cache = voice_sound.gather(
        given.data, given.cache or given.out / "sound", given.jobs, given.limit
    )
    print(f"sound ready, {end - time.monotonic():.0f} s left", flush=True)
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_work, args=(group, cache, given, end)) for group in given.groups
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(1.0, end + 60 - time.monotonic()))
    for worker in workers:
        if worker.is_alive():
            worker.terminate()


def _work(group: str, cache: Path, given: argparse.Namespace, end: float) -> None:
    torch.set_num_threads(given.threads)
    try:
        Group(group, cache, given, end).train()
    except Exception:
        (given.out / f"voice-{group}.error.txt").write_text(traceback.format_exc(), "utf-8")
        traceback.print_exc()
        raise


class Group:
    """Runs that share one stream of windows."""

    def __init__(self, group: str, cache: Path, given: argparse.Namespace, end: float) -> None:
        self._group, self._given = group, given
        self._end = end - (1 - PART.get(group, 1.0)) * given.budget
        self._device = torch.device(given.device)
        if self._device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        self._stream = Stream(cache, group == "c", self._device, plain=given.plain)
        self._truth = truth_of(self._stream.sounds, self._device)
        names_of_runs = [name for name in GROUPS[group] if given.runs is None or name in given.runs]
        stems = read_stems(given.start)
        half = given.half or self._device.type == "cuda"
        self._runs = [
            Run(
                *(name, self._stream.sounds, self._device),
                *(given.batch, given.teacher, half, stems, given.met, given.form),
            )
            for name in names_of_runs
        ]
        self._made = [Made(folder, self._stream.names) for folder in given.windows]
        self._held = Held(max(given.held, given.pool), self._made)
        self._log: list[dict[str, float]] = []

    def train(self) -> None:
        """Train until the budget ends, then save."""
        began, saved = time.monotonic(), time.monotonic()
        while True:
            share = (time.monotonic() - began) / max(1.0, self._end - began)
            if share >= 1 or (self._given.rounds and len(self._log) >= self._given.rounds):
                break
            for run in self._runs:
                run.frames = self._given.frames if share < PARTS else LENGTH
            mean = self._round(self._given.peak * schedule(share))
            self._log.append({"share": round(share, 4), "loss": round(mean, 4)})
            if time.monotonic() - saved > SNAPSHOT_S:
                saved = time.monotonic()
                self._save(began)
        self._save(began)

    def _round(self, rate: float) -> float:
        """Make windows and show each run what it may see of them; return the mean loss.

        The budget may end within a round, which is long on a processor.
        """
        again = self._given.again > 1 or self._given.windows
        rows, windows = self._vary() if again else self._make()
        total, count = torch.zeros((), device=self._device), 0
        pairs = ((run, some) for run in self._runs for some in batches(run, rows))
        for learner, some in pairs:
            if time.monotonic() >= self._end:
                break
            total += learner.step(windows[some], self._truth.at(rows[some]), rate)
            count += 1
        return float(total) / max(1, count)

    def _make(self) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self._stream.draw(self._given.pool)
        return rows, torch.cat([self._stream.make(part) for part in rows.split(self._given.piece)])

    def _vary(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Make windows, hold them, and return some of all that are held, varied once more."""
        self._held.add(*self._make())
        rows, windows = self._held.draw(self._given.again * self._given.pool)
        pieces = windows.split(self._given.piece)
        return rows, torch.cat([self._stream.again(piece) for piece in pieces])

    def _save(self, began: float) -> None:
        """Write all runs: weights as float16, statistics as float32."""
        runs = {
            run.name: {
                "state": {k: _small(k, v) for k, v in run.average.state_dict().items()},
                "held_out": run.held_out,
                "clips": run.clips,
                "steps": run.steps,
                "stem": run.stem,
            }
            for run in self._runs
        }
        words = {
            "seconds": round(time.monotonic() - began, 1),
            "device": torch.cuda.get_device_name() if self._device.type == "cuda" else "cpu",
            "options": {k: getattr(self._given, k) for k in OPTIONS},
            "windows": [len(one) for one in self._made],
            "log": self._log[:: max(1, len(self._log) // 200)],
        }
        if folds := next((run.folds for run in self._runs if run.folds), None):
            words["before"] = folds
        target = self._given.out / f"voice-{self._group}.pt"
        part = target.with_suffix(".part")
        torch.save({"runs": runs, "words": json.dumps(words)}, part)
        part.replace(target)
        steps = {run.name: run.steps for run in self._runs}
        print(self._group, words["seconds"], self._log[-1:], steps, flush=True)


def batches(run: Run, rows: torch.Tensor) -> list[torch.Tensor]:
    """Return places of a pool that a run may see, in random order, in whole batches.

    A pool with less than a batch gives one batch, in which places return.

    Args:
        run: Knows its clips and its batch.
        rows: Numbers of the clips in the pool, shape (n,).
    """
    places = run.allowed[rows].nonzero()[:, 0]
    shuffled = places[torch.randperm(len(places), device=places.device)]
    if 0 < len(shuffled) < run.batch:
        shuffled = shuffled.repeat(-(-run.batch // len(shuffled)))
    return list(shuffled[: len(shuffled) // run.batch * run.batch].split(run.batch))


def _small(name: str, value: torch.Tensor) -> torch.Tensor:
    value = value.detach().cpu().clone()
    return value.half() if value.ndim >= 2 else value


def schedule(share: float) -> float:
    """Return a share of the highest learning rate: a short rise, then half a cosine."""
    rise = 0.04
    if share < rise:
        return 0.05 + 0.95 * share / rise
    return max(1e-3, 0.5 * (1 + math.cos(math.pi * (share - rise) / (1 - rise))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="where decoded sound is kept; else in OUT")
    parser.add_argument("--budget", type=float, default=420.0, help="seconds, decoding included")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--groups", nargs="+", default=["a", "b", "c"], choices=list(GROUPS))
    parser.add_argument("--runs", nargs="+", help="only these runs of the groups")
    parser.add_argument("--batch", type=int, default=192)
    parser.add_argument("--teacher", type=int, default=0, help="width of one; 0 is none")
    parser.add_argument("--start", type=Path, nargs="+", default=[], help="files of stems")
    parser.add_argument(
        "--met", nargs="+", default=[], help="corpora of which stems may have met who is held out"
    )
    parser.add_argument("--form", default=FORMS[0], choices=FORMS, help="of one from chance")
    parser.add_argument("--peak", type=float, default=PEAK, help="highest learning rate")
    parser.add_argument(
        "--frames", type=int, default=LENGTH, help="of each window, for most of the budget"
    )
    parser.add_argument("--half", action="store_true", help="bfloat16 on a processor too")
    parser.add_argument("--again", type=int, default=1, help="times that a window is shown, varied")
    parser.add_argument("--held", type=int, default=0, help="windows that are kept to show again")
    parser.add_argument("--plain", type=float, default=0.0, help="share of windows not varied")
    parser.add_argument("--pool", type=int, default=2304, help="windows made at a time")
    parser.add_argument("--piece", type=int, default=384, help="windows made in one batch")
    parser.add_argument(
        "--windows", type=Path, nargs="+", default=[], help="others that voice_windows.py made"
    )
    parser.add_argument("--rounds", type=int, default=0, help="at most so many pools")
    parser.add_argument("--limit", type=int, default=0, help="clips of each corpus; 0 is all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
