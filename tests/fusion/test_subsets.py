"""The report over every subset of modalities, on answers whose quality is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from fusion.votes import sharp, to_vote

from edge_emo.datasets.clips import Clip
from edge_emo.evaluation.evaluate import Outcome
from edge_emo.types import CATEGORIES, Modality, Posterior

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

import report_subsets as tool  # a script of tools/


def outcome(modality: Modality, label: str, speaker: int, answer: Posterior) -> Outcome:
    clip = Clip(f"{modality}/{label}/{speaker}", modality, speaker=f"p/{speaker}", label=label)
    return Outcome(clip, to_vote(answer, modality=modality).prediction)


def answers(modality: Modality, accuracy: float) -> tool.Cast:
    random = np.random.default_rng(len(modality))
    found: dict[str, list[Outcome]] = {}
    for label in CATEGORIES:
        for speaker in range(20):
            right = random.random() < accuracy
            said = label if right else str(random.choice(CATEGORIES))
            answer = sharp(said, accuracy + (1 - accuracy) / 7)  # as sure as it is right
            found.setdefault(label, []).append(outcome(modality, label, speaker, answer))
    return tool.Cast((accuracy - 1 / 7) / (1 - 1 / 7), found)


def test_every_subset_is_reported_once_and_more_is_likelier() -> None:
    casts = {"face": answers("face", 0.7), "voice": answers("voice", 0.5)}
    rows = tool.report(casts, 350, seed=0)  # type: ignore[arg-type]
    assert [row["modalities"] for row in rows] == [["face"], ["voice"], ["face", "voice"]]
    face, voice, both = rows
    assert face["accuracy"] > voice["accuracy"] > 1 / 7
    assert both["log_likelihood"] > face["log_likelihood"] > voice["log_likelihood"]
    assert all(row["simulated"] for row in rows)
    assert "simulated" in tool.table(rows)


def test_four_modalities_have_fifteen_subsets() -> None:
    assert len(tool.subsets(("face", "voice", "text", "eeg"))) == 15


def test_a_draw_takes_different_people() -> None:
    casts = {"face": answers("face", 0.7), "voice": answers("voice", 0.5)}
    random = np.random.default_rng(0)
    for _ in range(50):
        used: set[str | None] = set()
        for one in casts.values():
            one.draw("anger", used, random)
        assert len(used) == 2


def test_too_few_clips_are_told() -> None:
    one = {"anger": [outcome("voice", "anger", 1, sharp("anger", 0.8))]}
    same = {"anger": [outcome("face", "anger", 1, sharp("anger", 0.8))]}
    none = {"fear": [outcome("face", "fear", 2, sharp("fear", 0.8))]}
    with pytest.raises(SystemExit, match=r"no clip of anger by anybody but {'p/1'}"):
        tool.draws({"voice": tool.Cast(0.3, one), "face": tool.Cast(0.3, same)}, 7, seed=0)
    with pytest.raises(SystemExit, match="no category"):
        tool.draws({"voice": tool.Cast(0.3, one), "face": tool.Cast(0.3, none)}, 7, seed=0)


def test_eeg_stands_in_by_arousal() -> None:
    names = ("rest", "load")
    eeg = {
        name: [outcome("eeg", name, 90 + n, sharp(name, 0.8, names)) for n in range(3)]
        for name in names
    }
    casts = {"face": answers("face", 0.7), "eeg": tool.Cast(0.3, eeg)}
    for category, said in tool.draws(casts, 14, seed=0):  # type: ignore[arg-type]
        wanted = "load" if category in tool.AROUSED else "rest"
        assert said["eeg"].posterior is not None
        assert said["eeg"].posterior.label == wanted


@pytest.mark.parametrize("category", CATEGORIES)
def test_only_calm_categories_are_paired_with_rest(category: str) -> None:
    assert (category in tool.AROUSED) == (category not in ("neutral", "sadness"))


def test_a_cast_runs_the_default_package_over_some_clips_of_each_label() -> None:
    said = {
        "happiness": ("What a wonderful day!", "I am so happy for you.", "We won, hooray!"),
        "anger": ("Leave me alone, you liar!", "I hate it when they do that.", "How dare you!"),
    }
    clips = [
        Clip(f"own/{label}/{number}", "text", text=text, label=label)
        for label, lines in said.items()
        for number, text in enumerate(lines)
    ]
    found = tool.cast("text", clips, Path(), count=2)
    assert {label: len(some) for label, some in found.outcomes.items()} == {
        "happiness": 2,
        "anger": 2,
    }
    assert found.reliability > 0


def test_it_is_said_where_a_modality_does_harm() -> None:
    rows = [
        {"modalities": ["face"], "log_likelihood": -1.0},
        {"modalities": ["voice"], "log_likelihood": -1.5},
        {"modalities": ["face", "voice"], "log_likelihood": -1.2},
        {"modalities": ["eeg"], "log_likelihood": None},
    ]
    assert tool.lowered(rows) == ["voice to face"]
