"""The training scripts, which import their neighbours by their bare names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools" / "train"


@contextmanager
def training(*names: str) -> Iterator[SimpleNamespace]:
    """Give modules of ``tools/train`` by their names, while they may import their neighbours."""
    sys.path.insert(0, str(TOOLS))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(TOOLS))


def has_torch() -> bool:
    """Tell whether what needs PyTorch can be tested here."""
    return importlib.util.find_spec("torch") is not None


def need_torch() -> None:
    """Skip the test where there is no PyTorch."""
    if not has_torch():
        pytest.skip("needs torch: pip install 'edge-emo[train,compile]'")


def tools_of(*names: str) -> Any:
    """Return the fixture ``tools``: modules of ``tools/train``, where PyTorch is.

    A test module says ``tools = tools_of("voice_net")``.
    """

    @pytest.fixture(name="tools")
    def fixture() -> Iterator[SimpleNamespace]:
        need_torch()
        with training(*names) as modules:
            yield modules

    return fixture
