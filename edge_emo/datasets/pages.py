"""Pages of the documentation, made from the catalogue and its mapping tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_emo.datasets.catalogue import Corpus, corpora

_MAPPED = {
    "nexdata": '"0001" = "happy"                # without a table: the code behind T',
    "unidata": '"glad" = "joyfully"',
}
"""Corpora that can be read by a column-mapping file: a row of its labels."""
_MAPPING = """\
table = "dataset_info.csv"      # relative to ROOT
delimiter = ";"                 # sniffed when absent

[columns]                       # what is read: the table's column
path = "file"
label = "emotion"
speaker = "set_id"
text = "text"                   # gender, age, language and split may be named too

[labels]                        # a cell: the corpus's label
"""
_NOTE = (
    "<!-- Made by tools/dataset_pages.py from edge_emo/datasets/corpora; edit those, not this. -->"
)


def pages() -> dict[str, str]:
    """Return every page by file name: the comparison, and one page a corpus."""
    made = {f"{corpus.name}.md": page(corpus) for corpus in corpora().values()}
    return {"README.md": comparison(), **made}


def write_pages(folder: Path) -> int:
    """Write every page; return how many."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return len(made)


def comparison() -> str:
    """Return the table of all corpora."""
    lines = [
        "# Corpora",
        "",
        _NOTE,
        "",
        "`edge-emo datasets prepare NAME ROOT` turns a corpus that you have obtained, as it was",
        "published, into a manifest. Nothing is downloaded, and a corpus's licence binds what is",
        "trained on it: read it at its source. Numbers in the first column are those of the seed",
        "list; rows without one are what models of this project are trained on besides.",
        "",
        "| | corpus | modalities | size | emotions | dimensions | languages | people |"
        " commercial use | best for |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(corpus) for corpus in corpora().values()),
        "",
    ]
    return "\n".join(lines)


def page(corpus: Corpus) -> str:
    """Return the page of one corpus."""
    return "\n".join(_lines(corpus)) + "\n"


def _row(corpus: Corpus) -> str:
    cells = (
        str(corpus.number or ""),
        f"[{corpus.title}]({corpus.name}.md)",
        ", ".join(corpus.modalities),
        corpus.size,
        corpus.emotions,
        ", ".join(corpus.dimensions),
        ", ".join(corpus.languages),
        str(corpus.speakers or ""),
        "yes" if corpus.commercial else "no",
        corpus.best_for,
    )
    return "| " + " | ".join(cells) + " |"


def _lines(corpus: Corpus) -> Iterator[str]:
    yield from (f"# {corpus.title}", "", _NOTE, "")
    yield from (
        "```sh",
        f"edge-emo datasets {_command(corpus)}",
        "```",
        "",
    )
    yield from ("| | |", "|---|---|")
    for key, value in _facts(corpus):
        yield f"| {key} | {value} |"
    yield from ("", "## Layout", "", "```", *corpus.layout.strip("\n").split("\n"), "```", "")
    yield from _labels(corpus)
    if corpus.name in _MAPPED:
        yield from (
            "## Column-mapping file",
            "",
            "How a delivery is laid out:",
        )
        yield from ("", "```toml", *_MAPPING.split("\n")[:-1], _MAPPED[corpus.name], "```", "")
    yield from _listed("## Traps, and what the adapter does", corpus.traps)
    yield from _listed("## Not confirmed by a public source", corpus.unverified)
    yield from ("## Citation", "", corpus.citation)


def _command(corpus: Corpus) -> str:
    if corpus.name == "ser-datasets":
        return "list --index ROOT"
    more = " --columns mapping.toml" if corpus.name == "nexdata" else ""
    return f"prepare {corpus.name} ROOT{more}"


def _facts(corpus: Corpus) -> Iterator[tuple[str, str]]:
    yield "modalities", ", ".join(corpus.modalities)
    yield "size", corpus.size
    yield "emotions", corpus.emotions
    if corpus.dimensions:
        yield "dimensions", ", ".join(corpus.dimensions)
    yield "languages", ", ".join(corpus.languages) or "none, or not stated"
    if corpus.speakers:
        yield "people", str(corpus.speakers)
    yield "perspective", corpus.perspective.replace("+", ", ")
    yield "licence", corpus.licence
    yield "commercial use", "allowed" if corpus.commercial else "not allowed"
    yield "obtained from", corpus.obtain
    yield "parts", corpus.splits
    yield "split by", corpus.group
    yield "best for", corpus.best_for


def _labels(corpus: Corpus) -> Iterator[str]:
    if corpus.labels:
        yield from ("## Labels", "", "| its label | category |", "|---|---|")
        for native, category in corpus.labels.items():
            yield f"| {native} | {category or '– (kept without category)'} |"
        yield from (
            "",
            "`--label NATIVE=CATEGORY` changes a row; nothing after `=` is none.",
            "",
        )
    if corpus.own:
        yield from (f"Labels of its own, kept as they are: {', '.join(corpus.own)}.", "")
    if corpus.scale:
        scale = corpus.scale
        yield from ("## Dimensions", "")
        yield f"{scale.low:g} … {scale.high:g} becomes −1 … +1: {scale.words}."
        yield ""


def _listed(heading: str, lines: tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield from (heading, "", *(f"* {line[:1].upper()}{line[1:]}" for line in lines), "")
