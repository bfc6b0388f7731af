"""Training from mixed manifests, on sentences written for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.manifest import find_package
from tests.train_tools import need_torch, training

GLAD = ("What a glad morning it is, number {}", "We laughed at the fair, number {}")
GLUM = ("I wept over the old letter, number {}", "The empty house made me weep, number {}")


pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    need_torch()
    with training("from_manifest") as modules:
        yield modules.from_manifest


def line(name: str, text: str, label: str) -> Clip:
    return Clip(name, "text", "meld", speaker="meld/Ada", text=text, label=label)


def talk(part: str, numbers: range) -> list[Clip]:
    lines = [
        (texts[n % 2].format(n), label)
        for n in numbers
        for texts, label in ((GLAD, "happiness"), (GLUM, "sadness"))
    ]
    return [
        line(f"meld/{part}/dia{n // 4}_utt{n % 4}/text", text, label)
        for n, (text, label) in enumerate(lines)
    ]


def mixed(folder: Path, train: list[Clip], validation: list[Clip]) -> Path:
    for part, clips in (("train", train), ("validation", validation), ("test", [])):
        write_clips(folder / f"{part}.jsonl", clips)
    weights = {"meld": {"happiness": 1.0, "sadness": 3.0}}
    (folder / "recipe.json").write_text(json.dumps({"weights": weights}))
    return folder


def test_a_mix_of_texts_is_learnt_as_the_device_reads_them(tool: ModuleType) -> None:
    template, labels = find_package("text"), ("happiness", "sadness")
    weights = {"meld": {"sadness": 3.0}}
    seen = tool.read_windows(template, talk("train", range(40)), Path(), labels, weights)
    held = tool.read_windows(template, talk("dev", range(40, 60)), Path(), labels, weights)
    assert seen.inputs[0].shape[1:] == template.inputs[0].shape[1:]
    assert set(zip(seen.label.tolist(), seen.weight.tolist(), strict=True)) == {(0, 1.0), (1, 3.0)}
    tool.torch.manual_seed(0)
    net = tool.network("text", template, seen, len(labels))
    losses = list(tool.fit(net, seen, epochs=10, batch=16, rate=5e-3, seed=0))
    assert losses[-1] < losses[0]
    assert np.mean(tool.run(net, held).argmax(1) == held.label) > 0.9


def test_a_small_voice_network_reads_the_window_alone(tool: ModuleType) -> None:
    template = tool.template_of("voice")
    assets = Path(str(files("edge_emo") / "assets"))
    clip = Clip("demo", "voice", "ravdess", path="demo_voice.wav", label="happiness")
    seen = tool.read_windows(template, [clip], assets, ("happiness", "sadness"), {})
    assert [column.shape[1:] for column in seen.inputs] == [template.inputs[0].shape[1:]]
    assert tool.run(tool.network("voice", template, seen, 2), seen).shape[1] == 2


def test_training_and_held_out_share_no_dialogue_and_no_text(
    tool: ModuleType, tmp_path: Path
) -> None:
    copy = line("meld/train/dia99_utt0/text", "WE laughed at the fair, number 41!", "happiness")
    folder = mixed(tmp_path, [*talk("train", range(40)), copy], talk("dev", range(40, 50)))
    parts = {part: list(tool._labelled(folder, part, "text")) for part in tool.PARTS}
    train, choice, held_part = tool.divided(parts, "text", folder)
    assert held_part == "validation"
    assert copy.clip not in {clip.clip for clip in (*train, *choice)}
    assert choice
    assert not set(map(tool.dialogue, train)) & set(map(tool.dialogue, choice))
    shared = [line("meld/dev/dia0_utt9/text", "Nobody said this before.", "sadness")]
    with pytest.raises(SystemExit, match="dialogues shared"):
        tool.divided({**parts, "train": parts["train"] + shared}, "text", folder)


def test_one_label_is_nothing_to_learn(tool: ModuleType) -> None:
    with pytest.raises(SystemExit, match="nothing to learn"):
        tool.labels_of(talk("train", range(40))[::2])


def test_media_that_is_not_there_is_named(tool: ModuleType, tmp_path: Path) -> None:
    film = Clip("mead/a", "face", "mead", "a.mp4", speaker="mead/A", label="sadness")
    parts = {"train": [film], "validation": [], "test": [film]}
    with pytest.raises(SystemExit, match=r"2 files .* such as a\.mp4"):
        tool.divided(parts, "face", tmp_path)
