"""A run goes on from a stem that met nobody whom it holds out, and from no other."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.train_tools import tools_of

NAMES = [
    *(f"emodb/wav/{s}a01{e}a" for s in ("03", "08", "09", "10", "11", "12") for e in "WLN"),
    *(f"ravdess/Actor_{s:02d}/03-01-05-01-01-01-{s:02d}" for s in range(1, 21)),
    *(f"nemo/samples/{s}_anger_1" for s in ("AA0", "BB1", "MP0", "SS0", "TT1")),
    *(f"ased/05Anger/a1-01-01-01-{s:02d}" for s in range(1, 20)),
    *(f"noise/esc10_rain_1-{n}-A" for n in range(4)),
]

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("voice_corpora", "voice_net", "voice_start", "voice_learn")


def stems(
    tools: SimpleNamespace, folder: Path, names: tuple[str, ...], **words: object
) -> list[object]:
    """Write stems that learned nothing as a fit does, and read them."""
    import torch

    sounds = tools.voice_corpora.read_sounds(NAMES)
    runs = {}
    for place, name in enumerate(names):
        hidden = tools.voice_corpora.held_out(name, sounds)
        state = tools.voice_net.VoiceNet().state_dict()
        state["emotion.bias"] = torch.full((7,), float(place))
        who = sorted({f"{s.corpus}/{s.speaker}" for s in sounds if s.name in hidden})
        runs[name] = {"state": state, "held_out": who, "steps": 10 + place}
    torch.save({"runs": runs, "words": json.dumps(words)}, folder / "stems.pt")
    return tools.voice_start.read_stems([folder / "stems.pt"])


def test_every_kept_run_has_a_stem_that_met_nobody_it_holds_out(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    corpora = tools.voice_corpora
    sounds = corpora.read_sounds(NAMES)
    found = stems(tools, tmp_path, corpora.STEMS)
    chosen = {}
    for name in corpora.run_names():
        if not name.startswith("commercial"):
            run = tools.voice_learn.Run(name, sounds, torch.device("cpu"), 4, stems=found)
            stem = next(s for s in found if f"{s.name}, {s.steps} steps" == run.stem)
            chosen[name] = stem.name
            assert stem.held_out >= set(run.held_out)
            assert float(run.average.emotion.bias.detach()[0]) == found.index(stem)
    assert [chosen[f"fold{k}"] for k in range(8)] == ["half0"] * 4 + ["half1"] * 4
    assert chosen["without-nemo"] == chosen["without-ased"] == "without-nemo-ased"


def test_a_stem_that_met_somebody_is_refused(tools: SimpleNamespace, tmp_path: Path) -> None:
    found = stems(tools, tmp_path, ("half1",))
    with pytest.raises(SystemExit, match="fold0: every stem has met"):
        tools.voice_start.start_of("fold0", ["emodb/09", "emodb/11"], found)


def test_what_a_stem_met_all_the_same_is_not_held_out(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    folds = {"device": "a large one", "noise": "Other takes.", "folds": [{"split": "emodb"}]}
    (stem,) = stems(tools, tmp_path, ("half0",), **folds)
    noise = {who for who in stem.held_out if who.startswith("noise/")}
    given = tools.voice_start.Stem(
        stem.name, stem.steps, stem.held_out - noise, stem.state, stem.folds
    )
    sounds = tools.voice_corpora.read_sounds(NAMES)
    with pytest.raises(SystemExit, match="every stem has met"):
        tools.voice_learn.Run("fold0", sounds, torch.device("cpu"), 4, stems=[given])
    run = tools.voice_learn.Run(
        "fold0", sounds, torch.device("cpu"), 4, stems=[given], met=["noise"]
    )
    assert noise
    assert not noise & set(run.held_out)
    assert "emodb/03" in run.held_out
    assert run.folds == folds
    assert tools.voice_start.folds_of({"before": run.folds, "device": "cpu"}) == folds
