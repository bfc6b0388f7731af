"""The folds of a voice package: what their exported files answer to people they never met."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import export
import numpy as np
import torch
import voice_live
import voice_package
import voice_score
from voice_corpora import OTHER, TARGETS, Sound, held_out
from voice_net import Alone
from voice_score import Answers

from edge_emo.evaluation import closed
from edge_emo.evaluation.evaluate import Outcome

ROBUST_EVERY = 8
NOISE_WINDOWS = 5  # of each clip of noise: one lasts a minute


class Bench:
    """The folds of one package: their answers, temperatures and exported files."""

    def __init__(self, given: argparse.Namespace) -> None:
        data, commercial = given.data, given.commercial
        self._every, self._weights, self._cache = given.every, given.weights, given.cache
        self._data = data
        self._sounds = voice_score.all_sounds(data)
        self._corpora = ("emodb",) if commercial else TARGETS
        self._runs = voice_score.fold_runs(commercial)
        self._labels = voice_package.labels_of(self._runs[0])
        self._place = tempfile.TemporaryDirectory()
        self._folder = Path(self._place.name)
        self._said: dict[str, Answers] = {}
        self._read: dict[str, voice_package.Trained] = {}
        self.networks = {run: voice_package.digest(self._net(run)) for run in self._runs}
        self.temperatures: dict[str, float] = _temperatures(given.figures, self.networks)
        for run in self._runs:
            if run not in self.temperatures:
                self.temperatures[run] = self._temperature(run)
        self._files = {run: self._file(run, self.temperatures[run]) for run in self._runs}

    def _unseen(self, run: str) -> list[Sound]:
        found = voice_score.unseen(run, self._sounds, self._corpora)
        voice_score.refuse_leaks(run, self._sounds, found, self._data)
        return found[:: self._every]

    def _answers(self, run: str) -> Answers:
        sounds, net = self._unseen(run), self._net(run)
        file = self._cache / f"{run}-{self._every}-{voice_package.digest(net)}.npz"
        if file.exists():
            return voice_score.read_answers(sounds, file)
        self._refuse_met(run, sounds)
        found = voice_score.answers(net, sounds, self._data)
        voice_score.write_answers(found, file)
        return found

    def _run(self, run: str) -> voice_package.Trained:
        if run not in self._read:
            self._read[run] = voice_package.read_run(self._weights, run)
        return self._read[run]

    def _net(self, run: str) -> voice_package.Joined:
        return self._run(run).net

    def _refuse_met(self, run: str, sounds: list[Sound]) -> None:
        """Refuse figures on people whom the run's own record does not name as held out."""
        voice_score.refuse_unrecorded(run, self._run(run), sounds)

    def _temperature(self, run: str) -> float:
        others = [self._answered(other) for other in self._runs if other != run]
        return voice_score.fit_temperature(others, self._labels)

    def _answered(self, run: str) -> Answers:
        if run not in self._said:
            self._said[run] = self._answers(run)
        return self._said[run]

    def _file(self, run: str, temperature: float) -> voice_score.FoldFile:
        traced = next(s for s in self._sounds if s.corpus == "emodb")
        return voice_score.export_fold(
            self._weights, run, temperature, self._folder, traced, self._data
        )

    def _outcomes(self, run: str, sounds: list[Sound], root: Path) -> list[Outcome]:
        self._refuse_met(run, sounds)
        return self._files[run].outcomes([voice_score.manifest_clip(s) for s in sounds], root)

    def folds(self) -> list[dict[str, Any]]:
        """Return the figures of each corpus, of all together, and of groups that a corpus tells."""
        every = [
            one for run in self._runs for one in self._outcomes(run, self._unseen(run), self._data)
        ]
        rows = [
            self._row(f"{corpus}, unseen speakers", (o for o in every if o.clip.corpus == corpus))
            for corpus in self._corpora
        ]
        if len(self._corpora) > 1:
            rows.append(self._row("all corpora together, unseen speakers", every))
        rows += [self._closed(corpus, every) for corpus in self._corpora]
        return rows + self._by_sex(every)

    def _closed(self, corpus: str, every: Iterable[Outcome]) -> dict[str, Any]:
        mine = [o for o in every if o.clip.corpus == corpus]
        chosen = closed.among(mine, sorted({str(o.clip.label) for o in mine}))
        return self._row(f"{corpus}, unseen speakers, among its categories", chosen)

    def _by_sex(self, every: Iterable[Outcome]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for corpus, sex in _SEXES.items():
            if corpus in self._corpora:
                mine = [o for o in every if o.clip.corpus == corpus]
                rows += [
                    self._row(f"{corpus}, unseen speakers, {name}",
                              (o for o in mine if sex(str(o.clip.speaker).split("/")[1]) == name))
                    for name in ("women", "men")
                ]  # fmt: skip
        return rows

    def _row(self, split: str, outcomes: Iterable[Outcome]) -> dict[str, Any]:
        file = self._files[self._runs[0]]
        return voice_score.report(file.package, split, list(outcomes), file.model.runs_ns, "onnx")

    def left_out(self) -> list[dict[str, Any]]:
        """Return the figures of files whose training had no clip of a corpus."""
        rows = []
        shared = set.intersection(
            *({s.label for s in self._sounds if s.corpus == c and s.category >= 0} for c in TARGETS)
        )
        for corpus in TARGETS:
            run = f"without-{corpus}"
            if run not in self.temperatures:  # of speakers of the other corpora
                said = map(self._answered, self._runs)
                others = [Answers(*_without(one, corpus)) for one in said]
                self.temperatures[run] = voice_score.fit_temperature(others, self._labels)
            self._files[run] = self._file(run, self.temperatures[run])
            found = voice_score.unseen(run, self._sounds, [corpus])
            voice_score.refuse_leaks(run, self._sounds, found, self._data)
            outcomes = self._outcomes(run, found[:: self._every], self._data)
            common = [o for o in outcomes if o.clip.label in shared]
            rows.append(self._row(f"{corpus}, a corpus never heard, shared categories", common))
            chosen = closed.among(common, sorted(shared))
            rows.append(self._row(f"{corpus}, a corpus never heard, among the shared", chosen))
            rows.append(self._row(f"{corpus}, a corpus never heard, all categories", outcomes))
        return rows

    def arousal(self) -> dict[str, Any]:
        """Return how arousal follows the levels that BAVED's speakers were asked for."""
        outcomes: list[Outcome] = []
        for run in self._runs:
            hidden = held_out(run, self._sounds)
            mine = [s for s in self._sounds if s.corpus == "baved" and s.name in hidden]
            voice_score.refuse_leaks(run, self._sounds, mine, self._data)
            outcomes += self._outcomes(run, mine[:: self._every], self._data)
        row = self._row("baved, unseen speakers", outcomes)
        what = "arousal, baved's three levels, unseen speakers"
        return {
            f"{what}, Pearson r": row["arousal_r"],
            f"{what}, concordance": row["arousal_ccc"],
            f"{what}, clips": row["n"],
        }

    def robustness(self) -> dict[str, Any]:
        """Return what faults of the sound cost, on some clips of every fold."""
        noise = [wave for _, wave in voice_score.kept_noise(self._sounds, self._data)]
        rows = []
        for fault, spoil in voice_score.FAULTS.items():
            row = self._fault(fault, spoil, noise)
            kept = ("n", *export.METRICS, "abstained")
            rows.append({"fault": fault, "float32": {key: row[key] for key in kept}})
        what = (
            f"Every {ROBUST_EVERY}th clip of the folds' unseen speakers, made worse; noise that "
            "no run heard, ratios of powers over the whole clip; an abstention is an error."
        )
        return {"what": what, "rows": rows}

    def _fault(
        self, fault: str, spoil: voice_score.Spoil | None, noise: list[voice_score.Wave]
    ) -> dict[str, Any]:
        outcomes: list[Outcome] = []
        for run in self._runs:
            some = self._unseen(run)[::ROBUST_EVERY]
            if spoil is None:
                outcomes += self._outcomes(run, some, self._data)
                continue
            with tempfile.TemporaryDirectory() as place:
                clips = map(voice_score.manifest_clip, some)
                voice_score.spoiled(clips, self._data, noise, spoil, Path(place))
                outcomes += self._outcomes(run, some, Path(place))
        return self._row(f"fault: {fault}", outcomes)

    def alone(self) -> dict[str, Any]:
        """Return what each part of the network recalls by itself, and all together."""
        every = {run: voice_score.parts_of(self._net(run)) for run in self._runs}
        names = list(every[self._runs[0]])
        rows = [
            self._recalled(name, {run: self._alone(run, every[run][name]) for run in self._runs})
            for name in names
        ]
        rows.append(self._recalled("together", {run: self._answered(run) for run in self._runs}))
        return {
            "title": "What its parts recall",
            "what": "Unweighted average recall of each part, unseen speakers, by PyTorch; "
            "temperatures are fitted on the clips of the other folds.",
            "head": ["part", *self._corpora],
            "rows": rows,
        }

    def _recalled(self, name: str, said: dict[str, Answers]) -> list[str | float | None]:
        row = [name, *voice_score.recalls(said, self._labels, self._corpora)]
        print(row, flush=True)
        return row

    def _alone(self, run: str, part: Alone) -> Answers:
        sounds = self._unseen(run)
        self._refuse_met(run, sounds)
        return voice_score.answers(part, sounds, self._data)

    def live(self) -> dict[str, Any]:
        """Return what folds estimate of people whom they never met when these are heard live."""
        heard = [one for run in self._runs for one in self._heard(run)]
        file = self._files[self._runs[0]]
        rows = [voice_live.row(file, "windows", [o for o, whole in heard if not whole])]
        whole = [outcome for outcome, is_whole in heard if is_whole]
        rows.append(voice_live.row(file, "utterances", whole))
        for corpus in self._corpora if len(self._corpora) > 1 else ():
            mine = [one for one in whole if one.clip.corpus == corpus]
            rows.append(voice_live.row(file, f"utterances of {corpus}", mine))
        return {
            "title": "As a live stream, people of the folds",
            "what": "All clips of the folds' unseen speakers, by the folds' files, heard chunk by "
            "chunk as in the table of the package; nothing was chosen on these answers, but the "
            "speakers whom the weights of windows were chosen on are among these people. Recall is "
            "that of the windows and utterances that have an estimate.",
            "head": voice_live.HEAD,
            "rows": rows,
        }

    def _heard(self, run: str) -> Iterator[tuple[Outcome, bool]]:
        sounds = self._unseen(run)
        self._refuse_met(run, sounds)
        for sound in sounds:
            clip = voice_score.manifest_clip(sound)
            yield from voice_live.live(self._files[run].estimator, clip, self._data)

    def gate(self) -> dict[str, Any]:
        """Return how well speech is told from other sound, by windows of unheard noise."""
        noise = voice_score.kept_noise(self._sounds, self._data)
        waves = [wave for _, wave in noise]
        found: dict[str, Any] = {}
        for snr_db in (20.0, 0.0, -5.0):
            speech, other = self._kinds(snr_db, [s for s, _ in noise if s.kind == OTHER], waves)
            area = voice_score.gate_area(speech, other)
            found[f"ROC AUC, speech with noise at {snr_db:g} dB"] = area
            found[f"windows of speech refused at {snr_db:g} dB"] = _refused(speech)
        found["windows of other sound refused"] = _refused(other)
        print(found, flush=True)
        return found

    def _kinds(
        self, snr_db: float, others: list[Sound], waves: list[voice_score.Wave]
    ) -> tuple[list[voice_score.Floats], list[voice_score.Floats]]:
        """Return logits of kinds of noisy speech and of noise alone, by every fold's network."""
        speech, other = [], []
        for run in self._runs:
            net, some = self._net(run), self._unseen(run)[:: 2 * ROBUST_EVERY]
            self._refuse_met(run, some)
            with tempfile.TemporaryDirectory() as place:
                clips = map(voice_score.manifest_clip, some)
                spoil = voice_score.at_snr(snr_db)
                voice_score.spoiled(clips, self._data, waves, spoil, Path(place))
                speech += voice_score.answers(net, some, Path(place)).kind
            alone = voice_score.answers(net, others, self._data).kind
            other += [rows[:NOISE_WINDOWS] for rows in alone]
        return speech, other


def _temperatures(figures: Path, networks: Mapping[str, str]) -> dict[str, float]:
    """Return the temperatures that a file of figures holds, by run; none where there is no file.

    Raises:
        SystemExit: Its figures are of other networks, which are told by their digests.
    """
    if not figures.exists():
        return {}
    held = json.loads(figures.read_text("utf-8"))
    if held.get("networks") != networks:
        raise SystemExit(f"{figures}: figures of other weights; name another file by --figures")
    return dict(held["temperatures"])


def _refused(kinds: Iterable[voice_score.Floats]) -> float:
    soft = torch.softmax(torch.from_numpy(np.concatenate(list(kinds))), 1).numpy()
    no = (soft[:, 2] > voice_package.OTHER_SOUND) | (soft[:, 1] > voice_package.VOCAL_BURST)
    return round(float(no.mean()), 4)


def _without(one: Answers, corpus: str) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    keep = [i for i, s in enumerate(one.sounds) if s.corpus != corpus]
    return tuple([part[i] for i in keep] for part in  # type: ignore[return-value]
                 (one.sounds, one.logits, one.affect, one.kind))  # fmt: skip


_EMODB_MEN = {"03", "10", "11", "12", "15"}
_SEXES = {
    "ravdess": lambda speaker: "men" if int(speaker) % 2 else "women",
    "emodb": lambda speaker: "men" if speaker in _EMODB_MEN else "women",
}
"""RAVDESS numbers men oddly; EmoDB's page names its men."""
