"""The voice network of two parts, and how the expert on functionals is trained."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_emo.features.voice_functionals import SIZE
from edge_emo.types import CATEGORIES
from tests.train_tools import tools_of

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("voice_corpora", "voice_expert", "voice_learn", "voice_net", "voice_package")


def test_the_logits_are_a_weighted_mean_of_some_rows(tools: SimpleNamespace) -> None:
    import torch

    net = tools.voice_net
    pair, expert = [net.VoiceNet().eval(), net.VoiceNet().eval()], net.FunctionalNet().eval()
    window, values = torch.randn(2, 1, 298, 64), torch.randn(2, SIZE)
    first, second = (one(window) for one in pair)
    beside = expert(values)
    joined = net.Joined(pair, expert, CATEGORIES[:-1]).eval()
    found, affect, kind = joined(window, values)
    wanted = (1 - net.EXPERT) * (first[0] + second[0]) / 2 + net.EXPERT * beside
    torch.testing.assert_close(found, wanted[:, :-1])
    torch.testing.assert_close(affect, (first[1] + second[1]) / 2)
    torch.testing.assert_close(kind, (first[2] + second[2]) / 2)
    assert joined.reads == 2


def test_convolutions_alone_read_the_window_alone(tools: SimpleNamespace) -> None:
    import torch

    pair = [tools.voice_net.VoiceNet(elder=elder).eval() for elder in (True, False)]
    window = torch.randn(2, 1, 298, 64)
    first, second = (one(window)[0] for one in pair)
    joined = tools.voice_net.Joined(pair, None, CATEGORIES).eval()
    torch.testing.assert_close(joined(window)[0], (first + second) / 2)
    assert joined.reads == 1


@pytest.mark.parametrize("expert", [True, False])
def test_a_part_alone_says_what_it_said_before_it_was_joined(
    tools: SimpleNamespace, expert: bool
) -> None:
    import torch

    net = tools.voice_net
    pair, beside = [net.VoiceNet().eval(), net.VoiceNet().eval()], net.FunctionalNet().eval()
    window, values = torch.randn(2, 1, 298, 64), torch.randn(2, SIZE)
    wanted = [*(one(window) for one in pair), (beside(values), None, None)]
    joined = net.Joined(pair, beside if expert else None, CATEGORIES).eval()
    given = (window, values) if expert else (window,)
    for part in (0, 1, None) if expert else (0, 1):
        alone = net.Alone(joined, part).eval()
        found, said = alone(*given), wanted[2 if part is None else part]
        torch.testing.assert_close(found[0], said[0])
        if part is not None:
            torch.testing.assert_close(found[1:], said[1:])
        assert alone.reads == joined.reads


def test_a_run_of_two_folders_held_out_whom_no_part_met(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    def entry(net: torch.nn.Module, *held_out: str) -> dict[str, object]:
        state = net.state_dict()
        return {"state": state, "held_out": list(held_out), "clips": 1, "steps": 1, "stem": ""}

    net = tools.voice_net
    folders = [tmp_path / "one", tmp_path / "two"]
    words = json.dumps({"options": {"batch": 4}})
    for folder, people in zip(folders, (("a/1", "a/2"), ("a/2", "a/3")), strict=True):
        folder.mkdir()
        runs = {"fold0": entry(net.VoiceNet(), *people)}
        torch.save({"runs": runs, "words": words}, folder / "voice-a.pt")
    runs = {"fold0": entry(net.FunctionalNet(16), "a/1", "a/2", "a/3")}
    torch.save({"runs": runs, "words": json.dumps("told")}, folders[0] / "expert-fold0.pt")
    found = tools.voice_package.read_run(folders, "fold0")
    assert found.held_out == {"a/2"}
    assert (len(found.net.convolutions), found.expert) == (2, "told")
    assert found.net.expert.emotion.in_features == 16
    assert [part["options"]["batch"] for part in found.parts] == [4, 4]
    without = tools.voice_package.read_run(folders[::-1], "fold0")
    assert (without.net.reads, without.expert) == (1, "")
    torch.save({"runs": {}, "words": json.dumps("told")}, folders[1] / "expert-fold1.pt")
    with pytest.raises(SystemExit, match="0 of expert"):
        tools.voice_package.read_run(folders[::-1], "fold0")


def test_features_of_any_scale_are_brought_to_one(tools: SimpleNamespace) -> None:
    import torch

    net = tools.voice_net.FunctionalNet().eval()
    values = torch.randn(64, SIZE)
    plain = net(values)
    net.mean.fill_(5.0)
    net.scale.fill_(0.01)
    torch.testing.assert_close(net(values * 100 + 5), plain, atol=1e-3, rtol=1e-3)
    assert torch.isfinite(net(torch.full((1, SIZE), 1e9))).all()


def test_an_expert_learns_from_clips_that_it_may_see_alone(
    tools: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    expert = tools.voice_expert
    monkeypatch.setattr(expert, "STEPS", 60)
    names = [f"emodb/wav/{s}a01{e}a" for s in ("03", "08") for e in "WLEAFTN"]
    sounds = tools.voice_corpora.read_sounds(names)
    truth = tools.voice_learn.truth_of(sounds, torch.device("cpu"))
    allowed, people = expert.allowed_of("research", sounds)
    assert people == ["emodb/03"]
    rows = torch.arange(len(sounds)).repeat(40)
    torch.manual_seed(0)
    source = object.__new__(expert.Source)
    source.rows = rows
    source._values = torch.randn(len(rows), SIZE) + 3 * torch.eye(7, SIZE)[truth.category[rows]]
    some = source.some(allowed)
    assert {sounds[i].speaker for i in some[0].tolist()} == {"08"}
    net, _ = expert.train([some, some], truth)
    told = net(some[1]).argmax(dim=1)
    assert (told == truth.category[some[0]]).float().mean() > 0.9


@pytest.mark.parametrize("form", ["later", "elder"])
def test_a_network_of_either_form_is_known_by_its_weights(
    tools: SimpleNamespace, form: str
) -> None:
    import torch

    begun = tools.voice_net.VoiceNet.begun(form).eval()
    window = torch.randn(2, 1, 298, 64)
    read = tools.voice_net.VoiceNet.of(begun.state_dict()).eval()
    torch.testing.assert_close(read(window), begun(window))
    assert begun.seen(window).shape[1] == (1 if form == "elder" else 2)
