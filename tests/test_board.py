from __future__ import annotations

from pathlib import Path

import pytest

from edge_emo.board import Board, read_board

TREES = {
    "Raspberry Pi 3 Model B": ("raspberrypi,3-model-b", "brcm,bcm2837"),
    "Raspberry Pi 5 Model B Rev 1.0": ("raspberrypi,5-model-b", "brcm,bcm2712"),
    "NVIDIA Jetson Orin Nano Developer Kit": (
        "nvidia,p3768-0000+p3767-0005",
        "nvidia,p3767-0005",
        "nvidia,tegra234",
    ),
    "linux,dummy-virt": ("linux,dummy-virt",),
}
TARGETS = ("rpi", "rpi", "jetson", "rpi")


@pytest.mark.parametrize(("model", "target"), zip(TREES, TARGETS, strict=True))
def test_a_board_is_read_from_its_device_tree(tmp_path: Path, model: str, target: str) -> None:
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    tree.joinpath("model").write_bytes(model.encode() + b"\0")
    tree.joinpath("compatible").write_bytes("\0".join(TREES[model]).encode() + b"\0")
    assert read_board(tmp_path, "aarch64") == Board(model, TREES[model][-1], target)  # type: ignore[arg-type]


def test_a_pc_is_read_from_its_firmware(tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/dmi/id"
    folder.mkdir(parents=True)
    folder.joinpath("sys_vendor").write_text("ACME\n")
    folder.joinpath("product_name").write_text("NUC 12\n")
    assert str(read_board(tmp_path, "x86_64")) == "ACME NUC 12, target openvino"


@pytest.mark.parametrize(("machine", "target"), [("x86_64", "openvino"), ("aarch64", "rpi")])
def test_a_machine_that_says_nothing_has_a_target_still(
    tmp_path: Path, machine: str, target: str
) -> None:
    assert str(read_board(tmp_path, machine)) == f"unnamed machine, target {target}"
