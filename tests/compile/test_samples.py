"""Inputs that are read by running a float model over clips."""

from __future__ import annotations

import json
import wave
from pathlib import Path

from edge_emo.clock import ManualClock
from edge_emo.compile.samples import read_samples
from tests.estimators.test_voice import BandLevels, babble, manifest
from tests.fakes.manifests import package_in


def spoken(folder: Path, name: str, seconds: float, label: str, split: str) -> str:
    """Write a clip of one speaker and return its line of a manifest."""
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((babble(seconds) * 32767).astype("<i2").tobytes())
    row = {"clip": name, "modality": "voice", "path": f"{name}.wav", "label": label}
    return json.dumps({**row, "split": split, "speaker": "a"})


def test_runs_for_a_baseline_are_inputs_of_no_clip(tmp_path: Path) -> None:
    rows = [
        spoken(tmp_path, "calm", 5.0, "neutral", "rest"),
        spoken(tmp_path, "loud", 3.0, "anger", "test"),
        spoken(tmp_path, "low", 4.0, "sadness", "test"),
    ]
    path = tmp_path / "clips.jsonl"
    path.write_text("".join(f"{row}\n" for row in rows))
    package = package_in(tmp_path / "bands", manifest())
    samples = read_samples(package, path, model=BandLevels(ManualClock()), baseline_split="rest")
    assert samples.labels == ("anger", "sadness")
    assert samples.clips.tolist() == [0, 1, 1, 1]
    assert [len(array) for array in samples.inputs] == [4]
