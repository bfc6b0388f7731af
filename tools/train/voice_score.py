"""Measures voice runs on speakers and corpora that they never met, through exported files."""

from __future__ import annotations

import functools
import hashlib
import wave
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import export
import leakage
import numpy as np
import numpy.typing as npt
import torch
import voice_package
from voice_corpora import (
    BY_NAME,
    COMMERCIAL_FOLDS,
    FOLDS,
    OTHER,
    SPEECH,
    Sound,
    held_out,
    read_sounds,
    test_noise,
)
from voice_net import Alone, Joined

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.clips import Clip
from edge_emo.estimators.create import build_estimator
from edge_emo.evaluation import metrics
from edge_emo.evaluation.evaluate import Outcome, Run, TimedModel, run_clips, summarise
from edge_emo.manifest import ModelPackage, read_package
from edge_emo.runtime.choose import load_model

Floats = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float32]
Spoil = Callable[[Wave, Wave, np.random.Generator], Wave]


@dataclass(frozen=True)
class Answers:
    """What a network says of the windows of some clips."""

    sounds: list[Sound]
    logits: list[Floats]
    affect: list[Floats]
    kind: list[Floats]


def all_sounds(data: Path) -> list[Sound]:
    """List every clip below the data folder."""
    files = (
        f.relative_to(data).with_suffix("") for n in BY_NAME for f in (data / n).rglob("*.wav")
    )
    return read_sounds(file.as_posix() for file in files)


def manifest_clip(sound: Sound) -> Clip:
    """Return a clip as a manifest holds it; corpora without categories give arousal."""
    corpus = BY_NAME[sound.corpus]
    known = sound.category >= 0
    return Clip(
        clip=sound.name,
        modality="voice",
        corpus=sound.corpus,
        path=f"{sound.name}.wav",
        speaker=f"{sound.corpus}/{sound.speaker}",
        language=corpus.language,
        label=sound.label if known else None,
        arousal=None if np.isnan(sound.arousal) else float(np.clip(sound.arousal, -1, 1)),
        perspective="expressed",
        licence=corpus.licence,
    )


def unseen(run: str, sounds: list[Sound], corpora: Iterable[str]) -> list[Sound]:
    """Return the clips with a category of some corpora that a run does not see."""
    hidden, wanted = held_out(run, sounds), set(corpora)
    labels = voice_package.labels_of(run)
    return [s for s in sounds if s.name in hidden and s.corpus in wanted and s.label in labels]


def refuse_leaks(run: str, sounds: list[Sound], evaluated: list[Sound], data: Path) -> None:
    """Refuse figures of a run that has met what it is evaluated on: speakers, names, bytes."""
    hidden = held_out(run, sounds)
    seen = [manifest_clip(s) for s in sounds if s.name not in hidden]
    tested = [manifest_clip(s) for s in evaluated]
    leakage.refuse_overlap(seen, tested)
    both = {_digest(data / c.path) for c in seen if c.path} & {
        _digest(data / c.path) for c in tested if c.path
    }
    if both:
        raise leakage.LeakageError(f"{run}: {len(both)} files are in training and evaluation")


def refuse_unrecorded(run: str, trained: voice_package.Trained, evaluated: list[Sound]) -> None:
    """Refuse figures on speakers that the weights' own record does not name as held out."""
    met = {f"{s.corpus}/{s.speaker}" for s in evaluated} - trained.held_out
    if met:
        raise leakage.LeakageError(f"{run} was trained on {', '.join(sorted(met))}")


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- temperature ------------------------------------------------------------------------------


def answers(net: torch.nn.Module, sounds: list[Sound], data: Path) -> Answers:
    """Run a network, joined or a part, on the windows of clips."""
    found = Answers(sounds, [], [], [])
    with torch.no_grad():
        for sound in sounds:
            samples = read_wav(data / f"{sound.name}.wav")
            given = map(torch.from_numpy, voice_package.inputs(samples, net.reads))
            for kept, part in zip(
                (found.logits, found.affect, found.kind), net(*given), strict=True
            ):
                kept.append(part.numpy())
    return found


def first(net: Joined, sound: Sound, data: Path) -> export.Sample:
    """Return what a network is given of the first window of a clip."""
    found = voice_package.inputs(read_wav(data / f"{sound.name}.wav"), net.reads)
    return tuple(part[:1] for part in found)


def parts_of(net: Joined) -> dict[str, Alone]:
    """Return each part of a network by itself."""
    found = {f"convolutions {k + 1}": Alone(net, k) for k in range(len(net.convolutions))}
    return found if net.expert is None else found | {"functionals": Alone(net, None)}


