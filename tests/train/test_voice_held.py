"""Windows that a processor keeps stay with their clips, whoever made them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.train_tools import tools_of

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("voice_held")


def fill(held: object, *firsts: int) -> None:
    """Add windows that tell the number of their clip, three at a time."""
    import torch

    for first in firsts:
        rows = torch.arange(first, first + 3)
        held.add(rows, rows[:, None].float() / 4)  # type: ignore[attr-defined]


def test_the_newest_windows_stay_with_their_clips(tools: SimpleNamespace) -> None:
    held = tools.voice_held.Held(5)
    fill(held, 0, 3, 6)
    rows, windows = held.draw(10)
    assert len(held) == 5
    assert sorted(rows.tolist()) == sorted([4, 5, 6, 7, 8] * 2)
    assert windows[:, 0].float().tolist() == (rows / 4).tolist()
    assert sorted(held.draw(5)[0].tolist()) == [4, 5, 6, 7, 8]


def test_windows_made_before_are_drawn_beside_new_ones(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    rows = torch.tensor([20, 21])
    made = tools.voice_held.open_made(tmp_path / "made", rows, (1,))
    made[:] = rows.numpy()[:, None] / 4
    made.flush()
    tools.voice_held.finish(tmp_path / "made", ["a", "b"])
    held = tools.voice_held.Held(3, [tools.voice_held.Made(tmp_path / "made", ["a", "b"])] * 2)
    fill(held, 0, 3)
    rows, windows = held.draw(7)
    assert sorted(rows.tolist()) == [3, 4, 5, 20, 20, 21, 21]
    assert windows[:, 0].float().tolist() == (rows / 4).tolist()


def test_windows_of_other_clips_or_unfinished_ones_are_refused(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    tools.voice_held.open_made(tmp_path / "made", torch.tensor([0]), (1,)).flush()
    with pytest.raises(SystemExit, match="not finished"):
        tools.voice_held.Made(tmp_path / "made", ["a", "b"])
    tools.voice_held.finish(tmp_path / "made", ["a", "b"])
    with pytest.raises(SystemExit, match="windows of other clips; make them again"):
        tools.voice_held.Made(tmp_path / "made", ["a", "c"])
