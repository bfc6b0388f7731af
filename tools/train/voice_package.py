"""From weights of a run to a voice package, and what its card says in words."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import export
import numpy as np
import numpy.typing as npt
import torch
from voice_corpora import CORPORA, KINDS, TARGETS
from voice_mel import LENGTH, RANGE_NATS, SPEC, STEP
from voice_net import EXPERT, FunctionalNet, Joined, VoiceNet

from edge_emo.features.audio import log_mel, window_tensor
from edge_emo.features.voice_functionals import SIZE, functionals
from edge_emo.types import CATEGORIES

Floats = npt.NDArray[np.float32]

OTHER_SOUND, VOCAL_BURST = 0.5, 0.7
"""Probabilities above which a window abstains; see ``voice_tried.json``."""
COMMERCIAL = CATEGORIES[:-1]
"""The categories that a commercial corpus has: none has surprise."""
SUMMARIES = {
    False: "Emotion that a voice expresses, seven categories, arousal and valence; research only.",
    True: "Emotion that a voice expresses, six categories, arousal and valence, trained on corpora "
    "that allow commercial use: one language, eight speakers.",
}


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run as it was trained.

    Attributes:
        net: All its parts.
        held_out: The ``corpus/speaker`` that none of them met.
        parts: What the files say of each network of convolutions.
        expert: What they say of the expert; nothing where there is none.
    """

    net: Joined
    held_out: frozenset[str]
    parts: list[dict[str, Any]]
    expert: str


def read_run(folders: Sequence[Path], run: str) -> Trained:
    """Read the network of a run: of each folder its convolutions, of the first the expert, if any.

    Raises:
        SystemExit: A part is missing, or two files hold it.
    """
    found = [_entry(folder, "voice", run) for folder in folders]
    nets = [VoiceNet.of(entry["state"]) for entry, _ in found]
    beside = [_entry(folders[0], "expert", run)] if any(folders[0].glob("expert-*.pt")) else []
    experts = [FunctionalNet.of(entry["state"]) for entry, _ in beside]
    held_out = frozenset.intersection(
        *(frozenset(entry["held_out"]) for entry, _ in (*found, *beside))
    )
    net = Joined(nets, experts[0] if experts else None, labels_of(run)).eval()
    parts = [{**more, **entry} for entry, more in found]
    return Trained(net, held_out, parts, "".join(words for _, words in beside))


def digest(net: torch.nn.Module) -> str:
    """Return a short name of weights, by which answers of others are told apart."""
    found = hashlib.sha256()
    for name, value in net.state_dict().items():
        found.update(name.encode() + value.numpy().tobytes())
    return found.hexdigest()[:12]


def _entry(folder: Path, part: str, run: str) -> tuple[dict[str, Any], Any]:
    files = sorted(folder.glob(f"{part}-*.pt"))
    contents = [torch.load(file, map_location="cpu", weights_only=True) for file in files]
    found = [one for one in contents if run in one["runs"]]
    if len(found) != 1:
        raise SystemExit(f"{folder}: {len(found)} of {part}-*.pt hold the run {run!r}, not one")
    return found[0]["runs"][run], json.loads(found[0]["words"])


def labels_of(run: str) -> tuple[str, ...]:
    """Return the categories that a run has learned."""
    return COMMERCIAL if run.startswith("commercial") else CATEGORIES


def package(
    name: str, run: str, reads: int, temperature: float, reliability: float
) -> export.Package:
    """Return what model.toml says of a run's package, whose network has so many inputs."""
    commercial = run.startswith("commercial")
    corpora = [c for c in CORPORA if c.commercial or not commercial]
    spec = {field.name: getattr(SPEC, field.name) for field in dataclasses.fields(SPEC)}
    return export.Package(
        id=name,
        modality="voice",
        summary=SUMMARIES[commercial],
        licence={
            "weights": "Apache-2.0; attribution: ESC-10 (CC-BY-3.0), Speech Commands (CC-BY-4.0)"
            if commercial
            else "CC-BY-NC-SA-4.0, research only: the strictest of the corpora",
            "commercial": commercial,
            "corpora": [{"name": c.name, "licence": c.licence} for c in corpora],
        },
        inputs=[
            export.Tensor("logmel", (1, 1, LENGTH, SPEC.bands), "NCHW"),
            export.Tensor("functionals", (1, SIZE), "NC"),
        ][:reads],
        outputs=[
            export.Tensor("logits", (1, len(labels_of(run))), "NC", labels=labels_of(run)),
            export.Tensor("affect", (1, 2), "NC", labels=("arousal", "valence")),
            export.Tensor("kind", (1, 3), "NC", labels=KINDS),
        ],
        features={
            **spec,
            "frames": LENGTH,
            "window_s": 3.0,
            "hop_s": 0.5,
            "first_s": 1.0,
            "range_nats": RANGE_NATS,
            "other_sound": OTHER_SOUND,
            "vocal_burst": VOCAL_BURST,
        },
        dimensions={"source": "model"},
        temperature=temperature,
        reliability=reliability,
        version="1.0.0",
        default=not commercial,
    )


def inputs(samples: npt.NDArray[np.int16], reads: int) -> tuple[Floats, ...]:
    """Return windows that the estimator cuts from a clip, and their functionals if they are read.

    Shapes (n, 1, LENGTH, bands) and (n, SIZE).
    """
    cut = windows(samples)
    return (cut, np.stack([functionals(w[0]) for w in cut])) if reads > 1 else (cut,)