def recalls(
    said: Mapping[str, Answers], labels: Sequence[str], corpora: Sequence[str]
) -> list[float | None]:
    """Return the recall of each corpus, every run's temperature fitted on the others' clips."""
    pairs: list[tuple[Sound, str]] = []
    for run, one in said.items():
        others = [other for name, other in said.items() if name != run]
        temperature = fit_temperature(others, labels)
        soft = [torch.softmax(torch.from_numpy(z) / temperature, 1).mean(0) for z in one.logits]
        guessed = [labels[int(row.argmax())] for row in soft]
        pairs += zip(one.sounds, guessed, strict=True)
    return [_recall(pairs, labels, corpus) for corpus in corpora]


def _recall(pairs: Sequence[tuple[Sound, str]], labels: Sequence[str], corpus: str) -> float | None:
    mine = [(s.label, guessed) for s, guessed in pairs if s.corpus == corpus]
    return metrics.unweighted_average_recall(labels, *zip(*mine, strict=True))


def write_answers(found: Answers, file: Path) -> None:
    """Keep answers, so that another part of the figures need not run the network again."""
    file.parent.mkdir(parents=True, exist_ok=True)
    parts = {name: np.concatenate(getattr(found, name)) for name in ("logits", "affect", "kind")}
    np.savez(file, counts=np.array([len(rows) for rows in found.logits]), **parts)


def read_answers(sounds: list[Sound], file: Path) -> Answers:
    """Return kept answers; the clips must be those that they were kept of."""
    with np.load(file) as held:
        cuts = np.cumsum(held["counts"])[:-1]
        if len(held["counts"]) != len(sounds):
            raise SystemExit(f"{file}: of other clips; remove it")
        return Answers(sounds, *(np.split(held[n], cuts) for n in ("logits", "affect", "kind")))


def fit_temperature(found: Sequence[Answers], labels: Sequence[str]) -> float:
    """Return the temperature that makes the labels likeliest under the clips' mean posteriors.

    Corpora count alike, whatever their size.
    """
    return fitted(found, labels)[0]


def fitted(found: Sequence[Answers], labels: Sequence[str]) -> tuple[float, float]:
    """Return the likeliest temperature, and the mean negative logarithm of the likelihood there."""
    sounds = [s for one in found for s in one.sounds]
    logits = [rows for one in found for rows in one.logits]
    size = {c: sum(s.corpus == c for s in sounds) for c in BY_NAME}
    weights = np.array([1.0 / size[s.corpus] for s in sounds])
    true = np.array([labels.index(s.label) for s in sounds])
    grid = np.round(np.arange(0.3, 3.001, 0.02), 2)
    losses = [weights @ -np.log(_posteriors(logits, float(t), true)) for t in grid]
    best = int(np.argmin(losses))
    return float(grid[best]), float(losses[best] / weights.sum())


