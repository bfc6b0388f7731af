"""The portrait of the demonstration, where matplotlib comes without its sample data."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

from edge_emo.demo import portrait
from edge_emo.errors import UnavailableError


def test_a_matplotlib_without_sample_data_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "matplotlib" / "__init__.py")
    spec = importlib.machinery.ModuleSpec("matplotlib", None, origin=place)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(UnavailableError, match=r"no /.*/grace_hopper\.jpg") as raised:
        portrait()
    assert raised.value.hint == "pip install --ignore-installed matplotlib"
