from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.vm.__main__ import exit_status
from tools.vm.image import HERE
from tools.vm.machine import Step, read_steps

CONSOLE = """\
insmod: can't insert '/modules/sdhci-iproc.ko'\r
@@begin doctor\r
@@out ok  system\r
@@out   indented\r
@@err a warning\r
@@end 0\r
@@begin camera\r
@@out half a\r
[   12.345678] Kernel panic\r
"""


def test_a_machine_that_stops_leaves_the_step_without_an_exit_status() -> None:
    steps = read_steps(CONSOLE.splitlines(keepends=True))
    assert steps["doctor"] == Step(0, "ok  system\n  indented", "a warning")
    assert steps["camera"] == Step(None, "half a", "[   12.345678] Kernel panic")


def test_the_kernel_may_speak_before_a_line_ends() -> None:
    steps = read_steps(["@@begin one\n", "@@end 3[   55.026596] sysrq: Power Off\n"])
    assert steps == {"one": Step(3, "", ""), "console": Step(None, "", "")}


def test_nothing_after_the_last_step_is_read() -> None:
    steps = read_steps(["@@begin one\n", "@@end 3\n", "@@done\n", "@@begin two\n"])
    assert steps == {"one": Step(3, "", "")}


def test_a_machine_that_never_starts_says_so() -> None:
    (step,) = read_steps(["no bootable device\n"]).values()
    assert step == Step(None, "", "no bootable device")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_step_ends_whose_last_line_has_no_newline(tmp_path: Path) -> None:
    script = (HERE / "guest/start.sh").read_text(encoding="utf-8")
    loop = script[script.index("while IFS") : script.index("stty onlcr")]
    for folder in ("/tmp/", "/mnt/"):
        loop = loop.replace(f" {folder}", f" {tmp_path}/")
    (tmp_path / "steps").write_text("model\tprintf 'a board'; printf oops >&2\nnext\ttrue\n")
    done = subprocess.run(["bash", "-c", loop], stdout=subprocess.PIPE, text=True, check=True)
    assert read_steps(done.stdout.splitlines(keepends=True)) == {
        "model": Step(0, "a board", "oops"),
        "next": Step(0, "", ""),
    }


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ({"command": Step(0, "", "")}, 0),
        ({"command": Step(7, "", "")}, 7),
        ({"command": Step(None, "", "")}, 1),
        ({"console": Step(None, "", "no bootable device")}, 1),
    ],
)
def test_a_command_that_did_not_end_has_failed(steps: dict[str, Step], status: int) -> None:
    assert exit_status(steps) == status
