"""The guide to one's own model, done step by step; without PyTorch its network is a stored one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_emo.cli.app import main
from edge_emo.config import Config, parse_config
from edge_emo.manifest import read_package
from edge_emo.pipeline import Pipeline
from edge_emo.vendor import installed

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guides" / "own-model.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOOLS = ("torch", "litert_torch", "ai_edge_quantizer", "nncf", "openvino")


def blocks(language: str) -> list[str]:
    return [m[2] for m in BLOCK.finditer(GUIDE.read_text(encoding="utf-8")) if m[1] == language]


def write_stored_network(path: Path) -> None:
    """Write the guide's network as its export does."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(0, 0.2, (8, 1, 5, 5)),
        "b1": rng.normal(0, 0.2, 8),
        "w2": rng.normal(0, 0.03, (2, 968)),
        "b2": np.zeros(2),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "w1", "b1"], ["c"], strides=[4, 4]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("Flatten", ["r"], ["f"]),
            helper.make_node("Gemm", ["f", "w2", "b2"], ["logits"], transB=1),
        ],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 48, 48])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)


def run_python(code: str, folder: Path) -> None:
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def follow(folder: Path, monkeypatch: pytest.MonkeyPatch, target: str, export: bool) -> None:
    """Do what the guide says, for one target, as far as the package."""
    monkeypatch.chdir(folder)
    first, data = blocks("py")
    if export:
        run_python(first, folder)
    else:
        write_stored_network(folder / "net.onnx")
    (folder / "model.toml").write_text(blocks("toml")[0], encoding="utf-8")
    run_python(data, folder)
    for line in blocks("sh")[1].splitlines():
        words = shlex.split(line)[1:]
        assert main([*words, *(["--target", target] if words[0] == "compile" else [])]) == 0


def use() -> None:
    """Open a session with the package as the guide's configuration says, without hardware."""
    models = parse_config(blocks("toml")[1], "guide").models
    with Pipeline(camera="virtual:", config=Config(models=models)) as pipeline:
        assert pipeline.packages == {"face": "my-face"}


@pytest.mark.timeout(300)
def test_the_guide_leads_to_a_package_for_a_jetson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    follow(tmp_path, monkeypatch, "jetson", export=False)
    package = read_package(tmp_path / "models" / "my-face")
    assert {file.target for file in package.files} == {"jetson", ""}
    assert re.search(r"jetson +\S+ .* kept", capsys.readouterr().out)
    use()


@pytest.mark.absent_in_ci("CI has neither PyTorch nor NNCF")
@pytest.mark.timeout(600)
def test_the_guide_leads_to_a_package_for_all_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = [tool for tool in TOOLS if not installed(tool)]
    if missing:
        pytest.skip(f"needs {missing[0]}: pip install 'edge-emo[compile]'")
    follow(tmp_path, monkeypatch, "all", export=True)
    package = read_package(tmp_path / "models" / "my-face")
    assert {file.target for file in package.files} == {"rpi", "jetson", ""}
    use()
