"""A voice run learns from whole batches of clips that it may see, alone or beside a teacher."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.train_tools import tools_of

NAMES = [
    *(f"emodb/wav/{s}a01{e}a" for s in ("03", "08", "09") for e in "WLN"),
    *(f"baved/3/{s}-m-23-3-2-105" for s in range(1, 4)),
    *(f"noise/esc10_rain_1-{n}-A" for n in range(4)),
]

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("voice_augment", "voice_corpora", "voice_learn", "voice_fit")


def losses_of(tools: SimpleNamespace, steps: int, teacher: int) -> tuple[list[float], object]:
    """Let a run repeat one batch of windows that tell the category."""
    import torch

    device = torch.device("cpu")
    sounds = tools.voice_corpora.read_sounds(NAMES)
    truth = tools.voice_learn.truth_of(sounds, device)
    run = tools.voice_learn.Run("fold7", sounds, device, batch=len(sounds), teacher=teacher)
    windows = torch.randn(len(sounds), 1, 298, 64, generator=torch.Generator().manual_seed(3))
    windows += truth.category[:, None, None, None]
    return [float(run.step(windows, truth, 3e-3)) for _ in range(steps)], run


@pytest.mark.parametrize("teacher", [0, 1])
def test_a_run_learns(tools: SimpleNamespace, teacher: int) -> None:
    found, run = losses_of(tools, 12, teacher)
    assert sum(found[-3:]) < 0.8 * sum(found[:3])
    assert run.steps == 12


def test_the_same_seed_gives_the_same_weights(tools: SimpleNamespace) -> None:
    import torch

    first, second = (losses_of(tools, 2, 1)[1].average.state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_teacher_alone_teaches_speech_without_a_category(tools: SimpleNamespace) -> None:
    import torch

    learn = tools.voice_learn
    sounds = [s for s in tools.voice_corpora.read_sounds(NAMES) if s.corpus != "emodb"]
    truth = learn.truth_of(sounds, torch.device("cpu"))
    outputs = (
        torch.zeros(len(sounds), 7),
        torch.zeros(len(sounds), 2),
        torch.zeros(len(sounds), 3),
    )
    sure = torch.eye(7)[torch.zeros(len(sounds), dtype=int)]
    gain = learn.losses(outputs, truth, sure) - learn.losses(outputs, truth)
    expected = torch.tensor([learn.TAUGHT if s.corpus == "baved" else 0.0 for s in sounds])
    torch.testing.assert_close(gain, expected * torch.tensor(7.0).log())


def test_batches_are_whole_and_hold_no_clip_of_who_is_held_out(tools: SimpleNamespace) -> None:
    import torch

    sounds = tools.voice_corpora.read_sounds(NAMES)
    run = tools.voice_learn.Run("fold0", sounds, torch.device("cpu"), batch=8)
    rows = torch.arange(len(sounds)).repeat(3)
    hidden = tools.voice_corpora.held_out("fold0", sounds)
    found = tools.voice_fit.batches(run, rows)
    assert {len(some) for some in found} == {8}
    assert hidden
    assert not {sounds[i].name for some in found for i in rows[some]} & hidden
    few = run.allowed.nonzero()[:3, 0]
    assert [len(some) for some in tools.voice_fit.batches(run, few)] == [8]


def test_a_window_shown_again_is_another_of_the_same_kind(tools: SimpleNamespace) -> None:
    import numpy as np
    import torch

    noise = (1000 * np.random.default_rng(2).standard_normal(48240)).astype(np.int16)
    clips = tools.voice_augment.bank([noise], torch.device("cpu"))
    augment = tools.voice_augment.Augment(clips, clips, None, 1)
    walk = torch.randn(3, 1, 298, 64).cumsum(dim=2).cumsum(dim=3)
    windows = (walk - walk.mean()) / walk.std()
    again = augment.again(windows)
    assert again.shape == windows.shape
    torch.testing.assert_close(again.mean(dim=(1, 2, 3)), torch.zeros(3), atol=1e-3, rtol=0)
    pairs = torch.stack([again.flatten(1), windows.flatten(1)], dim=1)
    near = [float(torch.corrcoef(pair)[0, 1]) for pair in pairs]
    assert all(0.3 < r < 0.9999 for r in near), near


def test_a_stretch_of_a_window_is_whole_and_normalised_again(tools: SimpleNamespace) -> None:
    import torch

    windows = torch.randn(6, 1, 298, 64).cumsum(dim=2)
    assert tools.voice_learn.stretch(windows, 298) is windows
    found = tools.voice_learn.stretch(windows, 176)
    assert found.shape == (6, 1, 176, 64)
    torch.testing.assert_close(found.mean(dim=(1, 2, 3)), torch.zeros(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(dim=(1, 2, 3)), torch.ones(6), atol=2e-2, rtol=0)
    wanted = torch.stack([tools.voice_learn.normalised(windows[0, :, k : k + 176])[0]
                          for k in range(123)])  # fmt: skip
    assert (wanted - found[0]).abs().amax(dim=(1, 2)).min() < 1e-4
