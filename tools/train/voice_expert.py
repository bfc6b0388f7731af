r"""Train the experts on functionals that stand beside the convolutions: ten seconds for each run.

    python voice_expert.py --varied VARIED --plain PLAIN --out OUT

``VARIED`` and ``PLAIN`` hold windows that ``voice_windows.py`` made, ``PLAIN`` those as the device
cuts them, which most batches are of: what classical functionals tell of a clean voice is what the
convolutions, which learn from worse sound, tell worst. ``OUT/expert-<first run>.pt`` holds the
weights of each run, and who was held out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from voice_corpora import Sound, held_out
from voice_fit import GROUPS
from voice_held import Made, clips_of
from voice_learn import ABSENT, Truth, truth_of
from voice_net import FunctionalNet
from voice_stream import COMMERCIAL_WEIGHT, sounds_of

from edge_emo.features import voice_functionals
from edge_emo.features.voice_functionals import SIZE

STEPS, BATCH, PEAK, DECAY = 1200, 256, 2e-3, 0.05
PLAIN = 0.8
"""Share of windows that are not varied."""
Pair = tuple[torch.Tensor, torch.Tensor]
"""Numbers of clips (n,), and functionals of a window of each (n, SIZE)."""


def main() -> None:
    """Train the experts of some runs."""
    given = _parser().parse_args()
    torch.set_num_threads(given.threads)
    names = clips_of(given.plain)
    sounds = sounds_of(names)
    sources = [Source(folder, names) for folder in (given.varied, given.plain)]
    truth = truth_of(sounds, torch.device("cpu"))
    began, entries = time.monotonic(), {}
    for run in given.runs:
        allowed, people = allowed_of(run, sounds)
        torch.manual_seed(int(sum(map(ord, run))))
        net, loss = train([source.some(allowed) for source in sources], truth, given.hidden)
        entries[run] = {
            "state": net.state_dict(),
            "held_out": people,
            "clips": int(allowed.sum()),
            "steps": STEPS,
        }
        print(f"{run}: loss {loss:.3f}, {time.monotonic() - began:.0f} s", flush=True)
    varied, plain = (len(source.rows) for source in sources)
    words = (
        f"{STEPS} steps of {BATCH}, {PLAIN:g} of them of {plain} plain windows, of {varied} else"
    )
    given.out.mkdir(parents=True, exist_ok=True)
    torch.save(
        {"runs": entries, "words": json.dumps(words)}, given.out / f"expert-{given.runs[0]}.pt"
    )


def allowed_of(run: str, sounds: list[Sound]) -> tuple[torch.Tensor, list[str]]:
    """Return which clips a run's expert may learn from, and the ``corpus/speaker`` held out.

    Raises:
        SystemExit: The windows are of clips with other licences than a commercial run may meet,
            behind whom others may speak.
    """
    if run.startswith("commercial") and {s.corpus for s in sounds} - set(COMMERCIAL_WEIGHT):
        raise SystemExit(f"{run}: take windows of voice_windows.py --commercial")
    hidden = held_out(run, sounds)
    allowed = [s.name not in hidden and s.category >= 0 for s in sounds]
    people = sorted({f"{s.corpus}/{s.speaker}" for s in sounds if s.name in hidden})
    return torch.tensor(allowed), people


class Source:
    """A folder of windows: the functionals of each, and the number of its clip."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        made = Made(folder, names)
        self.rows, self._values = made.rows, torch.from_numpy(_functionals(folder, made))

    def some(self, allowed: torch.Tensor) -> Pair:
        """Return rows and functionals of the clips that are allowed."""
        chosen = allowed[self.rows]
        return self.rows[chosen], self._values[chosen]


def _functionals(folder: Path, made: Made) -> np.ndarray:
    """Return the functionals of all windows of a folder, and keep them there."""
    code = hashlib.sha256(Path(voice_functionals.__file__).read_bytes()).hexdigest()
    path = folder / f"functionals-{code[:12]}.npy"
    if path.exists():
        return np.load(path)
    found = np.empty((len(made), SIZE), np.float32)
    for place in range(len(made)):
        window = made.at(torch.tensor([place]))[0, 0].numpy().astype(np.float32)
        found[place] = voice_functionals.functionals(window)
    part = path.with_suffix(".part.npy")
    np.save(part, found)
    part.replace(path)
    return found


def train(sources: Sequence[Pair], truth: Truth, hidden: int = 128) -> tuple[FunctionalNet, float]:
    """Return a network trained on rows and functionals of varied and of plain windows."""
    net, every = FunctionalNet(hidden), torch.cat([values for _, values in sources])
    net.mean.copy_(every.mean(dim=0))
    net.scale.copy_(1.0 / (every.std(dim=0) + 1e-4))
    adam = torch.optim.AdamW(net.parameters(), PEAK, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    total = 0.0
    for _ in range(STEPS):
        rows, values = _batch(sources)
        loss = _loss(net(values), truth.at(rows))
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
        total = 0.98 * total + 0.02 * float(loss.detach())
    return net.eval(), total


def _batch(sources: Sequence[Pair]) -> Pair:
    plain = round(PLAIN * BATCH)
    parts = []
    for (rows, values), count in zip(sources, (BATCH - plain, plain), strict=True):
        places = torch.randint(len(rows), (count,))
        parts.append((rows[places], values[places]))
    rows, values = zip(*parts, strict=True)
    return torch.cat(rows), torch.cat(values)


def _loss(logits: torch.Tensor, truth: Truth) -> torch.Tensor:
    return F.cross_entropy(logits - ABSENT * truth.absent, truth.category, label_smoothing=0.1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--varied", type=Path, required=True)
    parser.add_argument("--plain", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", nargs="+", default=[*GROUPS["a"], *GROUPS["b"]])
    parser.add_argument("--hidden", type=int, default=128, help="units of each network")
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
