"""What an installation takes on the disk, part by part, for this machine or for a 64-bit Arm board.

    python tools/install_size.py rpi
    python tools/install_size.py rpi jetson openvino --board

The wheel is built from this checkout, and it and all that it needs are unpacked into an empty
folder by ``pip install --target``: what a fresh virtual environment holds besides pip and
setuptools. A size is the sum of the files' sizes in MB of 10^6 bytes, with the bytecode that pip
makes unless it is told not to.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.vm.wheels import build_wheel, for_the_board, pip  # noqa: E402

PARTS = 9


def main() -> None:
    """Print a line for each extra and its largest parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("extras", nargs="+", metavar="EXTRA")
    parser.add_argument("--board", action="store_true", help="64-bit Arm instead of this machine")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        wheel = build_wheel(Path(name))
        print(f"wheel of edge_emo: {wheel.stat().st_size / 1e6:.1f} MB")
        for extra in given.extras:
            _install(wheel, extra, site := Path(name) / extra, board=given.board)
            _print(extra, site)


def _install(wheel: Path, extra: str, site: Path, *, board: bool) -> None:
    options = for_the_board(site) if board else ["--target", site, "--only-binary=:all:"]
    pip("install", "--compile", *options, f"{wheel}[{extra}]")


def _print(extra: str, site: Path) -> None:
    sizes = {path: path.stat().st_size for path in site.rglob("*") if path.is_file()}
    bytecode = sum(size for path, size in sizes.items() if path.suffix == ".pyc")
    parts: Counter[str] = Counter()
    for path, size in sizes.items():
        parts[path.relative_to(site).parts[0]] += size
    total = sum(sizes.values())
    print(f"{extra}: {total / 1e6:.1f} MB, of which bytecode {bytecode / 1e6:.1f} MB")
    for part, size in parts.most_common(PARTS):
        print(f"  {size / 1e6:6.1f} MB  {part}")


if __name__ == "__main__":
    main()
