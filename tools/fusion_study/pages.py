"""Tables of the concepts page, generated from the results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fusion_study.votes import Votes

Results = Mapping[str, Any]


def table(results: Results) -> str:
    """Return the table of methods in Markdown."""
    lines = [
        "| method | parameters | KL [95 %] | JS | agreement % | accuracy % | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(name, row) for name, row in results["methods"].items()]
    lines.append(_line("*noise floor: half the raters for the other half*", results["noise_floor"]))
    people = 100 * results["people_accuracy"]
    lines.append(f"| *raters with both senses* | – | – | – | – | {people:.1f} | – |")
    return "\n".join(lines)


def _line(name: str, row: Mapping[str, Any]) -> str:
    low, high = row["interval"]["kl"]
    return (
        f"| {name} | {row['parameters']} | {row['kl']:.3f} [{low:.3f}, {high:.3f}] "
        f"| {row['js']:.3f} | {100 * row['agreement']:.1f} | {100 * row['accuracy']:.1f} "
        f"| {row['calibration']['votes']:.3f} |"
    )


def differences(results: Results, against: str, names: Iterable[str]) -> str:
    """Return a table of differences from one method, with intervals over actors."""
    lines = [f"| less {against} | KL [95 %] | agreement, points [95 %] |", "|---|---|---|"]
    for name in names:
        gaps = results["against"][against][name]
        kl = "{:+.4f} [{:+.4f}, {:+.4f}]".format(*gaps["kl"])
        agreement = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(100 * v for v in gaps["agreement"]))
        lines.append(f"| {name} | {kl} | {agreement} |")
    return "\n".join(lines)


def subsets(results: Results) -> str:
    """Return a table of KL and agreement for each subset of the senses."""
    lines = ["| head | voice | face | both |", "|---|---|---|---|"]
    for name, rows in results["subsets"].items():
        cells = [
            f"{rows[s]['kl']:.3f} / {100 * rows[s]['agreement']:.1f}" if s in rows else "–"
            for s in ("voice", "face", "both")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def calibrations(results: Results) -> str:
    """Return calibration errors of the packaged heads against three truths."""
    lines = ["| head | votes | majority | intended |", "|---|---|---|---|"]
    for name, row in results["methods"].items():
        if name.endswith("any subset"):
            errors = row["calibration"]
            cells = " | ".join(f"{errors[k]:.3f}" for k in ("votes", "majority", "intended"))
            lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def fill(page: Path, parts: Mapping[str, str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end -->`` of each part."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text, count = pattern.subn(lambda m, part=part: m[1] + part + m[2], text)
        if count != 1:
            raise ValueError(f"{page.name} has {count} places for {name!r}")
    page.write_text(text, encoding="utf-8")


def write(folder: Path, results: Results, votes: Votes) -> None:
    """Fill the concepts page and draw its pictures."""
    from fusion_study import pictures

    methods = [name for name in results["methods"] if name != "full log-linear"]
    learned = methods[methods.index("product") + 1 :]
    fill(
        folder / "fusion.md",
        {
            "methods": table(results),
            "differences": differences(results, "full log-linear", learned),
            "winner": differences(
                results, "noisy channel", [n for n in learned if n.startswith("quantum")]
            ),
            "subsets": subsets(results),
            "calibration": calibrations(results),
        },
    )
    pictures.draw(folder, results, votes)
