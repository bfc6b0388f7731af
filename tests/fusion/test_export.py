"""The heads as ONNX and LiteRT, complex numbers as real 2 × 2 blocks, give the same posteriors."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from fusion.votes import random_unitary

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SKIP = "pip install 'edge-emo[compile]'"
NEEDED = ("torch", "onnxscript", "onnxruntime", "litert_torch")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.absent_in_ci("PyTorch and its exporters"),
    pytest.mark.skipif(bool(MISSING), reason=SKIP),
]
sys.path += [str(TOOLS), str(TOOLS / "train")]


@pytest.mark.parametrize("method", ["channel", "quantum"])
def test_exported_heads_agree_with_the_pools_on_any_subset(method: str, tmp_path: Path) -> None:
    import export_fusion  # a script of tools/

    gaps = export_fusion.compared(method, export_fusion.write(method, tmp_path), count=40)
    assert set(gaps) == {f"{method}.onnx", f"{method}.tflite"}
    assert max(gaps.values()) < 1e-4


def test_a_modality_that_does_not_vote_changes_nothing() -> None:
    import export_fusion
    import torch
    from fusion_study import modules

    from edge_emo.fusion.heads import read_heads

    for method, make in modules.MODULES.items():
        module = make(read_heads()).eval()
        rows, exponents = modules.inputs(read_heads(), method, export_fusion.random_votes(3))
        silent = np.flatnonzero(exponents[0] == 0.0)
        other = rows.copy()
        other[0, silent] = np.eye(7)[0]
        one, two = (module(torch.from_numpy(r), torch.from_numpy(exponents)) for r in (rows, other))
        assert silent.size
        assert torch.allclose(one, two, atol=1e-6)


def test_blocks_multiply_as_complex_numbers_do() -> None:
    from fusion_study.modules import blocks

    one, other = random_unitary(0, 6), random_unitary(1, 6)
    assert np.allclose(blocks(one) @ blocks(other), blocks(one @ other))
    assert np.allclose(blocks(one).T, blocks(one.conj().T))
