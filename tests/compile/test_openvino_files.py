"""Files for OpenVINO are written without a report to its maker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compile.networks import convolution, write_model

QUIET = """
import os, sys
from pathlib import Path

told = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "openvino":
            told.append(os.environ.get("CI"))

def offline(event, arguments):
    assert event not in ("socket.connect", "socket.getaddrinfo"), event

sys.meta_path.insert(0, Watch())
sys.addaudithook(offline)
from edge_emo.compile.openvino import write_float

write_float(Path(sys.argv[1]), Path(sys.argv[2]))
assert told
assert set(told) == {"true"}
"""


def test_the_converter_is_told_to_send_nothing_before_it_is_imported(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="needs openvino: pip install 'edge-emo[openvino]'")
    source = write_model(tmp_path / "source", convolution(), (1, 1, 8, 8), "NCHW")
    home = {key: value for key, value in os.environ.items() if key != "CI"}
    command = [sys.executable, "-c", QUIET, str(source), str(tmp_path / "model.xml")]
    subprocess.run(command, env={**home, "HOME": str(tmp_path)}, check=True)
    assert (tmp_path / "model.bin").exists()
