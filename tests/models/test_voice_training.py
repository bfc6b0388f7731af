"""What the device computes is what the voice model was trained on; nobody is on two sides."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from edge_emo.features.audio import band_weights, log_mel, taper, window_tensor
from tests.train_tools import has_torch, need_torch, training

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


@pytest.fixture
def tools() -> Iterator[SimpleNamespace]:
    """Give the training modules that can be imported here."""
    names = ["voice_corpora", *(("voice_mel", "voice_augment") if has_torch() else ())]
    with training(*names) as modules:
        yield modules


def tone(seconds: float) -> np.ndarray:
    times_s = np.arange(round(16000 * seconds)) / 16000
    rng = np.random.default_rng(0)
    sound = 0.2 * np.sin(2 * np.pi * (200 + 300 * times_s) * times_s)
    return np.asarray(sound + 0.01 * rng.standard_normal(len(times_s)), np.float32)


def test_batched_frames_are_those_of_the_device(tools: SimpleNamespace) -> None:
    need_torch()
    import torch

    mel = tools.voice_mel
    sound = tone(3.0)[: mel.SAMPLES]
    found = mel.TorchLogMel(torch.device("cpu"))(torch.from_numpy(sound)[None])[0].numpy()
    np.testing.assert_allclose(found, log_mel(sound, mel.SPEC), atol=1e-4)


@pytest.mark.parametrize("count", [3, 98, 200, 298])
def test_batched_windows_are_those_of_the_device(tools: SimpleNamespace, count: int) -> None:
    need_torch()
    import torch

    mel = tools.voice_mel
    frames = log_mel(tone(3.1), mel.SPEC)[:count]
    placed = torch.zeros(1, mel.LENGTH, mel.SPEC.bands)
    placed[0, mel.LENGTH - count :] = torch.from_numpy(frames)
    first, last = torch.tensor([mel.LENGTH - count]), torch.tensor([mel.LENGTH])
    found = mel.normalised(mel.filled(placed, first, last))[0].numpy()
    expected = window_tensor(frames, mel.LENGTH, mel.RANGE_NATS)[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_windows_without_variation_are_those_of_the_device(tools: SimpleNamespace) -> None:
    need_torch()
    import torch

    mel, augment = tools.voice_mel, tools.voice_augment
    whole = np.asarray(tone(3.0)[: mel.SAMPLES + 5] * 32767, np.int16)
    clips = augment.bank([whole], torch.device("cpu"))
    found = augment.Augment(clips, clips, None, 0, amount=0.0)(torch.tensor([0]))[0].numpy()
    frames = log_mel(whole[: mel.SAMPLES].astype(np.float32) / 32768, mel.SPEC)
    expected = window_tensor(frames, mel.LENGTH, mel.RANGE_NATS)[0]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_varied_windows_are_numbers_even_of_silence_and_scraps(tools: SimpleNamespace) -> None:
    need_torch()
    import torch

    augment = tools.voice_augment
    pieces = [
        np.zeros(20000, np.int16),
        np.ones(300, np.int16),
        np.asarray(tone(5) * 9e3, np.int16),
    ]
    clips = augment.bank(pieces, torch.device("cpu"))
    found = augment.Augment(clips, clips, clips, 1)(torch.tensor([0, 1, 2] * 8))
    assert found.shape == (24, 1, 298, 64)
    assert torch.isfinite(found).all()


def test_the_matrix_of_bands_is_what_the_stream_computes(tools: SimpleNamespace) -> None:
    need_torch()
    spec = tools.voice_mel.SPEC
    frame = tone(0.025)[:400]
    power = np.abs(np.fft.rfft((frame - frame.mean()) * taper(spec), spec.n_fft)) ** 2
    np.testing.assert_allclose(
        np.log(power @ band_weights(spec)), log_mel(frame, spec)[0], atol=1e-4
    )


NAMES = [
    *(f"ravdess/Actor_{a:02}/03-01-0{e}-01-01-01-{a:02}" for a in range(1, 21) for e in (1, 2, 5)),
    *(f"emodb/wav/{s}a01{e}a" for s in ("03", "08", "09", "10", "11", "12", "13", "14")
      for e in "WLN"),
    *(f"nemo/samples/{s}_surprised_1" for s in ("AB1", "CD0", "EF0", "MP0")),
    *(f"ased/02Fearful/F2-01-01-02-{s:02}" for s in range(1, 30)),
    "tess/OAF_Pleasant_surprise/OAF_back_ps",
    *(f"baved/3/{s}-m-23-3-2-105" for s in range(1, 20)),
    *(f"emogator/data/mp3/{s:06}-05-1" for s in range(1, 20)),
    *(f"noise/esc10_rain_1-{n}-A" for n in range(10)),
    "noise/esc10_baby_cry_1-1-A",
]  # fmt: skip


def test_names_of_every_corpus_are_read(tools: SimpleNamespace) -> None:
    corpora = tools.voice_corpora
    sounds = {s.name: s for s in corpora.read_sounds([*NAMES, "other/thing"])}
    assert set(sounds) == set(NAMES)
    assert sounds["nemo/samples/MP0_surprised_1"].label == "surprise"
    assert sounds["ased/02Fearful/F2-01-01-02-07"].label == "fear"
    calm = sounds["ravdess/Actor_01/03-01-02-01-01-01-01"]
    assert (calm.category, calm.arousal) == (-1, pytest.approx(-0.24))
    assert sounds["baved/3/7-m-23-3-2-105"].arousal == pytest.approx(0.6)
    kinds = {s.corpus: s.kind for s in sounds.values() if "baby" not in s.name}
    assert (kinds["nemo"], kinds["emogator"], kinds["noise"]) == (0, 1, 2)
    assert sounds["noise/esc10_baby_cry_1-1-A"].kind == -1


def test_every_speaker_is_held_out_once_and_never_half(tools: SimpleNamespace) -> None:
    corpora = tools.voice_corpora
    sounds = corpora.read_sounds(NAMES)
    tested: dict[str, int] = {}
    for run in [f"fold{k}" for k in range(corpora.FOLDS)]:
        hidden = corpora.held_out(run, sounds)
        people = [s for s in sounds if s.corpus not in ("noise", "tess")]
        gone = {(s.corpus, s.speaker) for s in people if s.name in hidden}
        seen = {(s.corpus, s.speaker) for s in people if s.name not in hidden}
        assert not gone & seen
        for corpus, speaker in gone:
            tested[f"{corpus}/{speaker}"] = tested.get(f"{corpus}/{speaker}", 0) + 1
    assert set(tested.values()) == {1}
    assert len(tested) == len(
        {(s.corpus, s.speaker) for s in sounds if s.corpus not in ("noise", "tess")}
    )


def test_a_corpus_left_out_is_out_and_commercial_runs_see_commercial_corpora(
    tools: SimpleNamespace,
) -> None:
    corpora = tools.voice_corpora
    sounds = corpora.read_sounds(NAMES)

    def seen(run: str) -> set[str]:
        hidden = corpora.held_out(run, sounds)
        return {s.corpus for s in sounds if s.name not in hidden}

    assert "nemo" not in seen("without-nemo")
    assert seen("commercial") == {"emodb", "emogator", "noise"}
    assert seen("commercial-fold1") == {"emodb", "emogator", "noise"}
    quiet = corpora.test_noise(sounds)
    assert quiet
    for run in corpora.run_names():
        assert quiet <= corpora.held_out(run, sounds)


def test_all_takes_of_a_recording_of_noise_are_on_one_side(tools: SimpleNamespace) -> None:
    corpora = tools.voice_corpora
    names = [f"noise/esc10_rain_1-{n}-{take}" for n in range(9) for take in "AB"]
    quiet = corpora.test_noise(corpora.read_sounds(names))
    assert quiet == {name for name in names if name[:-2].endswith(("-2", "-6"))}
