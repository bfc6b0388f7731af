"""The benchmarks that are run from a checkout, without what they measure."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))

import bench_cold  # a script of tools/


def test_checkouts_of_one_name_have_caches_of_their_own(tmp_path: Path) -> None:
    roots = [tmp_path / "before" / "edge_emo", tmp_path / "now" / "edge_emo"]
    assert len(set(bench_cold.caches(roots, tmp_path))) == 2
