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


def tracking(results: Results) -> str:
    """Return a table of trackers at each budget of false switches."""
    lines = [
        "| tracker | at most, per min | delay s | missed % | false per min | right % |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in results["tracking"].items():
        for budget, row in rows.items():
            if budget != "curve":
                lines.append(f"| {name} | {budget} | {_tracked(row)} |")
    return "\n".join(lines)


def _tracked(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "– | – | – | –"
    return (
        f"{row['delay_s']:.2f} | {100 * row['missed']:.0f} | {row['false_per_min']:.1f} "
        f"| {100 * row['right']:.0f}"
    )


def broken(results: Results) -> str:
    """Return a table of how broken modalities are noticed."""
    lines = [
        "| modalities | broken | noticed within 30 s, % | median s | healthy one blamed, % |",
        "|---|---|---|---|---|",
    ]
    for key, rows in results["broken"].items():
        for fault, row in rows.items():
            noticed = f"{100 * row['noticed']:.0f}" if "noticed" in row else "–"
            median = "–" if row.get("median_s") is None else f"{row['median_s']:.0f}"
            others = f"{100 * row['others']:.0f}"
            lines.append(f"| {key} | {fault} | {noticed} | {median} | {others} |")
    return "\n".join(lines)


def broken_body(results: Results) -> str:
    """Return a table of how broken body signals are noticed."""
    lines = [
        "| signal | broken | streams | in doubt within 30 s, % | within 180 s, % | median s |",
        "|---|---|---|---|---|---|",
    ]
    for modality, rows in results["body"].items():
        for fault, row in rows.items():
            median = "–" if row["median_s"] is None else f"{row['median_s']:.0f}"
            shares = f"{100 * row['within_30_s']:.0f} | {100 * row['ever']:.0f}"
            lines.append(f"| {modality} | {fault} | {row['streams']} | {shares} | {median} |")
    return "\n".join(lines)


def latencies(results: Results) -> str:
    """Return a table of microseconds by method."""
    found = results["latency"]
    where = f"{found['processor']} ({found['machine']})"
    lines = [
        f"| µs on {where}, least / p50 / p95 | pool | whole update |",
        "|---|---|---|",
    ]
    for name, row in found["methods"].items():
        pool, update = row["pool"], row["update"]
        cells = " | ".join(
            " / ".join(str(part[key]) for key in ("least", "p50", "p95")) for part in (pool, update)
        )
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def monotone(results: Results) -> str:
    """Return a table of KL as a voice beside the face becomes fresher."""
    rows = results["monotone"]
    head = " | ".join(f"{row['voice']:g}" for row in rows)
    cells = " | ".join(f"{row['kl']:.3f}" for row in rows)
    return f"| weight of the voice | {head} |\n{'|---' * (len(rows) + 1)}|\n| KL | {cells} |"


def signs(results: Results) -> str:
    """Return a table of rank correlations of the signs of doubt."""
    words = {
        "conflict": "`conflict`",
        "entropy": "`entropy` of the default",
        "readout": "1 − largest probability of the default",
        "coherence": "`coherence` of the quantum state",
        "von_neumann": "von Neumann entropy of the quantum state",
    }
    truths = ("disagreement", "doubt", "error")
    lines = [
        "| rank correlation of … with … | disagreement of the senses "
        "| entropy of the votes of both senses | error of the default |",
        "|---|---|---|---|",
    ]
    for sign, text in words.items():
        cells = [f"{results['signs'][f'{sign}_{truth}']:.2f}" for truth in truths]
        lines.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def medians(results: Results) -> str:
    """Return a table of median gaps between independent people."""
    rows = results["divergence"].items()
    return "\n".join(
        [
            "| compared | median gap |",
            "|---|---|",
            *(f"| {name} | {gap:.4f} |" for name, gap in rows),
        ]
    )


def fill(page: Path, parts: Mapping[str, str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end -->`` of each part."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = pattern.subn(lambda m, part=part: m[1] + part + "\n" + m[2], text)
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
            "monotone": monotone(results),
            "tracking": tracking(results),
            "broken": broken(results),
            "broken-body": broken_body(results),
            "latency": latencies(results),
            "medians": medians(results),
            "signs": signs(results),
        },
    )
    pictures.draw(folder, results, votes)
