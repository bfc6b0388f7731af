"""Figures of a voice run come from its exported file, as the command line evaluates it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from edge_emo.datasets.clips import Clip
from edge_emo.manifest import MANIFEST, find_package
from edge_emo.manifest.write import read_table, to_toml
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


def test_openvino_is_measured_by_a_file_of_its_own_only(tmp_path: Path) -> None:
    need_torch()
    whole = find_package("voice").folder
    light = tmp_path / whole.name
    light.mkdir()
    table = read_table(whole)
    table["files"] = [row for row in table["files"] if row.get("target") != "openvino"]
    (light / MANIFEST).write_text(to_toml(table), encoding="utf-8")
    with training("voice") as modules:
        assert modules.voice._int8_backends(whole) == ["litert", "openvino"]
        assert modules.voice._int8_backends(light) == ["litert"]


def test_a_temperature_is_that_of_the_greatest_likelihood() -> None:
    need_torch()
    labels = ("anger", "fear")
    with training("voice_corpora", "voice_score") as modules:
        tool = modules.voice_score
        names = [f"emodb/wav/{s}a01{e}a" for s in ("03", "08", "09") for e in "WA"]
        sounds = modules.voice_corpora.read_sounds(names)
        rng = np.random.default_rng(0)
        true = np.array([labels.index(s.label) for s in sounds])
        said = [2.0 * np.eye(2)[[t] * n] + rng.normal(0, 1, (n, 2)) for n, t in enumerate(true, 1)]
        said[0] = 1.0 - 2.0 * np.eye(2)[true[:1]]  # one is wrong, so that no temperature is too low
        own = tool.Answers(sounds, said, [], [])
        temperature, loss = tool.fitted([own], labels)
        assert tool.recalls({"a": own, "b": own}, labels, ["emodb"])[0] > 0.6
        for other in (temperature - 0.1, temperature, temperature + 0.1):
            soft = [np.exp(z / other) / np.exp(z / other).sum(axis=1, keepdims=True) for z in said]
            naive = -np.mean(
                [np.log(rows.mean(axis=0)[t]) for rows, t in zip(soft, true, strict=True)]
            )
            assert naive >= loss - 1e-6
            if other == temperature:
                assert naive == pytest.approx(loss)


def test_figures_of_a_part_stand_beside_those_of_others_and_replace_their_own(
    tmp_path: Path,
) -> None:
    need_torch()
    file = tmp_path / "kept" / "cross.json"
    with training("voice") as modules:
        keep = modules.voice._keep
        keep(file, {"evaluations": [{"split": "a", "n": 1}], "temperatures": {"fold0": 1.0}})
        keep(file, {"tables": [{"title": "alone", "rows": [1]}], "gate": {"area": 0.9}})
        keep(file, {"tables": [{"title": "live", "rows": [2]}]})
        keep(file, {"tables": [{"title": "alone", "rows": [3]}]})
    kept = json.loads(file.read_text("utf-8"))
    assert kept["evaluations"] == [{"split": "a", "n": 1}]
    assert kept["tables"] == [{"title": "live", "rows": [2]}, {"title": "alone", "rows": [3]}]
    assert (kept["gate"], kept["temperatures"]) == ({"area": 0.9}, {"fold0": 1.0})


def test_figures_of_other_weights_are_not_added_to(tmp_path: Path) -> None:
    need_torch()
    file = tmp_path / "cross.json"
    with training("voice_bench") as modules:
        held = modules.voice_bench._temperatures
        assert held(file, {"fold0": "a"}) == {}
        kept = {"temperatures": {"fold0": 0.8}, "networks": {"fold0": "a"}}
        file.write_text(json.dumps(kept), encoding="utf-8")
        assert held(file, {"fold0": "a"}) == {"fold0": 0.8}
        with pytest.raises(SystemExit, match="other weights"):
            held(file, {"fold0": "b"})
