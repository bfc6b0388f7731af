"""The page of ``model.toml`` lists the keys of the code and of every shipped package."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from edge_emo.manifest import values
from edge_emo.manifest.values import DetectionMetrics, ModelFile, ReferenceMetrics, TensorSpec
from edge_emo.types import MODALITIES
from edge_emo.vendor import toml

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "reference" / "model-package.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([\w.]+)` \| .+ \|$", re.MULTILINE)
TABLES = ("licence", "calibration", "dimensions", "fusion")
LISTS = {"inputs": "Tensors", "outputs": "Tensors", "files": "Files", "metrics": "Figures"}


def keys(heading: str) -> set[str]:
    return set(ROW.findall(TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]))


def used(manifest: dict[str, Any]) -> set[str]:
    """Names of top-level keys and of those one table below, lists of tables aside."""
    found = {f"{table}.{key}" for table in TABLES for key in manifest.get(table, ())}
    return found | (manifest.keys() - {*TABLES, *LISTS})


def fields(*kinds: type) -> set[str]:
    return {field.name for kind in kinds for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("models/*/model.toml")), ids=lambda p: p.parent.name
)
def test_keys_of_a_shipped_package_are_listed(path: Path) -> None:
    manifest = toml().loads(path.read_text(encoding="utf-8"))
    assert used(manifest) <= keys("The package") | keys("Tables")
    for name, heading in LISTS.items():
        assert all(row.keys() <= keys(heading) for row in manifest.get(name, ()))


def test_keys_of_lists_are_those_that_are_read() -> None:
    assert keys("Tensors") == fields(TensorSpec)
    assert keys("Files") == fields(ModelFile)
    assert keys("Figures") == fields(ReferenceMetrics, DetectionMetrics)


def test_every_word_that_is_allowed_is_listed() -> None:
    words = (*values.FORMATS, *values.PRECISIONS, *values.TARGETS, *values.TASKS)
    words += (*values.DTYPES, *values.DIMENSIONS, *values.COVERABLE, *MODALITIES)
    assert [word for word in words if f"`{word}`" not in TEXT] == []
