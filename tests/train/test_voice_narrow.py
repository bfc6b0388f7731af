"""A narrower voice network keeps the channels that count, and says the same where others do not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.train_tools import tools_of

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("voice_narrow", "voice_net")


@pytest.mark.parametrize(("elder", "parts"), [(False, 3), (True, 2)])
def test_channels_that_nothing_reads_can_go(
    tools: SimpleNamespace, elder: bool, parts: int
) -> None:
    import torch

    torch.manual_seed(3)
    net = tools.voice_net.VoiceNet(elder=elder).eval().double()
    windows = torch.randn(4, 1, 298, 64).double()
    unread_fourth, unread_fifth = torch.arange(0, 112, 4), torch.arange(0, 144, 3)
    pooled = torch.cat([unread_fifth + part * 144 for part in range(parts)])
    with torch.no_grad():
        for conv in (net.body[9].conv[0], net.body[10][0]):
            conv.weight[:, unread_fourth] = 0
        for reader in (net.body[12].conv[0], net.score):
            reader.weight[:, unread_fifth] = 0
        for head in (net.emotion, net.affect, net.kind):
            head.weight[:, pooled] = 0
        net.body[12].conv[1].bias.fill_(1.0)  # so that no channel that is read stands still
    state = tools.voice_narrow.narrowed(net, windows, 112 - 28, 144 - 48)
    narrow = tools.voice_net.VoiceNet.of(state).eval().double()
    assert (len(state["body.7.0.weight"]), len(state["body.10.0.weight"])) == (84, 96)
    for mine, wide in zip(narrow(windows), net(windows), strict=True):
        torch.testing.assert_close(mine, wide)


@pytest.mark.parametrize(("channels", "message"), [((80, 98), "98 cannot be shared by 4"),
                                                   ((200, 96), "200 of 112")])  # fmt: skip
def test_channels_that_cannot_be_are_refused(
    tools: SimpleNamespace, channels: tuple[int, int], message: str
) -> None:
    import torch

    net = tools.voice_net.VoiceNet().eval()
    with pytest.raises(SystemExit, match=message):
        tools.voice_narrow.narrowed(net, torch.randn(2, 1, 298, 64), *channels)
