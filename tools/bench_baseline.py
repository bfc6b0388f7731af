"""Does a baseline of rest help? Recall of held-out people and of places, one command.

    python tools/bench_baseline.py --have FOLDER [--write] [--only PART ...]

FOLDER holds manifests as ``edge-emo datasets prepare CORPUS ROOT --out FOLDER/CORPUS.jsonl`` writes
them: ravdess, emodb, nemo, ased, tess, fer2013plus. The packaged models are measured on people whom
they never met: the packages' own validation speakers, and whole corpora. FER2013 does not say who
is in a picture, so of faces only places can be measured. ``--write`` writes the figures and the
tables of ``docs/evidence/baselines.md``. Run it again whenever a package of voice or face changes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools" / "train"))
RESULTS = ROOT / "tools" / "fusion_study" / "baselines.json"
PAGE = ROOT / "docs" / "evidence" / "baselines.md"

from fusion_study import baselines, pages, places, unseen  # noqa: E402  # they read tools/train

from edge_emo.manifest import find_package  # noqa: E402

STRANGE = ("ravdess", "nemo", "ased", "tess")
COMMERCIAL = "voice-expression-commercial"


def people(have: Path) -> dict[str, Any]:
    """Measure baselines of people by voice."""
    package = find_package("voice").id
    answers = baselines.ask(package, unseen.voices(have), have)
    rows = {f"{package}, people held out of known corpora": baselines.study(answers)}
    for corpus in STRANGE:
        answers = baselines.ask(COMMERCIAL, unseen.labelled(have, corpus), have)
        rows[f"{COMMERCIAL}, {corpus}, never heard"] = baselines.study(answers)
    return rows


def voice_places(have: Path) -> dict[str, Any]:
    """Measure baselines of places by voice: simulated."""
    package = find_package("voice").id
    clips = unseen.voices(have)
    return {
        f"{package}: {name}": baselines.study(baselines.ask(package, clips, have, spoil), "place")
        for name, spoil in places.VOICE.items()
    }


def face_places(have: Path) -> dict[str, Any]:
    """Measure baselines of places by face: simulated."""
    package = find_package("face").id
    clips = unseen.faces(have)[::2]
    return {
        f"{package}: {name}": baselines.study(baselines.ask(package, clips, have, spoil), "place")
        for name, spoil in places.FACE.items()
    }


PARTS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "people": people,
    "voice_places": voice_places,
    "face_places": face_places,
}


def table(rows: Mapping[str, Any]) -> str:
    """Return the table of one part in Markdown."""
    lines = [
        "| package and clips | people | clips | recall % | with baseline % | gain, points [95 %] "
        "| rest % | calibration error | arousal r |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(name, row) for name, row in rows.items()]
    return "\n".join(lines)


def _line(name: str, row: Mapping[str, Any]) -> str:
    before, after = row["before"], row["after"]
    low, high = row["interval"]
    return (
        f"| {name} | {row['people'] or '–'} | {row['clips']} | {100 * before['recall']:.1f} "
        f"| {100 * after['recall']:.1f} "
        f"| {100 * row['gain']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] "
        f"| {100 * before['rest']:.0f} → {100 * after['rest']:.0f} "
        f"| {before['ece']:.3f} → {after['ece']:.3f} "
        f"| {_number(before['arousal_r'])} → {_number(after['arousal_r'])} |"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def strengths(results: Mapping[str, Any]) -> str:
    """Return the gain in points at each strength."""
    rows = [row for part in PARTS for row in results[part].items()]
    names = list(rows[0][1]["strengths"])
    lines = [f"| gain, points, at a strength of | {' | '.join(names)} |", "|---" * 5 + "|"]
    for name, row in rows:
        cells = [f"{100 * row['strengths'][strength]:+.1f}" for strength in names]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Measure what baselines of rest are worth.")
    parser.add_argument("--have", type=Path, required=True, help="folder of prepared manifests")
    parser.add_argument("--write", action="store_true", help="write figures and page")
    parser.add_argument("--only", nargs="*", choices=tuple(PARTS), help="the others stay")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if options.only is not None else {}
    for name, part in PARTS.items():
        if options.only is None or name in options.only:
            results[name] = part(options.have)
            print(table(results[name]))
    if options.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        tables = {name: table(results[name]) for name in PARTS}
        pages.fill(PAGE, {**tables, "strengths": strengths(results)})


if __name__ == "__main__":
    main()
