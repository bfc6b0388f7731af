"""Read a voice network back from a package of which nothing else is left: its ONNX file.

    python voice_onnx.py --package PACKAGE --run research --windows VARIED --out OUT

``PACKAGE`` is the folder of a package of networks of convolutions, ``--part`` the number of one of
several. ``OUT/voice-<run>.pt`` is as ``voice_fit.py`` writes it, so that ``voice.py export
--weights OUT OTHER`` puts the network beside others. Whom it held out is what the package's card
says. What the card of one network tells of its folds, whose files are gone, and of noise comes
along; of one of several it tells no folds of its own.

The file holds no statistics of what each layer gives, which training replaces by a batch's. They
are taken anew from ``VARIED`` windows (``voice_windows.py``) that the run may see; else the first
step of ``voice_fit.py`` would be one of another network.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from voice_corpora import CORPORA
from voice_corpora import held_out as held_out_of
from voice_held import Made, clips_of
from voice_narrow import some_windows
from voice_net import VoiceNet
from voice_stream import sounds_of

EPSILON = 1e-5
"""Of the normalisation of batches, which the file holds within its convolutions."""
_STAGE = re.compile(r"(\d+) steps of (\d+) on .*, ([\d.]+) s of (.+?) shared with")
"""How ``voice.py`` tells of one of several networks."""
PIECE = 128
"""Windows that are watched at a time."""


def main() -> None:
    """Write the weights of a package's one network."""
    given = _parser().parse_args()
    metrics = json.loads((given.package / "metrics.json").read_text("utf-8"))
    told, training = metrics["words"]["split"], metrics["training"]
    stage = stage_of(training, given.part)
    torch.manual_seed(1)
    net = VoiceNet.of(state_of(given.package / "model.onnx", given.part - 1))
    entry = {
        "state": settled(net.eval(), windows_of(given.run, given.windows)),
        "held_out": held_out(told),
        "clips": training["clips"],
        "steps": stage["steps"],
        "stem": "",
    }
    words = {
        "seconds": stage["seconds"],
        "device": stage["device"],
        "options": {"batch": stage["batch"]},
        "log": stage["log"],
    }
    if "steps" in training:
        words["folds"] = folds(metrics["evaluations"])
        words["noise"] = " ".join(sentence for sentence in told if "noise" in sentence)
    given.out.mkdir(parents=True, exist_ok=True)
    content = {"runs": {given.run: entry}, "words": json.dumps(words)}
    torch.save(content, given.out / f"voice-{given.run}.pt")
    print(f"{given.run}: {entry['steps']} steps, held out {', '.join(entry['held_out'])}")


def stage_of(training: Mapping[str, Any], part: int) -> dict[str, Any]:
    """Return how a network was trained: steps, batch, seconds, device and log.

    Args:
        training: What a package's ``metrics.json`` tells.
        part: Number of the network, from 1 on.

    Raises:
        SystemExit: It has no such network.
    """
    if "steps" in training:
        seconds = training["seconds, shared with the other runs"]
        return {**training, "seconds": seconds}
    match = _STAGE.match(training.get(f"convolutions, {part}", ""))
    if match is None:
        raise SystemExit(f"--part {part}: the card tells of no such network")
    steps, batch, seconds, device = match.groups()
    log = training["log"][part - 1]
    return {
        "steps": int(steps), "batch": int(batch), "seconds": float(seconds),
        "device": device, "log": log,
    }  # fmt: skip


def state_of(file: Path, part: int = 0) -> dict[str, torch.Tensor]:
    """Return the weights of a network of convolutions, as its module names them.

    Args:
        file: Of a package.
        part: Number of the network, where the file holds several; from 0 on.

    Raises:
        SystemExit: The file holds another network.
    """
    held = {i.name: numpy_helper.to_array(i) for i in onnx.load(file).graph.initializer}
    arrays = {name.removeprefix("net."): torch.from_numpy(a.copy()) for name, a in held.items()}
    state: dict[str, torch.Tensor] = {}
    for name, value in _alone(arrays, part).items():
        if name.endswith(".weight_bias"):
            state |= _normalised(name.removesuffix("0.weight_bias"), value)
        elif name.partition(".")[0] in ("body", "score", "emotion", "affect", "kind"):
            state[name] = value
    try:
        return dict(VoiceNet.of(state).state_dict())
    except (KeyError, RuntimeError) as error:
        raise SystemExit(f"{file}: not one network of convolutions alone: {error}") from error


