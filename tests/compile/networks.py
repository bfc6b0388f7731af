"""Small networks as ONNX, and packages around them, for the tests of the compiler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edge_emo.compile import Data, compile_package
from tests.fakes.manifests import estimator_manifest, tensor

LABELS = ("rest", "load")


def model_bytes(
    nodes: Sequence[Any],
    weights: Mapping[str, Any],
    shape: Sequence[int | str],
    *,
    opset: int = 18,
    outputs: Mapping[str, Sequence[int]] | None = None,
) -> bytes:
    """Return a network from ``features`` to ``logits``."""
    given = outputs or {"logits": (1, 2)}
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in given.items()],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("com.mine", 1)]
    used = sets if any(node.domain for node in nodes) else sets[:1]
    model = helper.make_model(graph, opset_imports=used, ir_version=10)
    return bytes(model.SerializeToString())


def dense(size: int = 16, hidden: int = 4096, seed: int = 0) -> bytes:
    """Return two layers that tell the sign of the first feature."""
    rng = np.random.default_rng(seed)
    first = rng.normal(0, 0.2, (hidden, size)).astype(np.float32)
    first[:, 0] = np.sign(first[:, 0])
    second = np.stack([-np.sign(first[:, 0]), np.sign(first[:, 0])]).astype(np.float32) / hidden
    return model_bytes(
        [
            helper.make_node("Gemm", ["features", "w1", "b1"], ["h"], transB=1),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "w2", "b2"], ["logits"], transB=1),
        ],
        {
            "w1": first,
            "b1": np.zeros(hidden, np.float32),
            "w2": second,
            "b2": np.zeros(2, np.float32),
        },
        (1, size),
    )


def dimensional(hidden: int = 1024) -> bytes:
    """Return two layers whose second also gives valence and arousal, by another name."""
    rng = np.random.default_rng(0)
    weights = {
        "scale": np.ones(16),
        "w1": rng.normal(0, 0.2, (hidden, 16)),
        "w2": rng.normal(0, 0.2, (2, hidden)),
        "w3": rng.normal(0, 0.02, (2, hidden)) * np.array([[1.0], [0.1]]),
    }
    return model_bytes(
        [
            helper.make_node("Mul", ["features", "scale"], ["f"]),
            helper.make_node("Gemm", ["f", "w1"], ["h"], transB=1),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "w2"], ["logits"], transB=1),
            helper.make_node("Gemm", ["r", "w3"], ["a"], transB=1),
            helper.make_node("Tanh", ["a"], ["others"]),
        ],
        {name: value.astype(np.float32) for name, value in weights.items()},
        (1, 16),
        outputs={"logits": (1, 2), "others": (1, 2)},
    )


def linear(shape: tuple[int | str, ...] = (1, 16), op: str = "Gemm", **attributes: Any) -> bytes:
    """Return one layer that adds all features up, twice."""
    node = helper.make_node(op, ["features", "w"], ["logits"], **attributes)
    return model_bytes([node], {"w": np.ones((16, 2), np.float32)}, shape)


def convolution(seed: int = 0) -> bytes:
    """Return convolutions on a picture of 8 by 8, with a mean as opset 18 writes it."""
    rng = np.random.default_rng(seed)
    return model_bytes(
        [
            helper.make_node("Conv", ["features", "w1", "b1"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node(
                "Conv", ["r", "w2"], ["d"], group=32, strides=[2, 2], pads=[0, 0, 1, 1]
            ),
            helper.make_node("Elu", ["d"], ["e"]),
            helper.make_node(
                "ReduceMean", ["e", "axes"], ["m"], keepdims=0, noop_with_empty_axes=0
            ),
            helper.make_node("Gemm", ["m", "w3", "b3"], ["logits"], transB=1),
        ],
        {
            "w1": rng.normal(0, 0.4, (32, 1, 3, 3)).astype(np.float32),
            "b1": np.zeros(32, np.float32),
            "w2": rng.normal(0, 0.4, (32, 1, 3, 3)).astype(np.float32),
            "axes": np.array([2, 3]),
            "w3": rng.normal(0, 0.4, (2, 32)).astype(np.float32),
            "b3": np.zeros(2, np.float32),
        },
        (1, 1, 8, 8),
    )  # fmt: skip


def write_model(
    folder: Path,
    content: bytes,
    shape: Sequence[int] = (1, 16),
    layout: str = "NC",
    name: str = "mine",
    temperature: float = 1.0,
    dimensions: Sequence[str] = (),
) -> Path:
    """Write an ONNX file with its manifest beside it; return the file.

    Where ``dimensions`` are named, its output ``affect`` gives them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    affect = [tensor("affect", (1, len(dimensions)), "NC", labels=dimensions)] if dimensions else []
    text = estimator_manifest(
        name,
        "eeg",
        inputs=[tensor("features", shape, layout)],
        outputs=[tensor("logits", (1, 2), "NC", labels=LABELS), *affect],
        calibration={"temperature": temperature},
        dimensions={"source": "model" if dimensions else "mapping"},
    )
    (folder / "model.toml").write_text(text, encoding="utf-8")
    path = folder / "net.onnx"
    path.write_bytes(content)
    return path


def write_data(path: Path, shape: Sequence[int], n: int, seed: int, noise: float = 0.1) -> Path:
    """Write inputs whose label is the sign of their first number, some labels turned."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, *shape[1:])).astype(np.float32)
    truth = (features.reshape(n, -1)[:, 0] > 0) ^ (rng.random(n) < noise)
    labels = np.array(LABELS)[truth.astype(int)]
    np.savez(path, features=features, labels=labels)
    return path


def compile_for(model: Path, out: Path, data: Mapping[str, Path], **more: Any) -> Any:
    """Compile for a Jetson with int8, unless ``more`` says otherwise."""
    return compile_package(
        str(model),
        more.pop("targets", ["jetson"]),
        validation=Data(more.pop("judged", data["judged"])),
        calibration=Data(more.pop("seen", data["seen"])),
        out=out,
        kinds=more.pop("kinds", ["int8"]),
        **more,
    )
