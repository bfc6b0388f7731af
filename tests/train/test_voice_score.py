"""Figures of a voice run come from its exported file, as the command line evaluates it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from edge_emo.datasets.clips import Clip
from edge_emo.manifest import find_package
from tests.train_tools import need_torch, training

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


def test_a_run_is_reported_by_its_exported_file() -> None:
    need_torch()
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'edge-emo[onnx]'")
    assets = Path(str(files("edge_emo") / "assets"))
    clip = Clip("demo", "voice", path="demo_voice.wav", label="happiness", speaker="a")
    with training("voice_score") as modules:
        tool = modules.voice_score
        file = tool.FoldFile(find_package("voice").folder)
        (outcome,) = file.outcomes([clip], assets)
        row = tool.report(file.package, "test", [outcome], file.model.runs_ns, "onnx")
    assert outcome.clip is clip
    assert (row["split"], row["n"], row["backend"]) == ("test", 1, "onnx")
    assert row["inference_ms_p50"] > 0
