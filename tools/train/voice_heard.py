r"""Measure what a voice package tells after so many seconds of speech: what its quality claims.

    python voice_heard.py --data DATA --out models/voice-expression-small

The speakers are those that its temperature was fitted on; nothing else was. A clip is cut where
speech begins and again so many seconds later: what a live window holds that early. The figures
become a table of the package's card.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import export
import numpy as np
import numpy.typing as npt
import voice_score
from voice_corpora import TARGETS
from voice_mel import RANGE_NATS, SPEC

from edge_emo.datasets.clips import Clip
from edge_emo.evaluation.evaluate import Outcome
from edge_emo.features.audio import log_mel
from edge_emo.features.voice_functionals import loud

SECONDS = (1.0, 1.5, 2.0, 2.5, 3.0)
TITLE = "By seconds of speech heard"
_MARGIN_S = 0.05


def main() -> None:
    """Measure one package."""
    given = parser(__doc__).parse_args()
    clips = [begun(clip, given.data) for clip in unseen_clips(given.run, given.data)]
    file = voice_score.FoldFile(given.out, "int8", "litert")
    rows = [
        _row(told, file, [cut(clip, seconds) for clip in clips], given.data)
        for told, seconds in (*((f"{s:g} s", s) for s in SECONDS), ("all", np.inf))
    ]
    export.add_table(given.out, _table(rows, len(clips)))


def unseen_clips(run: str, data: Path) -> list[Clip]:
    """Return the clips of the speakers whom the package of a run never met."""
    corpora = ("emodb",) if run == "commercial" else TARGETS
    found = voice_score.unseen(run, voice_score.all_sounds(data), corpora)
    return [voice_score.manifest_clip(sound) for sound in found]


def begun(clip: Clip, root: Path) -> Clip:
    """Return a clip that begins where its speech does."""
    return dataclasses.replace(clip, start_s=onset_s(voice_score.read_wav(root / str(clip.path))))


def cut(clip: Clip, seconds: float) -> Clip:
    """Return a clip that ends so many seconds after it began, or with its file."""
    if not np.isfinite(seconds):
        return clip
    return dataclasses.replace(clip, end_s=(clip.start_s or 0.0) + seconds)


def onset_s(samples: npt.NDArray[np.int16]) -> float:
    """Return where speech begins, in seconds: a little before the first loud frame."""
    frames = log_mel(samples.astype(np.float32) / np.float32(32768), SPEC)
    loudness = np.maximum(frames, frames.max() - RANGE_NATS).mean(axis=1)
    first = int(np.argmax(loud(loudness)))
    return max(0.0, first * SPEC.hop / SPEC.rate_hz - _MARGIN_S)


def _row(
    told: str, file: voice_score.FoldFile, clips: list[Clip], root: Path
) -> list[str | float | None]:
    outcomes = file.outcomes(clips, root)
    found = voice_score.report(file.package, told, outcomes, file.model.runs_ns, "litert")
    return [
        told,
        quality(outcomes),
        found["unweighted_average_recall"],
        found["expected_calibration_error"],
        found["abstained"],
    ]


def quality(outcomes: Sequence[Outcome]) -> float | None:
    """Return the mean quality of the estimates that there are."""
    every = [o.prediction.quality for o in outcomes if o.prediction.abstained is None]
    return float(np.mean(every)) if every else None


def _table(rows: list[list[str | float | None]], clips: int) -> dict[str, Any]:
    return {
        "title": TITLE,
        "what": f"{clips} clips of the speakers that its temperature was fitted on, int8 file on "
        "LiteRT: each from where its speech begins, for so long or to its end, as `voice_heard.py` "
        "cuts them. Quality is the mean that the estimates claim.",
        "head": [
            "speech heard",
            "quality",
            "unweighted average recall",
            "expected calibration error",
            "abstained",
        ],
        "rows": rows,
    }


def parser(words: str | None) -> argparse.ArgumentParser:
    """Return the options: the corpora, the package, and the run that it holds."""
    found = argparse.ArgumentParser(
        description=words, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--data", type=Path, required=True)
    found.add_argument("--out", type=Path, required=True, help="the package")
    found.add_argument("--run", default="research", choices=("research", "commercial"))
    return found


if __name__ == "__main__":
    main()
