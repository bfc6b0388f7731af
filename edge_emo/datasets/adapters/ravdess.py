"""RAVDESS: ``Actor_01/03-01-05-01-02-01-01.wav``; all that is known is in the name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_NAME = r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)\.(wav|mp4)"
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_SENTENCES = ("Kids are talking by the door", "Dogs are sitting by the door")


class Ravdess(Adapter):
    """Acted English speech and song, 24 actors."""

    name = "ravdess"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a sound file, and picture and sound of each film."""
        for path, match in tree.matches(_NAME, suffixes=(".wav", ".mp4")):
            channel, vocal, emotion, intensity, sentence, take, actor = match.groups()[:7]
            stem = path.rpartition("/")[2][:-4]
            if channel == "02" and tree.find(path.replace(stem, "01" + stem[2:])):
                tree.findings.add("duplicate", path, "the film with sound is there")
                continue
            common: dict[str, Any] = {
                "native": _EMOTIONS[int(emotion) - 1],
                "speaker": actor,
                "intensity": 1.0 if intensity == "02" else 0.5,
                "text": _SENTENCES[int(sentence) - 1],
                "about": {
                    "gender": "female" if int(actor) % 2 == 0 else "male",
                    "kind": "song" if vocal == "02" else "speech",
                    "take": int(take),
                },
            }
            if channel == "03":
                yield tree.item("voice", stem, path, **common)
                continue
            yield tree.item("face", f"{stem}/face", path, **common)
            if channel == "02":
                continue
            if tree.find(f"{path.rpartition('/')[0]}/03{stem[2:]}.wav"):
                tree.findings.add("duplicate", path, "its sound is there as a file of its own")
            else:
                yield tree.item("voice", f"{stem}/voice", path, **common)
