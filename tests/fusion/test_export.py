"""The heads as ONNX and LiteRT, complex numbers as real 2 × 2 blocks, give the same posteriors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from fusion.votes import random_unitary, to_vote

from edge_emo.fusion.base import Vote
from edge_emo.fusion.channel import ChannelPool
from edge_emo.fusion.heads import read_heads, strength
from edge_emo.fusion.quantum import QuantumPool
from edge_emo.types import Posterior

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SKIP = "pip install 'edge-emo[compile]'"
torch = pytest.importorskip("torch", reason=SKIP)
pytest.importorskip("onnxscript", reason=SKIP)
pytest.importorskip("onnxruntime", reason=SKIP)
sys.path += [str(TOOLS), str(TOOLS / "train")]

import export  # noqa: E402  # a script of tools/train
from fusion_study.modules import ChannelModule, QuantumModule, blocks  # noqa: E402

HEADS = read_heads()
LABELS = tuple(HEADS["labels"])
CASES = {"quantum": (QuantumModule, QuantumPool), "channel": (ChannelModule, ChannelPool)}


def cast(random: np.random.Generator, number: int) -> list[Vote]:
    """Votes of voice and face, now and then one that is all on one label."""
    result = []
    for modality in ("voice", "face"):
        row = random.dirichlet([0.3] * len(LABELS))
        if modality == "voice" and number % 4 == 0:
            row = np.eye(len(LABELS))[number % len(LABELS)]
        posterior = Posterior(LABELS, tuple(np.clip(row, 0.0, 1.0).tolist()))
        result.append(to_vote(posterior, random.uniform(0.05, 1.0), modality))  # type: ignore[arg-type]
    return result


def inputs(method: str, votes: list[Vote]) -> tuple[np.ndarray, np.ndarray]:
    rows = [vote.prediction.posterior.probabilities for vote in votes]  # type: ignore[union-attr]
    exponents = strength(HEADS, method).exponents(votes, [vote.weight for vote in votes])
    return np.array([rows], np.float32), np.array([exponents], np.float32)


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> tuple[object, list[tuple[np.ndarray, ...]], list]:  # type: ignore[type-arg]
    random = np.random.default_rng(0)
    votes = [cast(random, number) for number in range(20)]
    make, pool = CASES[request.param]
    reference = [np.log([pool(HEADS).pool(one).probabilities]) for one in votes]
    return make(HEADS).eval(), [inputs(request.param, one) for one in votes], reference


def test_onnx_agrees_with_the_pool(case, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    module, samples, reference = case
    path = tmp_path / "head.onnx"
    torch.onnx.export(
        module, tuple(map(torch.from_numpy, samples[0])), path, dynamo=True, opset_version=18,
        external_data=False, input_names=["shares", "exponents"], output_names=["logits"],
        verbose=False,
    )  # fmt: skip
    found = export.compare(reference, export.run_onnx(path, samples), path.name)
    assert found["posterior_difference"] < 1e-4


def test_litert_agrees_with_the_pool(case, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("litert_torch", reason=SKIP)
    module, samples, reference = case
    path = tmp_path / "head.tflite"
    export.write_tflite(module, tuple(map(torch.from_numpy, samples[0])), path)
    found = export.compare(reference, export.run_tflite(path, samples), path.name)
    assert found["posterior_difference"] < 1e-4


def test_blocks_multiply_as_complex_numbers_do() -> None:
    one, other = random_unitary(0, 6), random_unitary(1, 6)
    assert np.allclose(blocks(one) @ blocks(other), blocks(one @ other))
    assert np.allclose(blocks(one).T, blocks(one.conj().T))
