"""Builds the emulated machine, renews the lock of its wheels, or runs a command in it.

python -m tools.vm build
python -m tools.vm lock
python -m tools.vm run 'python3 -m edge_emo doctor'
python -m tools.vm run --board raspi3b 'cat /proc/device-tree/model'
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.vm import image, wheels
from tools.vm.machine import RASPI3B, VIRT, Step, run_job

BOARDS = {"virt": VIRT, "raspi3b": RASPI3B}


def main() -> int:
    """Obey the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.vm", description=__doc__)
    parser.add_argument("--folder", type=Path, default=image.DEFAULT_FOLDER)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build")
    verbs.add_parser("lock")
    run = verbs.add_parser("run")
    run.add_argument("--board", choices=BOARDS, default="virt")
    run.add_argument("--seconds", type=float, default=300.0)
    run.add_argument("command")
    arguments = parser.parse_args()
    if arguments.verb == "lock":
        wheels.lock()
        return 0
    reason = image.missing(arguments.folder)
    if reason:
        sys.exit(reason)
    built = image.ensure_image(arguments.folder)
    return _run(built, arguments) if arguments.verb == "run" else 0


def _run(built: image.Image, arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as name:
        wheel = wheels.build_wheel(Path(name) / "dist")
        files = Path(name) / "files"
        wheels.install_wheel(wheel, files / "site")
        steps = {"command": arguments.command}
        done = run_job(built, BOARDS[arguments.board], steps, files, arguments.seconds)
    for step in done.values():
        print(step.out)
        print(step.err, file=sys.stderr)
    return exit_status(done)


def exit_status(done: Mapping[str, Step]) -> int:
    """Return that of the command; 1 when the machine stopped before the command ended."""
    code = done["command"].code if "command" in done else None
    return 1 if code is None else code


if __name__ == "__main__":
    sys.exit(main())
