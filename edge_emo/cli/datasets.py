"""Find corpora, prepare them as manifests, check their parts, and export them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_emo.cli import datasets_make as make
from edge_emo.datasets.adapter import ADAPTERS, known_corpus, make_adapter
from edge_emo.datasets.catalogue import Corpus, corpora, find
from edge_emo.datasets.check import check_manifests, table
from edge_emo.datasets.index import read_index
from edge_emo.datasets.prepare import Options, Summary, prepare
from edge_emo.errors import ConfigError, DatasetError
from edge_emo.say import say
from edge_emo.types import CATEGORIES, MODALITIES

HELP = "find, prepare, check and export corpora"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of this verb and their options."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, words, add, act in _ACTIONS:
        action = actions.add_parser(name, help=words, description=words)
        action.add_argument("--json", action="store_true", help="print JSON lines")
        add(action)
        action.set_defaults(act=act)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    act: Callable[[argparse.Namespace], int] = arguments.act
    return act(arguments)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--modality", choices=MODALITIES)
    parser.add_argument("--licence", help="commercial, research, or part of a licence's name")
    parser.add_argument("--dimension", choices=("valence", "arousal", "dominance"))
    parser.add_argument("--language", help="ISO 639-1 code")
    parser.add_argument("--label", choices=CATEGORIES)
    parser.add_argument("--perspective", choices=("expressed", "felt", "reader", "writer"))


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_filters(parser)
    parser.add_argument("--index", metavar="DIR", help="also what an index of corpora lists")


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name")


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name")
    parser.add_argument("root", help="the corpus's folder, as it was published")
    parser.add_argument(
        "--out", metavar="FILE", help="manifest to write, or the folder for NAME.jsonl"
    )
    parser.add_argument("--modality", action="append", choices=MODALITIES, help="keep only these")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NATIVE=CATEGORY",
        help="change the mapping table; nothing after = for no category",
    )
    parser.add_argument("--columns", metavar="FILE", help="column-mapping file")
    parser.add_argument("--seed", type=int, default=0, help="of parts that are not official")
    parser.add_argument("--strict", action="store_true", help="refuse a corpus with findings")
    parser.add_argument("--verify", action="store_true", help="decode every file; leave out bad")


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", nargs="+")
    parser.add_argument("--media", action="store_true", help="decode and compare sound, pictures")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=("speakers", "dialogues", "texts", "media", "windows"),
        help="report these overlaps without refusing",
    )


def _list(arguments: argparse.Namespace) -> int:
    names = ("modality", "licence", "dimension", "language", "label", "perspective")
    for corpus in find(**{name: getattr(arguments, name) for name in names}):
        print(json.dumps(_plain(corpus)) if arguments.json else _line(corpus))
    if arguments.index:
        for entry in read_index(Path(arguments.index)):
            if entry.known_as is None and not arguments.json:
                print(f"{entry.title:<22} index   {entry.licence:<28.28} {entry.link}")
            elif arguments.json:
                print(json.dumps(entry._asdict()))
    plugins = [name for name in ADAPTERS.names() if name not in corpora()]
    for name in plugins:
        print(json.dumps({"name": name}) if arguments.json else f"{name:<22} plug-in")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    corpus = known_corpus(arguments.name)
    if arguments.json:
        print(json.dumps(_plain(corpus)))
        return 0
    for key, value in _plain(corpus).items():
        if value not in ("", 0, [], {}, None, False):
            words = ", ".join(value) if isinstance(value, list) else value
            words = _mapping(value) if isinstance(value, dict) else words
            print(f"{key:<14} {words}")
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    adapter = make_adapter(arguments.name, arguments.columns)
    options = Options(
        tuple(arguments.modality or ()),
        dict(_relabelled(text) for text in arguments.label),
        arguments.strict,
        arguments.verify,
        arguments.seed,
    )
    manifest = Path(arguments.out or ".")
    if manifest.suffix != ".jsonl":
        manifest = manifest / f"{adapter.name}.jsonl"
    told = _progress if sys.stderr.isatty() else None
    summary = prepare(adapter, arguments.root, manifest, options, told)
    _tell(summary, Path(arguments.root))
    print(json.dumps(summary.to_json()) if arguments.json else _counted(summary))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    checked = check_manifests(arguments.manifest, media=arguments.media)
    if arguments.json:
        print(json.dumps({**dataclasses.asdict(checked)}, default=dict))
    else:
        print(table(checked))
    refused = [
        overlap
        for overlap in checked.overlaps
        if not any(word in overlap.what for word in arguments.allow)
    ]
    for overlap in checked.overlaps:
        say(overlap.words())
    if refused:
        raise DatasetError(
            f"parts overlap: {', '.join(sorted({overlap.what for overlap in refused}))}",
            hint="split by speaker or dialogue; --allow reports an overlap without refusing",
        )
    return 0


def _relabelled(text: str) -> tuple[str, str]:
    native, equals, category = text.partition("=")
    if not equals or (category and category not in CATEGORIES):
        raise ConfigError(
            f"--label {text!r} is not NATIVE=CATEGORY", hint=f"categories: {', '.join(CATEGORIES)}"
        )
    return native, category


def _tell(summary: Summary, given: Path) -> None:
    if summary.root.resolve() != given.resolve():
        say(f"the corpus begins at {summary.root}")
    for line in summary.findings.lines():
        say(line)


def _counted(summary: Summary) -> str:
    lines = [f"{summary.clips} clips in {summary.manifest}"]
    for key, counts in summary.counts.items():
        words = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        lines.append(f"{key:<10} {words}")
    return "\n".join(lines)


def _progress(done: int) -> None:
    print(f"\r{done} clips", end="", file=sys.stderr, flush=True)


def _line(corpus: Corpus) -> str:
    use = "commercial" if corpus.commercial else "research"
    modalities = ",".join(corpus.modalities)
    return f"{corpus.name:<22} {modalities:<17} {use:<11} {corpus.title}: {corpus.best_for}"


def _mapping(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} → {value or '–'}" for key, value in values.items())


def _plain(corpus: Corpus) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(corpus)))
    return values


_ACTIONS: tuple[
    tuple[
        str,
        str,
        Callable[[argparse.ArgumentParser], None],
        Callable[[argparse.Namespace], int],
    ],
    ...,
] = (
    ("list", "list the corpora of the catalogue", _add_list, _list),
    ("show", "show one corpus: licence, layout, labels, traps", _add_show, _show),
    ("find", "find corpora by modality, licence, dimension and more", _add_list, _list),
    ("prepare", "write the checked manifest of a corpus", _add_prepare, _prepare),
    ("check", "refuse overlap between parts, and print their balance", _add_check, _check),
    ("shards", "decode once into Parquet shards", make.add_shards, make.shards),
    ("mix", "mix corpora by a recipe, with what is there", make.add_mix, make.run_mix),
    ("parts", "write one manifest a part", make.add_parts, make.parts),
    ("sample", "draw a representative set for quantization", make.add_sample, make.sample),
    ("export", "write instruction data for language models", make.add_export, make.export),
)
