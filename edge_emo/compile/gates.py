"""Whether a candidate may enter the package: figures measured, then rules applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile.samples import Samples
from edge_emo.estimators.calibration import expected_calibration_error, fit_temperature, softmax
from edge_emo.evaluation import metrics
from edge_emo.features.face_detector import Found, box_overlap, decode, detector_settings
from edge_emo.manifest import DIMENSIONS, ModelPackage, is_dimensional

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_LOST = 0.005
"""Greatest loss, 0 … 1, of the score and of each correlation: half a point."""
LEAST_KNOWN = 100
"""Fewer clips with a true value say too little of a correlation."""
FASTER = 0.9
"""A time counts as less below this share of the other: repeats differ by nearly as much."""
SAME_TEMPERATURE = 0.005
"""A refitted temperature that differs by less than this share is the former one."""
_LOWER = 0.5
"""Share of the threshold, and of what it leaves to 1, down to which the refitted one may lie."""
SMALLER, SAVED_BYTES = 0.95, 32768
"""A file counts as smaller below this share of the other, and when it saves so much: less room
than that buys nothing on any board, and int8 is never quite the float model."""
_OVERLAP = 0.4

Outputs = Mapping[str, "npt.NDArray[Any]"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one candidate.

    Attributes:
        target: Name of the target.
        kind: What it is: see ``targets.KINDS``.
        path: Its file.
        reason: Why it did not enter the package; empty when it did.
        in_float: Nodes that were left in float32.
        bytes: Size of its files.
        n: Clips, or inputs of a detector, that it was judged on.
        agreement: Share of clips whose top label, by name, is the float model's; of a
            detector, the share of faces that both find.
        score: Unweighted average recall of the clips with a label; of a detector, F1 of its
            faces against the true ones, or against the float model's where none are known; of
            landmarks, 1 less their mean distance from the true ones over that of the eyes.
        accuracy: Of the clips with a label; None of a detector.
        correlations: Pearson's r of the model's own valence, arousal and dominance with the true
            ones, where enough are known.
        calibration_error: Expected calibration error with ``temperature``; None of a detector.
        temperature: Refitted; None of a detector.
        threshold: Of a detector, refitted; None of others.
        p50_ms: Median time of one inference on one thread.
        p95_ms: 95th percentile.
        cpu_ms: Median processor time of one inference, by which candidates are compared: what
            else the machine does hardly touches it.
        peak_mb: The most memory that a process with nothing but this model held.
        worst_output_error: Root mean square error of the worst output against the float model,
            over that output's standard deviation.
    """

    target: str
    kind: str
    path: str
    reason: str = ""
    in_float: tuple[str, ...] = ()
    bytes: int = 0
    n: int = 0
    agreement: float | None = None
    score: float | None = None
    accuracy: float | None = None
    correlations: Mapping[str, float] = field(default_factory=dict)
    calibration_error: float | None = None
    temperature: float | None = None
    threshold: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    cpu_ms: float | None = None
    peak_mb: float | None = None
    worst_output_error: float | None = None

    @property
    def kept(self) -> bool:
        """True when it is in the package."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs of one model.

    Attributes:
        judged: For the validation inputs, by name of the output.
        held_out: For the inputs that temperatures are fitted on.
    """

    judged: Outputs
    held_out: Outputs


def measure(
    package: ModelPackage, samples: Samples, ours: Answers, theirs: Answers, blank: Figures
) -> Figures:
    """Compare a candidate's outputs with the float model's, and with the truth.

    Args:
        package: What both are of.
        samples: The validation inputs.
        ours: Of the float model.
        theirs: Of the candidate.
        blank: The candidate's figures so far.
    """
    error = max(_relative_error(ours.judged[k], theirs.judged[k]) for k in ours.judged)
    found = replace(blank, worst_output_error=round(error, 5))
    if package.task == "detect":
        return _measure_detector(package, samples, ours, theirs, found)
    if package.task == "landmarks":
        return _measure_landmarks(package, samples, ours, theirs, found)
    name = package.categories.name
    temperature = refitted(package.temperature, ours.held_out[name], theirs.held_out[name])
    before = clip_posteriors(ours.judged[name], samples.clips, package.temperature)
    after = clip_posteriors(theirs.judged[name], samples.clips, temperature)
    return replace(
        found,
        n=len(after),
        agreement=round(float((before.argmax(1) == after.argmax(1)).mean()), 5),
        temperature=temperature,
        correlations=_correlations(package, samples, theirs.judged),
        **_against_labels(package.labels, samples.labels, after),
    )


def disagreement(package: ModelPackage, ours: Outputs, theirs: Outputs) -> float:
    """Return how far a candidate's answers are from the float model's, 0 … 1, in its own task.

    The share of other top labels; of a detector, 1 less F1 of its faces; 0 of landmarks, whose
    outputs are compared themselves.
    """
    if package.task == "detect":
        return 1.0 - face_f1(_boxes(package, ours), _boxes(package, theirs))
    if package.task != "estimate":
        return 0.0
    name = package.categories.name
    return float((ours[name].argmax(axis=-1) != theirs[name].argmax(axis=-1)).mean())


