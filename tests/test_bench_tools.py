"""The benchmarks that are run from a checkout, without what they measure."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))

import bench_cold  # a script of tools/
from processor import processor


def test_checkouts_of_one_name_have_caches_of_their_own(tmp_path: Path) -> None:
    roots = [tmp_path / "before" / "edge_emo", tmp_path / "now" / "edge_emo"]
    assert len(set(bench_cold.caches(roots, tmp_path))) == 2


def test_the_processor_is_named_where_the_system_tells_it(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    assert processor(told) == platform.machine()
    told.write_text("processor\t: 0\nmodel name\t: A: fast one\nmodel name\t: A: fast one\n")
    assert processor(told) == "A: fast one"
