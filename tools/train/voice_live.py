r"""Measure a voice package as a session uses it: chunk by chunk, its windows and its utterances.

    python voice_live.py --data DATA --out models/voice-expression-small

The speakers are those that its temperature was fitted on, and on whom it was chosen how much more
the better windows of an utterance count; no network met them. Each clip is heard as a microphone
gives it, and followed by a pause in a room as quiet as its quietest moment, so that its last
utterance ends. The figures become a table of the package's card.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import export
import numpy as np
import numpy.typing as npt
import voice_score
from voice_heard import parser, quality, unseen_clips

from edge_emo.datasets.clips import Clip
from edge_emo.datasets.decode import decode_clip
from edge_emo.estimators.base import Estimator
from edge_emo.estimators.voice import is_utterance
from edge_emo.evaluation.evaluate import Outcome
from edge_emo.types import Chunk

TITLE = "As a live stream"
HEAD = (
    *("what", "number", "abstained", "quality"),
    *("unweighted average recall", "expected calibration error"),
)
CHUNK, PAUSE_S = 1024, 1.5
_TENTH = 1600


def main() -> None:
    """Measure one package."""
    given = parser(__doc__).parse_args()
    clips = unseen_clips(given.run, given.data)
    file = voice_score.FoldFile(given.out, "int8", "litert")
    heard = [one for clip in clips for one in live(file.estimator, clip, given.data)]
    windows = [outcome for outcome, whole in heard if not whole]
    whole = [outcome for outcome, whole in heard if whole]
    silent = {clip.clip for clip in clips} - {outcome.clip.clip for outcome in whole}
    rows = [row(file, "windows", windows), row(file, "utterances", whole)]
    export.add_table(given.out, _table(rows, len(clips), len(silent)))


def live(estimator: Estimator, clip: Clip, root: Path) -> Iterator[tuple[Outcome, bool]]:
    """Yield what is estimated of a clip, and whether it is of an utterance, not of a window."""
    info, chunk = decode_clip(clip, root)
    estimator.start(info)
    for piece in pieces(chunk):
        for features in estimator.features(piece):
            yield Outcome(clip, estimator.predict(features)), is_utterance(features)


def pieces(chunk: Chunk) -> Iterator[Chunk]:
    """Yield a clip and a pause behind it as a microphone gives them."""
    sound = np.concatenate([chunk.samples, pause(chunk.samples, round(PAUSE_S * chunk.rate_hz))])
    for first in range(0, len(sound), CHUNK):
        t_ns = chunk.t_ns + round(first * 1e9 / chunk.rate_hz)
        part = sound[first : first + CHUNK]
        yield dataclasses.replace(chunk, seq=chunk.seq + first, t_ns=t_ns, data=part)


def pause(samples: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """Return even noise as loud as the quietest tenth of a second, shape (length, channels)."""
    starts = range(0, max(1, len(samples) - _TENTH + 1), _TENTH)
    level = min(float(samples[s : s + _TENTH].std()) for s in starts)
    noise = np.random.default_rng(0).standard_normal((length, samples.shape[1]), np.float32)
    return np.asarray(level * noise, np.float32)


def row(
    file: voice_score.FoldFile, told: str, outcomes: Iterable[Outcome]
) -> list[str | int | float | None]:
    """Return a row under :data:`HEAD`: the figures of what was estimated of a live stream."""
    every = list(outcomes)
    estimated = [one for one in every if one.prediction.abstained is None]
    found = voice_score.report(file.package, told, estimated, file.model.runs_ns, "litert")
    return [
        told,
        len(every),
        1 - len(estimated) / len(every),
        quality(estimated),
        found["unweighted_average_recall"],
        found["expected_calibration_error"],
    ]


def _table(rows: list[list[Any]], clips: int, silent: int) -> dict[str, Any]:
    return {
        "title": TITLE,
        "what": f"{clips} clips of the speakers that its temperature was fitted on, int8 file on "
        "LiteRT, heard chunk by chunk with a pause behind each, as `voice_live.py` gives them. "
        "Recall is that of the windows and utterances that have an estimate; quality is the mean "
        "that they claim. The weights of an utterance's windows were chosen on the research "
        f"package's speakers too. {silent} clips had no utterance.",
        "head": HEAD,
        "rows": rows,
    }


if __name__ == "__main__":
    main()
