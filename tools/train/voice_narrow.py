r"""Make trained voice networks narrower: of the last layers, keep the channels that tell most.

    python voice_narrow.py --weights WIDE --windows VARIED --out NARROW --channels 80 96
    python voice_fit.py ... --start NARROW/voice-a.pt NARROW/voice-b.pt

A channel counts by how much it moves over ``VARIED`` windows that its run may see, times how
strongly later layers read it. What is left has to be trained further; who was held out stays so.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from voice_corpora import held_out
from voice_held import Made, clips_of
from voice_net import VoiceNet
from voice_stream import sounds_of

State = dict[str, torch.Tensor]

WINDOWS = 512
"""On which the channels of a run are watched."""


def main() -> None:
    """Write the files of a folder anew, each network narrower."""
    given = _parser().parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(1)
    names = clips_of(given.windows)
    made, sounds = Made(given.windows, names), sounds_of(names)
    given.out.mkdir(parents=True, exist_ok=True)
    for file in sorted(given.weights.glob("voice-?.pt")):
        content = torch.load(file, weights_only=True)
        for name, run in content["runs"].items():
            hidden = held_out(name, sounds)
            allowed = torch.tensor([s.name not in hidden for s in sounds])
            windows = some_windows(made, allowed)
            net = VoiceNet.of(run["state"]).eval()
            run["state"] = narrowed(net, windows, *given.channels)
            print(file.name, name, flush=True)
        torch.save(content, given.out / file.name)


def some_windows(made: Made, allowed: torch.Tensor) -> torch.Tensor:
    """Return windows of clips that are allowed, as many as ``WINDOWS``."""
    places = allowed[made.rows].nonzero()[:, 0]
    chosen = places[torch.randperm(len(places))[:WINDOWS]].sort().values
    return made.at(chosen).float()


def narrowed(net: VoiceNet, windows: torch.Tensor, fourth: int, fifth: int) -> dict[str, Any]:
    """Return the weights of a network whose two last layers keep so many channels.

    Args:
        net: Trained.
        windows: That it may see, shape (n, 1, frames, bands).
        fourth: Channels of the last but one layer that are kept.
        fifth: Of the last layer; as many of each head of attention.

    Raises:
        SystemExit: A layer has fewer, or the heads cannot share them.
    """
    state = dict(net.state_dict())
    moved = _moved(net, windows)
    read = state["body.10.0.weight"].abs().sum(dim=(0, 2, 3))
    _keep_fourth(state, _best(moved["body.9"] * read, fourth))
    heads = len(state["score.weight"])
    last = len(state["body.10.0.weight"])
    parts = state["emotion.weight"].abs().sum(dim=0).reshape(-1, last).sum(dim=0)
    each = (moved["body.12"] * parts).reshape(heads, -1)
    if fifth % heads:
        raise SystemExit(f"--channels: {fifth} cannot be shared by {heads} heads of attention")
    starts = torch.arange(heads)[:, None] * each.shape[1]
    kept = torch.stack([_best(one, fifth // heads) for one in each])
    _keep_fifth(state, (starts + kept).flatten(), last)
    return state


@torch.no_grad()
def _moved(net: VoiceNet, windows: torch.Tensor) -> State:
    """Return the deviation of each channel of the last two layers over windows and time."""
    found: State = {}
    x = net.seen(windows)
    for name, layer in net.body.named_children():
        x = layer(x)
        found[f"body.{name}"] = x.transpose(0, 1).flatten(1).std(dim=1)
    return found


def _best(worth: torch.Tensor, count: int) -> torch.Tensor:
    if count > len(worth):
        raise SystemExit(f"--channels: {count} of {len(worth)} cannot be kept")
    return worth.topk(count).indices.sort().values


def _keep_fourth(state: State, kept: torch.Tensor) -> None:
    for block in ("body.7", "body.9.conv"):
        _keep_rows(state, block, kept)
    for name in ("body.9.conv.0.weight", "body.10.0.weight"):
        state[name] = state[name][:, kept]


def _keep_fifth(state: State, kept: torch.Tensor, last: int) -> None:
    for block in ("body.10", "body.12.conv"):
        _keep_rows(state, block, kept)
    for name in ("body.12.conv.0.weight", "score.weight"):
        state[name] = state[name][:, kept]
    parts = state["emotion.weight"].shape[1] // last
    pooled = torch.cat([kept + part * last for part in range(parts)])
    for name in ("emotion.weight", "affect.weight", "kind.weight"):
        state[name] = state[name][:, pooled]


def _keep_rows(state: State, block: str, kept: torch.Tensor) -> None:
    """Keep outputs of a convolution, and what normalises them."""
    for name in list(state):
        if name.startswith(f"{block}.") and state[name].ndim:
            state[name] = state[name][kept]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True, help="folder of trained networks")
    parser.add_argument("--windows", type=Path, required=True, help="that voice_windows.py made")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--channels", type=int, nargs=2, default=(80, 96), help="of the last two layers"
    )
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
