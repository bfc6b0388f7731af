"""Small corpora in their official layouts, by name."""

from __future__ import annotations

from collections.abc import Mapping

from datasets.trees import faces, signals, speech, texts
from datasets.trees.plant import Case

CASES: Mapping[str, Case] = {**speech.CASES, **texts.CASES, **faces.CASES, **signals.CASES}