def windows(samples: npt.NDArray[np.int16]) -> Floats:
    """Return the windows that the estimator cuts from a clip, shape (n, 1, LENGTH, bands)."""
    frames = log_mel(samples.astype(np.float32) / np.float32(32768), SPEC)
    starts = range(0, max(0, len(frames) - LENGTH) + 1, STEP)
    cut = [window_tensor(frames[s : s + LENGTH], LENGTH, RANGE_NATS) for s in starts]
    return np.concatenate(cut)


def write_light(
    module: torch.nn.Module, spec: export.Package, sample: export.Sample, folder: Path
) -> None:
    """Write the ONNX file and model.toml only: what a fold is measured with."""
    folder.mkdir(parents=True, exist_ok=True)
    example = tuple(torch.from_numpy(array) for array in sample)
    export.write_onnx(module, example, spec, folder / "model.onnx")
    table = export.manifest(spec, [export.file_entry(folder / "model.onnx", "onnx")])
    export.write_toml(folder, table)


def words(run: str) -> dict[str, Any]:
    """Return the card's texts."""
    commercial = run.startswith("commercial")
    return {**(_COMMERCIAL if commercial else _RESEARCH), **_BOTH}


_BOTH: dict[str, Any] = {
    "intended_use": [
        "An estimate of the emotion that a voice expresses, as one vote of a fusion.",
        "Telling speech from vocal bursts and from other sounds, so that only speech is judged.",
    ],
    "not_for": [
        "What somebody feels or means: a voice shows an expression, not its cause.",
        "Decisions about people: hiring, schooling, credit, policing, health, insurance.",
        "Listening to people who were not told.",
    ],
    "limits": [
        "Acted, studio-like speech; everyday speech is expected to be harder, by an amount that "
        "was not measured.",
        "A language, a room or a microphone of another corpus costs much of the recall: see the "
        "rows of corpora left out.",
        "One voice at a time: with two it judges the mixture.",
        "Valence is learned from a table over the categories (Russell and Mehrabian 1977), not "
        "from ratings; arousal likewise, scaled by RAVDESS's two intensities, and from BAVED's "
        "three levels in the research package. Dominance is not given.",
        "Laughs, sighs and cries abstain as vocal bursts: what they express was not learned.",
        "Struck or plucked tones at the pitch of a voice can pass for one.",
        "Babies' cries and sneezes were in no class of sounds; what the gate says of them is open.",
        "Streams under 16 kHz lack the upper bands; they are less reliable, and marked so.",
        "The first windows after a start or a pause hold one to three seconds and are worse.",
    ],
}
_AMONG = (
    "Rows among categories: the share of categories that the corpus lacks (for corpora never "
    "heard: that not all four have) is dropped from the posterior, as if it were never an answer."
)
_VARIATION = (
    "Training windows are varied: place and length in the window, pitch and speed, tempo, vocal "
    "tract, simulated rooms, background noise and voices at −5 … 30 dB, level, clipping, 8-bit "
    "coding, microphone and telephone bands, blanked stretches, mixtures of two. Networks of "
    "convolutions, each trained by itself, count alike. Where there are functionals of the window "
    "among the inputs, an expert reads them, trained by itself too, eight in ten of its windows as "
    f"the device cuts them; its logits count {EXPERT:g}."
)
_RESEARCH: dict[str, Any] = {
    "data": "Acted speech in English (ravdess, tess), German (emodb), Polish (nemo), Amharic "
    "(ased), Arabic words at three levels of arousal (baved), vocal bursts (emogator), noise and "
    f"sounds that are made. {_VARIATION}",
    "split": [
        "Rows of unseen speakers: eight folds; fold k holds out the k-th group of speakers of "
        "every corpus at once (EmoDB: one speaker each; NEMO: one each in seven folds; RAVDESS: "
        "actors in pairs, man and woman; ASED: every eighth). The file of each fold is exported "
        "and judges the speakers that it never met; the clips of all folds are counted together.",
        "Rows of a corpus never heard: a file whose training had no clip of it.",
        _AMONG,
        "The package's own file is trained on all but "
        + ", ".join(f"{c.name} {' '.join(sorted(c.validation))}" for c in CORPORA if c.validation)
        + "; on them its temperature is fitted.",
        "A fold's temperature is fitted on the clips that the other folds held out.",
        "A network of the package that was not trained with the folds has a table of its own.",
        "The convolutions are trained in stages. The first meets fewer people: half of the folds, "
        "or two corpora fewer, and none of the speakers that temperatures are fitted on; it is "
        "kept from everybody whom the second is kept from. The later ones go on from the weights "
        "of the same run.",
        "Every fourth recording of noise, all of its takes, is in no training; robustness and "
        "gate are measured with it.",
        "A check refuses speakers and files that are on both sides.",
    ],
}
_COMMERCIAL: dict[str, Any] = {
    "data": "Acted German speech of eight speakers (emodb), vocal bursts (emogator), noise and "
    f"sounds that are made. {_VARIATION} No corpus here that allows commercial use has surprise, "
    "so it is no label.",
    "split": [
        "Rows of unseen speakers: four folds of two EmoDB speakers each, exported and measured as "
        "for the research package; the clips of all folds are counted together.",
        _AMONG,
        "Rows of corpora never heard: the package's own file on "
        + ", ".join(c for c in TARGETS if c != "emodb")
        + ", of which it never heard anything.",
        "The package's own file is trained on all but EmoDB 03; on it its temperature is fitted.",
        "A fold's temperature is fitted on the clips that the other folds held out.",
        "A check refuses speakers and files that are on both sides.",
    ],
}
