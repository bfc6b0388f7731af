"""From a corpus's folder to a checked manifest, in memory that does not grow with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.clips import Clip
from edge_emo.datasets.findings import Findings
from edge_emo.datasets.root import find_root
from edge_emo.datasets.tree import Tree
from edge_emo.datasets.writer import ManifestWriter, settled_path
from edge_emo.errors import DatasetError

_COUNTED = ("modality", "label", "language", "gender", "split")

Told = Callable[[int], None]
"""Called with the number of clips written so far."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a corpus is prepared.

    Attributes:
        modalities: Which clips are kept; empty for all.
        labels: Changes to the mapping table.
        strict: Whether anything that is wrong with the corpus is an error.
        verify: Whether every file is decoded, and left out when it cannot be.
        seed: Of the parts, where the corpus has none of its own.
    """

    modalities: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    verify: bool = False
    seed: int = 0


@dataclass(slots=True)
class Summary:
    """What was written.

    Attributes:
        corpus: Name of the corpus.
        root: Where it was found.
        manifest: The manifest.
        findings: What is wrong with the corpus.
        clips: How many clips.
        counts: Clips by modality, label, part, language and gender.
    """

    corpus: str
    root: Path
    manifest: Path
    findings: Findings
    clips: int = 0
    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {key: Counter() for key in _COUNTED}
    )

    def count(self, clip: Clip, about: Mapping[str, Any]) -> None:
        """Count one clip."""
        self.clips += 1
        counts = self.counts
        counts["modality"][clip.modality] += 1
        counts["label"][str(clip.label)] += 1
        counts["language"][str(clip.language)] += 1
        counts["gender"][str(about.get("gender"))] += 1

    def to_json(self) -> dict[str, Any]:
        """Return counts and findings."""
        return {
            "corpus": self.corpus,
            "clips": self.clips,
            "counts": {key: dict(counts) for key, counts in self.counts.items()},
            "findings": self.findings.to_json(),
        }


def about_path(manifest: str | Path) -> Path:
    """Return where what a manifest has no key for is kept, one JSON object a clip."""
    return Path(manifest).with_suffix(".about.jsonl")


def prepare(
    adapter: Adapter,
    given: str | Path,
    manifest: str | Path,
    options: Options | None = None,
    told: Told | None = None,
) -> Summary:
    """Write the manifest of a corpus, and beside it what its keys cannot hold.

    Paths in it are relative to the manifest. Samples and pictures that no decoder reads as
    they were published are made in a folder beside it, and not made again when they are there.
    Nothing is left half-written: the manifest appears when all of it is checked.

    Args:
        adapter: Reads the corpus.
        given: The corpus's folder, or one near it.
        manifest: File to write, ending in ``.jsonl``.
        options: How.
        told: Told of progress.

    Raises:
        DatasetError: The folder is not the corpus, it has no clip, two clips have one name, or,
            when strict, anything is wrong with it.
    """
    options, manifest = options or Options(), Path(manifest)
    root = find_root(adapter.corpus, given)
    tree = Tree(root, adapter.corpus, labels=options.labels)
    summary = Summary(adapter.name, root, manifest, tree.findings)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    part, about = (path.with_suffix(".part") for path in (manifest, about_path(manifest)))
    settled = settled_path(part)
    try:
        _write(adapter, tree, summary, options, (part, about), told)
        _check_whole(summary, tree, options)
        about.replace(about_path(manifest))
        part.replace(manifest)
    finally:
        for path in (part, about, settled):
            with suppress(FileNotFoundError):
                path.unlink()
    report = json.dumps(summary.to_json(), ensure_ascii=False, indent=1)
    manifest.with_suffix(".report.json").write_text(report + "\n", encoding="utf-8")
    return summary


def _write(
    adapter: Adapter,
    tree: Tree,
    summary: Summary,
    options: Options,
    paths: tuple[Path, Path],
    told: Told | None,
) -> None:
    with ManifestWriter(tree, summary.manifest, paths, options.seed, options.verify) as writer:
        for item in adapter.items(tree):
            if options.modalities and item.clip.modality not in options.modalities:
                continue
            clip = writer.write(item)
            if clip is not None:
                summary.count(clip, item.about)
                if told and summary.clips % 1000 == 0:
                    told(summary.clips)
    summary.counts["split"] = writer.settle()


def _check_whole(summary: Summary, tree: Tree, options: Options) -> None:
    findings = tree.findings
    if summary.clips == 0:
        raise DatasetError(
            f"{summary.root} has no clip of {tree.corpus.title}",
            hint="\n".join(findings.lines()) or tree.corpus.layout,
        )
    for modality, expected in tree.corpus.expected.items():
        found = summary.counts["modality"][modality]
        if found < expected and (not options.modalities or modality in options.modalities):
            words = f"{found} of the release's {expected} {modality} clips"
            findings.add("missing", summary.corpus, words)
    if options.strict and findings.counts:
        raise DatasetError(
            f"{summary.corpus}: {sum(findings.counts.values())} findings",
            hint="\n".join(findings.lines()),
        )