def _alone(arrays: Mapping[str, torch.Tensor], part: int) -> dict[str, torch.Tensor]:
    """Return the arrays of one network of several, its share of the logits taken back."""
    numbers = {name.split(".")[1] for name in arrays if name.startswith("convolutions.")}
    if not numbers:
        return dict(arrays)
    prefix = f"convolutions.{part}."
    own = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
    return {name: a * len(numbers) if "emotion" in name else a for name, a in own.items()}


def windows_of(run: str, folder: Path) -> torch.Tensor:
    """Return some windows that a run may see."""
    names = clips_of(folder)
    made, hidden = Made(folder, names), held_out_of(run, sounds_of(names))
    return some_windows(made, torch.tensor([name not in hidden for name in names]))


@torch.no_grad()
def settled(net: VoiceNet, windows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the weights of a network that says the same, each layer normalised as windows ask.

    Each channel of a convolution gets a deviation of 1, and its normalisation the rest, so that a
    batch's statistics are close to those that are kept.

    Args:
        net: Whose normalisations may hold any statistics; in evaluation.
        windows: Shape (n, 1, frames, bands).
    """
    state = dict(net.state_dict())
    for block, (mean, deviation) in _statistics(net, windows).items():
        factor = state[f"{block}.1.weight"] / (state[f"{block}.1.running_var"] + EPSILON).sqrt()
        moved = factor * (mean - state[f"{block}.1.running_mean"])
        state[f"{block}.1.bias"] = state[f"{block}.1.bias"] + moved
        state[f"{block}.1.weight"] = factor * deviation
        state[f"{block}.1.running_mean"] = mean / deviation
        state[f"{block}.1.running_var"] = torch.full_like(mean, 1.0 - EPSILON)
        state[f"{block}.0.weight"] = state[f"{block}.0.weight"] / deviation[:, None, None, None]
    return state


def _statistics(
    net: VoiceNet, windows: torch.Tensor
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return mean and deviation of each convolution's channels before they are normalised."""
    sums: dict[str, list[torch.Tensor]] = {}

    def watch(block: str) -> Callable[[torch.nn.Module, tuple[torch.Tensor, ...], object], None]:
        def add(_: torch.nn.Module, given: tuple[torch.Tensor, ...], __: object) -> None:
            x = given[0].double().transpose(0, 1).flatten(1)
            sums.setdefault(block, []).append(torch.stack([x.mean(1), x.square().mean(1)]))

        return add

    hooks = [
        layer.register_forward_hook(watch(name.removesuffix(".1")))
        for name, layer in net.named_modules()
        if isinstance(layer, torch.nn.BatchNorm2d)
    ]
    for part in windows.split(PIECE):
        net(part)
    for hook in hooks:
        hook.remove()
    means = {block: torch.stack(parts).mean(0) for block, parts in sums.items()}
    return {
        block: (mean.float(), (square - mean.square()).clamp_min(1e-6).sqrt().float())
        for block, (mean, square) in means.items()
    }


def _normalised(block: str, bias: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the normalisation that adds a bias and does nothing else."""
    return {
        f"{block}1.weight": torch.ones_like(bias),
        f"{block}1.bias": bias,
        f"{block}1.running_mean": torch.zeros_like(bias),
        f"{block}1.running_var": torch.full_like(bias, 1.0 - EPSILON),
        f"{block}1.num_batches_tracked": torch.tensor(0),
    }


def held_out(split: Sequence[str]) -> list[str]:
    """Return the ``corpus/speaker`` of the sentence that says on whom a package is not trained.

    Raises:
        SystemExit: No sentence says it.
    """
    before, after = "own file is trained on all but ", "; on them"
    for sentence in split:
        if before in sentence and after in sentence:
            named = sentence.partition(before)[2].partition(after)[0].split(", ")
            people = {corpus: rest for corpus, *rest in map(str.split, named)}
            known = {corpus.name for corpus in CORPORA}
            return sorted(f"{c}/{one}" for c in people if c in known for one in people[c])
    raise SystemExit("the card does not say whom the package held out")


def folds(evaluations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a card says of its folds, in brief."""
    kept = ("split", "n", "unweighted_average_recall", "expected_calibration_error")
    return [
        {key: row[key] for key in kept}
        for row in evaluations
        if "folds" in str(row.get("precision"))
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--run", default="research", help="that the network was trained as")
    parser.add_argument("--part", type=int, default=1, help="which network, where it holds several")
    parser.add_argument("--windows", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
