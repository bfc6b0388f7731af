"""Running an exported model over a manifest of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo.clock import Clock, MonotonicClock
from edge_emo.datasets.clips import Clip, read_clips
from edge_emo.datasets.decode import decode_clip
from edge_emo.errors import ConfigError, DatasetError, EdgeEmoError, UnavailableError
from edge_emo.estimators.base import Estimator
from edge_emo.estimators.baseline import Baseline
from edge_emo.estimators.create import build_estimator, refuse_detector
from edge_emo.estimators.face_finder import load_face_detector
from edge_emo.evaluation import closed, metrics
from edge_emo.evaluation.intervals import bootstrap
from edge_emo.evaluation.report import KEPT, Report
from edge_emo.manifest import DIMENSIONS, ModelPackage, Signatures, TensorSpec, is_dimensional
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, Modality, Prediction

Progress = Callable[[int, int], None]
"""Called with the number of clips done and their total: with 0 once baselines are taken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A clip, and what the model said of it."""

    clip: Clip
    prediction: Prediction

    @property
    def label(self) -> str | None:
        """The estimated label; None when it abstained."""
        return None if self.prediction.posterior is None else self.prediction.posterior.label


class TimedModel(LoadedModel):
    """Passes every run on and keeps how long it took.

    Args:
        model: The model that runs.
        clock: The clock that it is timed on.
    """

    backend = "timed"

    def __init__(self, model: LoadedModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self.file = model.file
        self.runs_ns: list[int] = []

    def run(self, inputs: Tensors) -> Tensors:
        """Run once; see :meth:`LoadedModel.run`."""
        begin_ns = self._clock.now_ns()
        outputs = self._model.run(inputs)
        self.runs_ns.append(self._clock.now_ns() - begin_ns)
        return outputs

    def close(self) -> None:
        """Release the model."""
        self._model.close()


def evaluate(
    package: ModelPackage,
    manifest: str | Path,
    root: str | Path | None = None,
    *,
    backend: str | None = None,
    precision: str | None = None,
    baseline_split: str | None = None,
) -> Report:
    """Evaluate a package on a manifest of clips.

    Args:
        package: The package.
        manifest: The manifest of clips.
        root: Folder that its paths are relative to; the manifest's own when None.
        backend: Name of the one backend to use; None to choose.
        precision: The one precision of files to use; None for any.
        baseline_split: See :func:`run_clips`.

    Raises:
        DatasetError: The manifest is wrong; and what :func:`evaluate_package` raises.
    """
    folder = Path(manifest).parent if root is None else root
    clips = read_clips(manifest)
    return evaluate_package(
        package,
        clips,
        folder,
        backend=backend,
        precision=precision,
        baseline_split=baseline_split,
    )


def evaluate_package(
    package: ModelPackage,
    clips: Iterable[Clip],
    root: str | Path,
    *,
    asked: str = "",
    backend: str | None = None,
    threads: int = 1,
    precision: str | None = None,
    baseline_split: str | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
    folders: Sequence[str | Path] = (),
    keep_going: bool = False,
    among_present: bool = False,
) -> Report:
    """Load a package, run it over clips and report.

    Pictures in which a face package searches for the face are searched by the default
    detector, on the backend that is chosen for it. No signature is asked for: what is measured
    need not be released.

    Args:
        package: The package.
        clips: The clips of a manifest.
        root: Folder that their paths are relative to.
        asked: What the user named, for the report; the package's id when empty.
        backend: Name of the one backend to use; None to choose.
        threads: Threads that one inference may use.
        precision: The one precision of files to use; None for any.
        baseline_split: See :func:`run_clips`.
        clock: Clock that inference is timed on; the system's when None.
        progress: Told of the beginning, and of every clip done.
        folders: More folders of packages, in which the detector is looked for first.
        keep_going: See :func:`run_clips`.
        among_present: Take answers among the labels that the clips have, as if the model had no
            others: how corpora with fewer categories are mostly reported.

    Raises:
        ModelError: The package cannot run here.
        DatasetError: A clip cannot be read, or none is fit; or fewer than two labels are there to
            take answers among.
        UnavailableError: The backend, or what decodes a clip, is not installed.
    """
    refuse_detector(package)
    every = list(clips)
    scored = _split_off(every, baseline_split, package.modality)[1]
    among = closed.choices(package, scored) if among_present else ()
    clock = clock or MonotonicClock()
    loaded = load_model(package, backend=backend, threads=threads, precision=precision)
    model = TimedModel(loaded, clock)
    with closing(model):
        finder = None
        if package.modality == "face":
            finder = load_face_detector(
                threads=threads, extra_dirs=folders, signatures=Signatures("off")
            )
        with closing(build_estimator(package, model, clock, finder)) as estimator:
            ran = run_clips(
                estimator, package, every, root, progress, baseline_split, keep_going=keep_going
            )
    return summarise(package, ran, model.runs_ns, asked=asked, backend=loaded.backend, among=among)


@dataclass(frozen=True, slots=True)
class Run:
    """What was said of the clips of a manifest.

    Attributes:
        outcomes: One per clip that was fit for the model.
        n_left_out: Clips that were not.
        n_baselines: Speakers whose rest the model knew.
        unread: Why each clip that was fit could not be read, with its name and file.
    """

    outcomes: Sequence[Outcome]
    n_left_out: int
    n_baselines: int = 0
    unread: Sequence[str] = ()


def run_clips(
    estimator: Estimator,
    package: ModelPackage,
    clips: Iterable[Clip],
    root: str | Path,
    progress: Progress | None = None,
    baseline_split: str | None = None,
    *,
    keep_going: bool = False,
) -> Run:
    """Estimate every clip that is fit for the model.

    Args:
        estimator: Of the package; its baseline is forgotten.
        package: Tells which clips are fit.
        clips: The clips of a manifest.
        root: Folder that their paths are relative to.
        progress: Told of the beginning, and of every clip done.
        baseline_split: Clips of this split are no test: all of one speaker's, of the package's
            modality, become the baseline under which that speaker's other clips are estimated.
            None estimates every clip without a baseline.
        keep_going: Leave out what cannot be read and tell of it in the result, so that what was
            estimated is not lost; a speaker's rest must be whole all the same.

    Raises:
        DatasetError: A clip cannot be read, or has a rate or channels that the model cannot
            take; or none is fit, or none could be read.
        UnavailableError: What decodes a clip is not installed, unless it keeps going.
        ConfigError: The model knows no baseline, or a speaker's rest cannot be used.
    """
    every = list(clips)
    resting, scored = _split_off(every, baseline_split, package.modality)
    fit = _fit(scored, package)
    baselines = _baselines(estimator, resting, root)
    outcomes: list[Outcome] = []
    unread: list[EdgeEmoError] = []
    tell = progress or _tell_nobody
    tell(0, len(fit))
    for done, clip in enumerate(fit, start=1):
        estimator.adopt(baselines.get(clip.speaker or ""))
        try:
            outcomes.append(Outcome(clip, estimator.clip(_begun(estimator, clip, root))))
        except (DatasetError, UnavailableError) as error:
            if not keep_going:
                raise
            unread.append(error)
        tell(done, len(fit))
    if not outcomes:
        raise _all_unread(unread)
    words = [_words(error) for error in unread]
    return Run(outcomes, len(scored) - len(fit), len(baselines), words)


def _tell_nobody(done: int, total: int) -> None:
    pass


def _fit(clips: Sequence[Clip], package: ModelPackage) -> list[Clip]:
    fit = [clip for clip in clips if _is_fit(clip, package)]
    if not fit:
        raise DatasetError(
            f"none of {len(clips)} clips is a {package.modality} clip that {package.id} can judge",
            hint=f"its labels: {', '.join(package.labels)}",
        )
    return fit


def _baselines(
    estimator: Estimator, resting: Sequence[Clip], root: str | Path
) -> dict[str, Baseline]:
    """Return the baseline of each speaker."""
    return {
        speaker: _baseline(estimator, [clip for clip in resting if clip.speaker == speaker], root)
        for speaker in sorted({clip.speaker or "" for clip in resting} - {""})
    }


def _begun(estimator: Estimator, clip: Clip, root: str | Path) -> Chunk:
    """Decode a clip and have the estimator begin with it."""
    info, chunk = decode_clip(clip, root)
    try:
        estimator.start(info)
    except ConfigError as error:
        file = "" if clip.path is None else f"{Path(root) / clip.path}: "
        raise DatasetError(
            f"clip {clip.clip}: {file}{error.message}",
            hint="convert it to what the model takes, or take the clip out of the manifest",
        ) from error
    return chunk


def _all_unread(unread: Sequence[EdgeEmoError]) -> DatasetError:
    first = unread[0]
    return DatasetError(
        f"none of {len(unread)} clips could be read; the first: {first.message}", hint=first.hint
    )


def _words(error: EdgeEmoError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _split_off(
    clips: Sequence[Clip], split: str | None, modality: Modality
) -> tuple[list[Clip], list[Clip]]:
    """Return the clips of rest, of this modality alone, and those to be scored."""
    own = [clip for clip in clips if clip.modality == modality]
    resting = [clip for clip in own if split is not None and clip.split == split]
    if split is not None and not resting:
        raise DatasetError(
            f"no {modality} clip has the split {split!r}",
            hint=f"splits: {', '.join(sorted({clip.split or '' for clip in own}))}",
        )
    return resting, [clip for clip in clips if split is None or clip.split != split]


def _baseline(estimator: Estimator, resting: Sequence[Clip], root: str | Path) -> Baseline:
    estimator.adopt(None)
    windows = []
    for clip in resting:
        windows += estimator.windows_of(_begun(estimator, clip, root))
    return estimator.rest(windows)


def summarise(
    package: ModelPackage,
    ran: Run,
    runs_ns: Sequence[int],
    *,
    asked: str = "",
    backend: str = "",
    among: Sequence[str] = (),
) -> Report:
    """Compute the figures.

    Args:
        package: The package that ran.
        ran: What it said of each clip.
        runs_ns: Duration of each run of the model.
        asked: What the user named; the package's id when empty.
        backend: Name of the backend that ran.
        among: Labels that answers are taken among, as if the model had no others; all when empty.
            Valence, arousal and dominance stay what they are.
    """
    outcomes = ran.outcomes
    if among:
        outcomes = closed.among(outcomes, among)
    labelled = [one for one in outcomes if one.clip.label in package.labels]
    true = [one.clip.label or "" for one in labelled]
    guessed = [one.label for one in labelled]
    labels = package.labels
    p50, p95 = _percentiles_ms(runs_ns)
    return Report(
        model=asked or package.id,
        package=package.id,
        backend=backend,
        n=len(outcomes),
        n_left_out=ran.n_left_out,
        n_baselines=ran.n_baselines,
        accuracy=metrics.accuracy(true, guessed),
        accuracy_answered=metrics.accuracy_answered(true, guessed),
        unweighted_average_recall=metrics.unweighted_average_recall(labels, true, guessed),
        macro_f1=metrics.macro_f1(labels, true, guessed),
        weighted_f1=metrics.weighted_f1(labels, true, guessed),
        expected_calibration_error=_calibration_error(labelled),
        abstained=sum(one.label is None for one in outcomes) / len(outcomes),
        labels=labels,
        roc_auc=_area(labelled, labels[1]) if len(labels) == 2 else None,
        confusion=tuple(map(tuple, metrics.confusion(labels, true, guessed).tolist())),
        **_agreements(outcomes),
        inference_ms_p50=p50,
        inference_ms_p95=p95,
        multilabel=_multilabel(package, outcomes),
        **_intervals(labels, labelled),
        among=tuple(among) or None,
        n_unread=len(ran.unread),
        unread=tuple(ran.unread[:KEPT]),
    )


def _intervals(labels: Sequence[str], labelled: Sequence[Outcome]) -> dict[str, Any]:
    found = bootstrap(
        labels,
        [one.clip.label or "" for one in labelled],
        [one.label for one in labelled],
        [one.clip.speaker for one in labelled],
    )
    if found is None:
        return {}
    return {
        "accuracy_interval": found.accuracy,
        "unweighted_average_recall_interval": found.unweighted_average_recall,
        "macro_f1_interval": found.macro_f1,
        "interval_over": found.over,
    }


def _is_fit(clip: Clip, package: ModelPackage) -> bool:
    if clip.modality != package.modality:
        return False
    if clip.label in package.labels:
        return True
    wanted = _labels_of(clip, package)
    if wanted and any(wanted <= set(output.labels) for output in _tag_outputs(package)):
        return True
    return clip.label is None and any(getattr(clip, name) is not None for name in DIMENSIONS)


def _tag_outputs(package: ModelPackage) -> list[TensorSpec]:
    """Return the outputs with labels of which several may apply, the shortest list first."""
    others = [
        output
        for output in package.outputs
        if output.labels and not is_dimensional(output) and output != package.categories
    ]
    return sorted(others, key=lambda output: len(output.labels))


def _labels_of(clip: Clip, package: ModelPackage) -> Set[str]:
    """Return all labels that apply to a clip; empty when the manifest does not say."""
    if clip.votes is not None:
        return {name for name, weight in clip.votes.items() if weight > 0}
    return {clip.label} if clip.label and clip.label not in package.labels else set()


def _multilabel(package: ModelPackage, outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """Return the figures of the output that has all labels of the most clips."""
    known = [(one, wanted) for one in outcomes if (wanted := _labels_of(one.clip, package))]
    fitting = [
        (output, [(one, wanted) for one, wanted in known if wanted <= set(output.labels)])
        for output in _tag_outputs(package)
    ]
    output, pairs = max(fitting, key=lambda found: len(found[1]), default=(None, []))
    if output is None or not pairs:
        return None
    true = [wanted for _, wanted in pairs]
    tags = [one.prediction.tags.get(output.name) for one, _ in pairs]
    present = [set(found.present) if found else set() for found in tags]
    f1 = metrics.label_f1(output.labels, true, present)
    return {
        "output": output.name,
        "n": len(true),
        "n_left_out": len(known) - len(true),
        "macro_f1": sum(f1.values()) / len(f1),
        "micro_f1": metrics.micro_f1(true, present),
        "f1": f1,
    }


def _calibration_error(labelled: Sequence[Outcome]) -> float | None:
    answered = [one for one in labelled if one.prediction.posterior is not None]
    if not answered:
        return None
    sure = [one.prediction.posterior.confidence for one in answered if one.prediction.posterior]
    right = [one.label == one.clip.label for one in answered]
    return metrics.expected_calibration_error(sure, right)


def _area(labelled: Sequence[Outcome], positive: str) -> float | None:
    pairs = [
        (one.prediction.posterior[positive], one.clip.label == positive)
        for one in labelled
        if one.prediction.posterior is not None
    ]
    scores, truth = [score for score, _ in pairs], [is_it for _, is_it in pairs]
    return metrics.roc_auc(scores, truth)


def _agreements(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    figures: dict[str, float | None] = {}
    for name in DIMENSIONS:
        pairs = [(getattr(one.clip, name), getattr(one.prediction, name)) for one in outcomes]
        known = [(x, y) for x, y in pairs if x is not None and y is not None]
        reference, estimate = [x for x, _ in known], [y for _, y in known]
        figures[f"{name}_ccc"] = metrics.concordance(reference, estimate)
        figures[f"{name}_r"] = metrics.pearson(reference, estimate)
    return figures


def _percentiles_ms(runs_ns: Sequence[int]) -> tuple[float | None, float | None]:
    if not runs_ns:
        return None, None
    p50, p95 = np.percentile(np.asarray(runs_ns) / 1e6, [50, 95]).tolist()
    return p50, p95
