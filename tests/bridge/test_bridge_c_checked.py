"""The C tests again, under AddressSanitizer and UndefinedBehaviorSanitizer, with coverage."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bridge.c_library import OURS, SOURCE, missing

HERE = Path(__file__).parent
TESTS = ("test_bridge_vectors.py", "test_bridge_c_device.py")


@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
@pytest.mark.skipif("EDGE_EMO_C_CHECK" in os.environ, reason="runs inside itself")
def test_the_c_tests_touch_every_line_and_no_wrong_byte(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    asan = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = os.environ | {
        "EDGE_EMO_C_CHECK": str(tmp_path),
        "LD_PRELOAD": asan,
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         *(str(HERE / name) for name in TESTS)],
        env=environment, capture_output=True, text=True, timeout=100, cwd=HERE.parents[1],
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    for name in OURS:
        share, lines = covered(name, tmp_path)
        tell(f"{name}: {share} % of {lines} lines run under sanitizers")
        assert share == 100.0, name


def covered(name: str, folder: Path) -> tuple[float, int]:
    """Return the share of lines that ran, in percent, and how many there are."""
    if shutil.which("gcov") is None:
        pytest.skip("needs gcov: sudo apt-get install gcc")
    told = subprocess.run(
        ["gcov", "-o", str(folder), str(SOURCE / name)],
        capture_output=True, text=True, check=True, cwd=folder,
    ).stdout  # fmt: skip
    found = re.search(rf"File '[^']*{name}'\nLines executed:([\d.]+)% of (\d+)", told)
    assert found, told
    return float(found[1]), int(found[2])