def refitted(temperature: float, ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    """Return the temperature under which a candidate's posteriors are nearest to the float model's.

    The float model's own temperature was fitted on data that nobody trained on; calibration
    inputs have no such standing, so its posteriors are the targets and not the labels.

    Args:
        temperature: The float model's.
        ours: Its logits, shape (n, n_labels).
        theirs: The candidate's.
    """
    fitted = fit_temperature(theirs, softmax(ours, temperature))
    close = abs(fitted / temperature - 1.0) < SAME_TEMPERATURE
    return temperature if close else round(fitted, 3)


def clip_posteriors(
    logits: npt.NDArray[Any], clips: npt.NDArray[np.int64], temperature: float
) -> npt.NDArray[np.float64]:
    """Return the mean posterior of each clip's inputs, shape (n_clips, n_labels)."""
    return _clip_means(softmax(logits, temperature), clips)


def _clip_means(rows: npt.NDArray[Any], clips: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    sums = np.zeros((int(clips.max()) + 1, rows.shape[1]))
    np.add.at(sums, clips, rows)
    return np.asarray(sums / np.bincount(clips)[:, None])


def losses(candidate: Figures, base: Figures) -> dict[str, float]:
    """Return what a candidate loses of the float32 one's figures, in words, and how much, 0 … 1."""
    found = {}
    if candidate.score is not None and base.score is not None:
        found[f"{base.score * 100:.2f}"] = base.score - candidate.score
    for name, r in base.correlations.items():
        found[f"{r * 100:.2f} in r of {name}"] = r - candidate.correlations.get(name, 0.0)
    return found


def loses(candidate: Figures, base: Figures) -> bool:
    """Tell whether a candidate loses too much of one of the float32 one's figures."""
    return any(lost > MOST_LOST + 1e-9 for lost in losses(candidate, base).values())


def loss(candidate: Figures, base: Figures) -> str:
    """Return the greatest loss of the other one's figures in words; empty when it is allowed."""
    lost = losses(candidate, base)
    most = max(lost, key=lambda words: lost[words], default="")
    return f"loses {lost[most] * 100:.2f} points of {most}" if loses(candidate, base) else ""


def saves(candidate: Figures, base: Figures) -> bool:
    """Tell whether a candidate is smaller by as much as counts."""
    return candidate.bytes < min(SMALLER * base.bytes, base.bytes - SAVED_BYTES)


def rejection(candidate: Figures, base: Figures, *, timed: bool) -> str:
    """Return why a candidate may not enter beside the float32 one; empty when it may.

    Args:
        candidate: Measured.
        base: The float32 candidate of the same target.
        timed: Whether times say something of the device.
    """
    if not base.kept:
        return "there is no float32 file to judge it by"
    if candidate.score is None or base.score is None:
        return "there are no labels to judge it by"
    if lost := loss(candidate, base):
        return lost
    smaller = saves(candidate, base)
    if not smaller and not (timed and _is_faster(candidate, base)):
        return "neither faster nor smaller than float32"
    return ""


def outdone(candidate: Figures, others: Sequence[Figures], *, timed: bool) -> str:
    """Return which other candidate makes this one useless; empty when none does.

    That is one which is better in size or time, and not worse in the other by as much as counts.
    """
    for other in others:
        slower = timed and _is_faster(candidate, other)
        larger = other.bytes > candidate.bytes + SAVED_BYTES
        if other.path == candidate.path or slower or larger:
            continue
        if timed and _is_faster(other, candidate):
            return f"{other.path} is faster and not larger"
        if other.bytes < candidate.bytes:
            return f"{other.path} is smaller{' and not slower' if timed else ''}"
    return ""


def put_out(passed: Sequence[Figures], *, timed: bool) -> dict[str, str]:
    """Return why each candidate is useless beside the others, by its path; empty where it is not.

    Three can put each other out in a circle, as each differs little from the next; then the fastest
    stays.
    """
    reasons = {one.path: outdone(one, passed, timed=timed) for one in passed}
    if passed and all(reasons.values()):
        reasons[min(passed, key=lambda one: one.cpu_ms or 0.0).path] = ""
    return reasons


def _is_faster(one: Figures, other: Figures) -> bool:
    return bool(one.cpu_ms and other.cpu_ms and one.cpu_ms < FASTER * other.cpu_ms)


def _relative_error(wanted: npt.NDArray[Any], given: npt.NDArray[Any]) -> float:
    spread = float(wanted.std()) or 1.0
    return float(np.sqrt(((wanted.astype(np.float64) - given) ** 2).mean())) / spread


def _against_labels(
    names: Sequence[str], labels: Sequence[str | None], posteriors: npt.NDArray[np.float64]
) -> dict[str, Any]:
    known = [k for k, label in enumerate(labels) if label in names]
    if not known:
        return {}
    true = [str(labels[k]) for k in known]
    chosen = posteriors[known]
    guessed = [names[k] for k in chosen.argmax(axis=1)]
    right = [t == g for t, g in zip(true, guessed, strict=True)]
    recall = metrics.unweighted_average_recall(names, true, guessed)
    return {
        "score": None if recall is None else round(recall, 5),
        "accuracy": round(float(np.mean(right)), 5),
        "calibration_error": round(expected_calibration_error(chosen.max(axis=1), right), 5),
    }


def _correlations(package: ModelPackage, samples: Samples, outputs: Outputs) -> dict[str, float]:
    """Return r of each dimension that the model gives itself, over clips with a true value."""
    found: dict[str, float] = {}
    for spec in package.outputs if samples.values is not None else ():
        if not is_dimensional(spec):
            continue
        means = _clip_means(outputs[spec.name], samples.clips)
        for column, name in enumerate(spec.labels):
            assert samples.values is not None  # the loop is empty without
            true = samples.values[:, DIMENSIONS.index(name)]
            known = ~np.isnan(true)
            r = metrics.pearson(true[known], means[known, column])
            if known.sum() >= LEAST_KNOWN and r is not None:
                found[name] = round(r, 5)
    return found


def _measure_detector(
    package: ModelPackage, samples: Samples, ours: Answers, theirs: Answers, found: Figures
) -> Figures:
    threshold = refitted_threshold(package, ours.held_out, theirs.held_out)
    before, after = _boxes(package, ours.judged), _boxes(package, theirs.judged, threshold)
    truth = before if samples.faces is None else _true_boxes(samples)
    return replace(
        found,
        n=len(after),
        threshold=threshold,
        agreement=round(face_f1(before, after), 5),
        score=round(face_f1(truth, after), 5),
    )


def _measure_landmarks(
    package: ModelPackage, samples: Samples, ours: Answers, theirs: Answers, found: Figures
) -> Figures:
    name = package.outputs[0].name
    if samples.points is None:
        return replace(found, n=len(samples))
    truth, unit = samples.points[:, :-1], samples.points[:, -1]
    away = _distances(theirs.judged[name], truth) / unit
    apart = _distances(theirs.judged[name], ours.judged[name]) / unit
    return replace(
        found,
        n=len(away),
        agreement=round(1.0 - float(apart.mean()), 5),
        score=round(1.0 - float(away.mean()), 5),
    )


def _distances(ones: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the mean distance of the points of each row, (n,)."""
    gaps = (ones.astype(np.float64) - others).reshape(len(ones), -1, 2)
    return np.asarray(np.linalg.norm(gaps, axis=2).mean(axis=1))


def refitted_threshold(package: ModelPackage, ours: Outputs, theirs: Outputs) -> float:
    """Return the threshold at which a candidate finds as many faces as the float model.

    Args:
        package: A detector.
        ours: Maps of the float model by name, of n inputs.
        theirs: The candidate's.
    """
    own = detector_settings(package.features, package.id).threshold
    least, most = own * _LOWER, 1.0 - (1.0 - own) * _LOWER
    count = sum(len(found.scores) for found in _faces(package, ours))
    sure = [float(score) for found in _faces(package, theirs, least) for score in found.scores]
    scores = [most, *sorted((min(most, score) for score in sure), reverse=True), *[least] * count]
    above, below = scores[count], scores[count + 1] if count + 1 < len(scores) else least
    return own if below < own <= above else round((above + below) / 2, 3)


def _boxes(
    package: ModelPackage, outputs: Outputs, threshold: float | None = None
) -> list[npt.NDArray[Any]]:
    return [found.boxes for found in _faces(package, outputs, threshold)]


def _faces(package: ModelPackage, outputs: Outputs, threshold: float | None = None) -> list[Found]:
    settings = detector_settings(package.features, package.id)
    settings = replace(settings, threshold=threshold or settings.threshold)
    count = len(next(iter(outputs.values())))
    return [
        decode({name: maps[k : k + 1] for name, maps in outputs.items()}, settings)
        for k in range(count)
    ]


def _true_boxes(samples: Samples) -> list[npt.NDArray[Any]]:
    assert samples.faces is not None  # the caller asked
    rows = samples.faces
    corners = np.concatenate([rows[:, 1:3], rows[:, 1:3] + rows[:, 3:5]], axis=1)
    return [corners[rows[:, 0] == k].astype(np.float32) for k in range(len(samples))]


def face_f1(true: Sequence[npt.NDArray[Any]], found: Sequence[npt.NDArray[Any]]) -> float:
    """Return F1 of boxes, each matched with at most one true box by 0.4 of their union.

    Args:
        true: Boxes of each picture, shape (n, 4): left, top, right, bottom.
        found: Likewise, the surest first.
    """
    hits = sum(_hits(t, f) for t, f in zip(true, found, strict=True))
    total = sum(map(len, true)) + sum(map(len, found))
    return 2 * hits / total if total else 1.0


def _hits(true: npt.NDArray[Any], found: npt.NDArray[Any]) -> int:
    if not len(true) or not len(found):
        return 0
    shared = box_overlap(true, found)
    free = set(range(len(true)))
    hits = 0
    for column in range(len(found)):
        best = max(free, key=lambda row: shared[row, column], default=None)
        if best is not None and shared[best, column] >= _OVERLAP:
            free.discard(best)
            hits += 1
    return hits
