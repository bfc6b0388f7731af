from __future__ import annotations

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


def test_nothing_after_the_last_step_is_read() -> None:
    steps = read_steps(["@@begin one\n", "@@end 3\n", "@@done\n", "@@begin two\n"])
    assert steps == {"one": Step(3, "", "")}


def test_a_machine_that_never_starts_says_so() -> None:
    (step,) = read_steps(["no bootable device\n"]).values()
    assert step == Step(None, "", "no bootable device")
