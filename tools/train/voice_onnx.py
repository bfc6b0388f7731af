"""Read a voice network back from a package of which nothing else is left: its ONNX file.

    python voice_onnx.py --package PACKAGE --run research --out OUT

``PACKAGE`` is the folder of a package that holds one network of convolutions, such as an earlier
revision's. ``OUT/voice-<run>.pt`` is as ``voice_fit.py`` writes it, so that ``voice.py export
--weights OUT OTHER`` puts the network beside others. Whom it held out is what the package's card
says. What the card tells of its folds, whose files are gone, and of noise comes along.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from voice_corpora import CORPORA
from voice_net import VoiceNet

EPSILON = 1e-5
"""Of the normalisation of batches, which the file holds within its convolutions."""


def main() -> None:
    """Write the weights of a package's one network."""
    given = _parser().parse_args()
    metrics = json.loads((given.package / "metrics.json").read_text("utf-8"))
    told, training = metrics["words"]["split"], metrics["training"]
    entry = {
        "state": state_of(given.package / "model.onnx"),
        "held_out": held_out(told),
        "clips": training["clips"],
        "steps": training["steps"],
        "stem": "",
    }
    words = {
        "seconds": training["seconds, shared with the other runs"],
        "device": training["device"],
        "options": {"batch": training["batch"]},
        "log": training["log"],
        "folds": folds(metrics["evaluations"]),
        "noise": " ".join(sentence for sentence in told if "noise" in sentence),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    content = {"runs": {given.run: entry}, "words": json.dumps(words)}
    torch.save(content, given.out / f"voice-{given.run}.pt")
    print(f"{given.run}: {entry['steps']} steps, held out {', '.join(entry['held_out'])}")


def state_of(file: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a network of convolutions, as its module names them.

    Raises:
        SystemExit: The file holds another network, or more than one.
    """
    held = {i.name: numpy_helper.to_array(i) for i in onnx.load(file).graph.initializer}
    arrays = {name.removeprefix("net."): torch.from_numpy(a.copy()) for name, a in held.items()}
    state: dict[str, torch.Tensor] = {}
    for name, value in arrays.items():
        if name.endswith(".weight_bias"):
            state |= _normalised(name.removesuffix("0.weight_bias"), value)
        elif name.partition(".")[0] in ("body", "score", "emotion", "affect", "kind"):
            state[name] = value
    try:
        return dict(VoiceNet.of(state).state_dict())
    except (KeyError, RuntimeError) as error:
        raise SystemExit(f"{file}: not one network of convolutions alone: {error}") from error


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
    parser.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
