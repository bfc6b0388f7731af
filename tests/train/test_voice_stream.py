"""The stream of training windows: what may be used, and a share as the device cuts them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from edge_emo.features.audio import MelSpec, log_mel, window_tensor
from tests.estimators.test_voice import babble
from tests.train_tools import need_torch, training

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")
NAMES = [
    *(f"emodb/wav/{s}a01{e}a" for s in ("08", "09") for e in "WLN"),
    *(f"tess/OAF_Fear/OAF_{w}_fear" for w in ("back", "bar")),
    *(f"noise/esc10_rain_1-{n}-A" for n in range(5)),
]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Return the modules, whose cache of sound holds three seconds of babble for each name."""
    need_torch()
    sound = np.tile((32767 * babble(3.0)).astype(np.int16), (len(NAMES), 1))
    with training("voice_corpora", "voice_sound", "voice_stream") as modules:
        monkeypatch.setattr(modules.voice_stream, "MADE", 8)
        monkeypatch.setattr(
            modules.voice_sound,
            "load",
            lambda cache: (sound.ravel(), NAMES, [sound.shape[1]] * len(NAMES)),
        )
        modules.sound = dict(zip(NAMES, sound, strict=True))
        yield modules


def stream(tools: SimpleNamespace, commercial: bool = False, plain: float = 0.0) -> object:
    import torch

    return tools.voice_stream.Stream(None, commercial, torch.device("cpu"), plain=plain)


def test_test_noise_and_other_licences_are_left_out(tools: SimpleNamespace) -> None:
    hidden = tools.voice_corpora.test_noise(tools.voice_corpora.read_sounds(NAMES))
    assert hidden
    for commercial in (False, True):
        names = stream(tools, commercial).names
        assert not hidden & set(names)
        assert any(name.startswith("tess/") for name in names) == (not commercial)
        assert names == [s.name for s in tools.voice_stream.sounds_of(names)]
        assert sum(name.startswith("made/") for name in names) == 8


def test_plain_windows_are_those_that_the_device_cuts(tools: SimpleNamespace) -> None:
    import torch

    found = stream(tools, plain=0.5)
    row = found.names.index("emodb/wav/08a01Wa")
    windows = found.make(torch.full((6,), row))
    spec = MelSpec(bands=64, n_fft=1024)
    own = tools.sound["emodb/wav/08a01Wa"].astype(np.float32) / 32768
    cut = torch.from_numpy(window_tensor(log_mel(own, spec), 298, 13.8))
    near = [float(torch.corrcoef(torch.stack([w.ravel(), cut.ravel()]))[0, 1]) for w in windows]
    assert min(near[:3]) > 0.99
    assert max(near[3:]) < 0.99