def _posteriors(
    logits: Sequence[Floats], t: float, true: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Return the mean posterior of each clip's true label."""
    counts = np.array([len(rows) for rows in logits])
    scaled = np.concatenate(logits).astype(np.float64) / t
    soft = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    told = soft[np.arange(len(soft)), np.repeat(true, counts)] / soft.sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.asarray(np.add.reduceat(told, starts) / counts)


# --- exported files ---------------------------------------------------------------------------


class FoldFile:
    """A run's exported file, as ``edge-emo evaluate`` loads and runs it."""

    def __init__(self, folder: Path, precision: str | None = None, backend: str = "onnx") -> None:
        clock = MonotonicClock()
        self.package: ModelPackage = read_package(folder)
        loaded = load_model(self.package, backend=backend, precision=precision)
        self.model = TimedModel(loaded, clock)
        self.estimator = build_estimator(self.package, self.model, clock)

    def outcomes(self, clips: list[Clip], root: Path) -> list[Outcome]:
        """Estimate clips."""
        return list(run_clips(self.estimator, self.package, clips, root).outcomes)


def report(
    package: ModelPackage, split: str, outcomes: list[Outcome], runs_ns: Sequence[int], backend: str
) -> dict[str, Any]:
    """Return the figures of outcomes, as ``edge-emo evaluate`` reports them."""
    found = summarise(package, Run(outcomes, 0), runs_ns, backend=backend)
    row = {"split": split, **found.to_json()}
    kept = ("n", "unweighted_average_recall", "expected_calibration_error", "abstained")
    print(split, {key: row[key] for key in kept}, flush=True)
    return row


def export_fold(
    weights: Sequence[Path], run: str, temperature: float, folder: Path, traced: Sound, data: Path
) -> FoldFile:
    """Write a run as ONNX with its manifest, a clip being the example that is traced; load it."""
    net = voice_package.read_run(weights, run).net
    spec = voice_package.package(run, run, net.reads, temperature, 0.5)
    voice_package.write_light(net, spec, first(net, traced, data), folder / run)
    return FoldFile(folder / run)


def fold_runs(commercial: bool) -> list[str]:
    """Return the names of the joint folds of the research or the commercial package."""
    count = COMMERCIAL_FOLDS if commercial else FOLDS
    return [f"{'commercial-' if commercial else ''}fold{k}" for k in range(count)]


# --- faults -----------------------------------------------------------------------------------


def spoiled(
    clips: Iterable[Clip], root: Path, noise: list[Wave], spoil: Spoil, folder: Path
) -> list[Clip]:
    """Write clips made worse below a folder; return the clips, whose paths are the same."""
    rng = np.random.default_rng(7)
    kept = list(clips)
    for clip in kept:
        sound = read_wav(root / str(clip.path)).astype(np.float32) / 32768
        other = np.resize(noise[int(rng.integers(len(noise)))], len(sound))
        write_wav(folder / str(clip.path), spoil(sound, other, rng))
    return kept


def at_snr(snr_db: float) -> Spoil:
    """Return what adds noise at a ratio of the powers of the whole clip."""

    def spoil(sound: Wave, noise: Wave, rng: np.random.Generator) -> Wave:
        gain = sound.std() / (noise.std() + 1e-9) * 10 ** (-snr_db / 20)
        return np.asarray(sound + gain * noise, np.float32)

    return spoil


def room(reverberation_s: float, direct_db: float) -> Spoil:
    """Return what lets a clip stand in a room: a direct path, then decaying noise."""

    def spoil(sound: Wave, noise: Wave, rng: np.random.Generator) -> Wave:
        t = np.arange(int(16000 * reverberation_s)) / 16000
        tail = rng.standard_normal(len(t)) * np.exp(-6.91 * t / reverberation_s)
        tail[:32] = 0
        tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2))
        tail[0] = 1
        size = len(sound) + len(tail)
        wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)
        return np.asarray(wet[: len(sound)], np.float32)

    return spoil


def telephone(sound: Wave, noise: Wave, rng: np.random.Generator) -> Wave:
    """Keep 300 … 3400 Hz, in 8 bits of mu-law (ITU-T G.711, continuous form)."""
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / 16000)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    narrow = np.fft.irfft(spectrum, len(sound))
    peak = np.abs(narrow).max() + 1e-9
    coded = np.round(np.log1p(255 * np.abs(narrow) / peak) / np.log(256) * 127) / 127
    return np.asarray(np.sign(narrow) * np.expm1(coded * np.log(256)) / 255 * peak, np.float32)


def quiet(sound: Wave, noise: Wave, rng: np.random.Generator) -> Wave:
    """Take 26 dB off."""
    return np.asarray(sound * 0.05, np.float32)


def offset(sound: Wave, noise: Wave, rng: np.random.Generator) -> Wave:
    """Add a constant of 0.1."""
    return np.asarray(sound + 0.1, np.float32)


FAULTS: Mapping[str, Spoil | None] = {
    "none": None,
    "noise, 20 dB": at_snr(20),
    "noise, 10 dB": at_snr(10),
    "noise, 0 dB": at_snr(0),
    "room, 0.4 s": room(0.4, 3),
    "room, 0.8 s": room(0.8, 0),
    "telephone": telephone,
    "26 dB less": quiet,
    "offset of 0.1": offset,
}


def kept_noise(sounds: list[Sound], data: Path) -> list[tuple[Sound, Wave]]:
    """Return the noise that no run hears."""
    hidden = test_noise(sounds)
    kept = [s for s in sounds if s.name in hidden]
    return [(s, read_wav(data / f"{s.name}.wav").astype(np.float32) / 32768) for s in kept]


def gate_area(speech: Iterable[Floats], other: Iterable[Floats]) -> float | None:
    """Return the ROC AUC of speech against other sounds over windows of logits of kinds."""
    rows = [np.concatenate(list(part)) for part in (speech, other)]
    scores = [row[:, SPEECH] - row[:, OTHER] for row in rows]
    truth = [np.ones(len(rows[0]), bool), np.zeros(len(rows[1]), bool)]
    return metrics.roc_auc(np.concatenate(scores), np.concatenate(truth))


def read_wav(path: Path) -> npt.NDArray[np.int16]:
    """Read a 16 kHz mono 16-bit WAV file."""
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (16000, 1, 2):
            raise SystemExit(f"{path}: not 16 kHz mono 16 bit")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def write_wav(path: Path, samples: Wave) -> None:
    """Write a 16 kHz mono 16-bit WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(pcm.tobytes())
