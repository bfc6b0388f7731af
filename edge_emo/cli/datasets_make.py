"""The actions of ``edge-emo datasets`` that make something of prepared manifests."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from edge_emo.datasets.chat import TASKS, export_chat
from edge_emo.datasets.features import Parameters
from edge_emo.datasets.mix import MOST, mix, recipe_of, recipes, representative, write_parts
from edge_emo.datasets.shards import make_shards
from edge_emo.say import say


def add_shards(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``shards``."""
    parser.add_argument("manifest")
    parser.add_argument("folder", help="where shards go")
    parser.add_argument("--root", metavar="DIR", help="what paths are relative to")
    parser.add_argument(
        "--engine",
        default="processes",
        help="here, processes, processes:N, ray://host:port, ray:auto or ray:local:N",
    )
    for name, value in asdict(Parameters()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value, metavar="NUMBER")


def shards(arguments: argparse.Namespace) -> int:
    """Write Parquet shards."""
    parameters = Parameters(**{name: getattr(arguments, name) for name in asdict(Parameters())})
    made = make_shards(
        arguments.manifest,
        arguments.folder,
        root=arguments.root,
        parameters=parameters,
        engine=arguments.engine,
        told=_progress if sys.stderr.isatty() else None,
    )
    for shard in made:
        for reason in shard.failed:
            say(reason)
    facts = {
        "shards": len(made),
        "kept": sum(shard.kept for shard in made),
        "clips": sum(shard.clips for shard in made),
        "failed": sum(len(shard.failed) for shard in made),
        "seconds": round(sum(shard.seconds for shard in made), 3),
    }
    words = ", ".join(f"{key} {value}" for key, value in facts.items())
    print(json.dumps(facts) if arguments.json else words)
    return 0


def add_mix(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``mix``."""
    parser.add_argument("recipe", help=f"{', '.join(recipes())}, or a TOML file")
    parser.add_argument("have", help="folder of prepared manifests, NAME.jsonl")
    parser.add_argument("--out", required=True, metavar="DIR")


def run_mix(arguments: argparse.Namespace) -> int:
    """Mix corpora by a recipe."""
    mixed = mix(recipe_of(arguments.recipe), arguments.have, arguments.out)
    for name, cost in mixed.missing.items():
        say(f"missing: {name}: {cost}")
    if arguments.json:
        print(json.dumps(asdict(mixed)))
        return 0
    for key, counts in (("corpora", mixed.used), ("parts", mixed.parts)):
        print(f"{key:<10} {', '.join(f'{name} {count}' for name, count in counts.items())}")
    print(f"{'dropped':<10} {mixed.dropped} training texts that are nearly one of another part")
    return 0


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parts``."""
    parser.add_argument("manifest")
    parser.add_argument("--out", required=True, metavar="DIR")


def parts(arguments: argparse.Namespace) -> int:
    """Write one manifest a part."""
    counts = write_parts(arguments.manifest, arguments.out)
    words = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(json.dumps(counts) if arguments.json else words)
    return 0


def add_sample(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``sample``."""
    parser.add_argument("manifest")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--count", type=int, default=MOST, help=f"clips, at most {MOST}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="train")


def sample(arguments: argparse.Namespace) -> int:
    """Draw a representative set for quantization."""
    clips = representative(
        arguments.manifest,
        arguments.out,
        count=arguments.count,
        seed=arguments.seed,
        part=arguments.part,
    )
    print(json.dumps({"clips": len(clips)}) if arguments.json else f"{len(clips)} clips")
    return 0


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``export``."""
    parser.add_argument("manifest")
    parser.add_argument("--format", choices=("chat-jsonl",), default="chat-jsonl")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--task", action="append", choices=TASKS, help="all when absent")
    parser.add_argument("--part", help="only clips of this part")
    parser.add_argument(
        "--allow-restricted",
        action="store_true",
        help="also corpora whose licence does not let texts be passed on",
    )


def export(arguments: argparse.Namespace) -> int:
    """Export instruction data."""
    counts = export_chat(
        arguments.manifest,
        arguments.out,
        tasks=tuple(arguments.task or TASKS),
        part=arguments.part,
        allow_restricted=arguments.allow_restricted,
    )
    words = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(json.dumps(counts) if arguments.json else words)
    return 0


def _progress(done: int, total: int) -> None:
    ending = "\n" if done == total else ""
    print(f"\r{done} of {total} shards", end=ending, file=sys.stderr, flush=True)
