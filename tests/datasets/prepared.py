"""Corpora that several tests prepare."""

from __future__ import annotations

from edge_emo.datasets.clips import Clip


def a_text(name: str, part: str, text: str, **more: object) -> Clip:
    return Clip(name, "text", corpus="own", split=part, text=text, **more)  # type: ignore[arg-type]
