"""Estimates of expressed and felt emotion, computed on the device.

Importing this package loads no vendor package and not even NumPy; names are resolved when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edge_emo import errors as errors
from edge_emo.errors import EdgeEmoError as EdgeEmoError
from edge_emo.version import __version__ as __version__

if TYPE_CHECKING:
    from edge_emo.config import Config as Config
    from edge_emo.pipeline import Pipeline as Pipeline
    from edge_emo.types import CATEGORIES as CATEGORIES
    from edge_emo.types import Affect as Affect
    from edge_emo.types import Chunk as Chunk
    from edge_emo.types import EmotionState as EmotionState
    from edge_emo.types import Face as Face
    from edge_emo.types import Posterior as Posterior
    from edge_emo.types import Prediction as Prediction

_HOME = {
    "Config": "edge_emo.config",
    "Pipeline": "edge_emo.pipeline",
    "CATEGORIES": "edge_emo.types",
    "Affect": "edge_emo.types",
    "Chunk": "edge_emo.types",
    "EmotionState": "edge_emo.types",
    "Face": "edge_emo.types",
    "Posterior": "edge_emo.types",
    "Prediction": "edge_emo.types",
}

__all__ = ["EdgeEmoError", "__version__", "errors", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'edge_emo' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
