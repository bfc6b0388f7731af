"""The pipeline: from addresses to a stream of emotion states."""

from __future__ import annotations

from edge_emo.pipeline.pipeline import Pipeline as Pipeline

__all__ = ["Pipeline"]
