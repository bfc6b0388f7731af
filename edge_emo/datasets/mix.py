"""Recipes: several corpora as one training set, with what the user has of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO, Any, cast

from edge_emo.datasets.check import text_keys, with_about
from edge_emo.datasets.clips import Clip, clip_line, iter_clips, write_clips
from edge_emo.datasets.prepare import about_path
from edge_emo.errors import ConfigError, DatasetError
from edge_emo.vendor import toml

PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "trial"), "validation"),
    "test": "test",
}
"""Names that corpora give their parts."""

MOST = 512
"""Clips of a representative set at most."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One corpus of a recipe.

    Attributes:
        name: The corpus.
        weight: How often its clips are drawn, next to those of the others.
        modalities: Which of its clips are taken.
        missing: What it costs not to have it.
    """

    name: str
    weight: float
    modalities: tuple[str, ...]
    missing: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """Corpora, weights, balancing and augmentation.

    Attributes:
        name: Its name.
        title: Its name for people.
        why: What it is for.
        cap: How much more often the rarest label is drawn than its share, at most.
        augmentation: What training does to a clip, by modality, in words.
        corpora: Its ingredients.
    """

    name: str
    title: str
    why: str
    cap: float
    augmentation: Mapping[str, Sequence[str]]
    corpora: tuple[Ingredient, ...]


@dataclass(slots=True)
class Mixed:
    """What a recipe made of what was there.

    Attributes:
        used: Clips by corpus.
        parts: Clips by part.
        missing: Corpus and what its absence costs.
        dropped: Training texts left out since a test or validation text is nearly the same.
        weights: Weight of each corpus and label in training.
    """

    used: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    missing: dict[str, str] = field(default_factory=dict)
    dropped: int = 0
    weights: dict[str, dict[str, float]] = field(default_factory=dict)


@cache
def recipes() -> Mapping[str, Recipe]:
    """Return the recipes that are shipped."""
    folder = resources.files("edge_emo.datasets") / "recipes"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    read = (parse_recipe(file.read_text(encoding="utf-8"), file.name) for file in files)
    return {recipe.name: recipe for recipe in read}


def recipe_of(name: str) -> Recipe:
    """Return a shipped recipe, or read one of a TOML file.

    Raises:
        ConfigError: There is no such recipe, or the file is wrong.
    """
    if name.endswith(".toml"):
        try:
            return parse_recipe(Path(name).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name} cannot be read: {error}") from error
    if name not in recipes():
        raise ConfigError(f"there is no recipe {name!r}", hint=f"recipes: {', '.join(recipes())}")
    return recipes()[name]


def parse_recipe(text: str, where: str) -> Recipe:
    """Read a recipe's TOML.

    Raises:
        ConfigError: Not TOML, or a key is unknown or missing.
    """
    reader = toml()
    try:
        values = cast("dict[str, Any]", reader.loads(text))
        rows = [
            Ingredient(**{**row, "modalities": tuple(row["modalities"])})
            for row in values.pop("corpora", [])
        ]
        return Recipe(**values, corpora=tuple(rows))
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{where} is no recipe: {error}") from error


def mix(recipe: Recipe, have: str | Path, out: str | Path) -> Mixed:
    """Write one manifest a part, of the prepared manifests that are there.

    A training text that is nearly one of validation or test, of whichever corpus, is left out.
    Weights are written beside, since a manifest has no key for them.

    Args:
        recipe: The recipe.
        have: Folder of prepared manifests, ``NAME.jsonl``.
        out: Folder for ``train.jsonl``, ``validation.jsonl``, ``test.jsonl``, ``recipe.json``.

    Raises:
        DatasetError: None of its corpora is there, or a manifest is wrong.
    """
    have, out, mixed = Path(have), Path(out), Mixed()
    there = [row for row in recipe.corpora if (have / f"{row.name}.jsonl").is_file()]
    mixed.missing = {row.name: row.missing for row in recipe.corpora if row not in there}
    if not there:
        raise DatasetError(
            f"{have} has no corpus of {recipe.name}: {', '.join(mixed.missing)}",
            hint="edge-emo datasets prepare NAME ROOT --out FOLDER/NAME.jsonl",
        )
    out.mkdir(parents=True, exist_ok=True)
    kept = {key for row in there for key in _held_keys(row, have)}
    counts: dict[str, Counter[str]] = {}
    with _parts(out) as files:
        for row in there:
            for clip in _chosen(row, have, out):
                part = cast("str", clip.split)
                if part == "train" and _is_held(clip, kept):
                    mixed.dropped += 1
                    continue
                files[part].write(clip_line(clip, clip.clip))
                mixed.used[row.name] += 1
                mixed.parts[part] += 1
                if part == "train":
                    counts.setdefault(row.name, Counter())[str(clip.label)] += 1
    mixed.weights = _weights(there, counts, recipe.cap)
    _write_recipe(recipe, mixed, out)
    return mixed


@contextmanager
def _parts(out: Path) -> Iterator[dict[str, IO[str]]]:
    """Open a file for each part; they get their names at the end, and vanish on an error."""
    places = {part: out / f"{part}.part" for part in _NAMES}
    with ExitStack() as undo:
        for place in places.values():
            undo.callback(place.unlink, missing_ok=True)
        with ExitStack() as opened:
            yield {
                part: opened.enter_context(place.open("w", encoding="utf-8"))
                for part, place in places.items()
            }
        for part, place in places.items():
            place.replace(out / f"{part}.jsonl")


def write_parts(manifest: str | Path, out: str | Path) -> Counter[str]:
    """Write one manifest a part, ``PART.jsonl``; return the clips of each.

    What is known beside the manifest goes beside each part.

    Raises:
        DatasetError: The manifest is wrong, a clip has no part, or its part has a slash.
    """
    manifest, out = Path(manifest), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    before, after = manifest.parent.resolve(), out.resolve()
    files: dict[Path, IO[str]] = {}
    with ExitStack() as undo:
        with ExitStack() as stack:
            for clip, about in with_about(manifest):
                target = out / f"{_part_of(clip, manifest)}.jsonl"
                lines = {target: clip_line(rebased(clip, before, after), clip.clip)}
                if about:
                    row = json.dumps({"clip": clip.clip, **about}, ensure_ascii=False)
                    lines[about_path(target)] = f"{row}\n"
                for path, line in lines.items():
                    if path not in files:
                        undo.callback(path.with_suffix(".part").unlink, missing_ok=True)
                        file = path.with_suffix(".part").open("w", encoding="utf-8")
                        files[path] = stack.enter_context(file)
                    files[path].write(line)
                counts[target.stem] += 1
        for part in counts:
            about_path(out / f"{part}.jsonl").unlink(missing_ok=True)  # of a former run
        for path in files:
            path.with_suffix(".part").replace(path)
    return counts


def representative(
    manifest: str | Path, out: str | Path, *, count: int = MOST, seed: int = 0, part: str = "train"
) -> list[Clip]:
    """Write a balanced, seeded set of clips for quantization.

    Labels take turns, and speakers within a label; within a speaker the seed decides.

    Args:
        manifest: A prepared manifest.
        out: The manifest to write.
        count: How many clips, at most 512.
        seed: Of the order.
        part: Part that they are drawn from; clips without part count as every part.

    Raises:
        ConfigError: ``count`` is not 1 … 512.
        DatasetError: The manifest is wrong, or has no such clip.
    """
    if not 1 <= count <= MOST:
        raise ConfigError(f"a representative set has 1 … {MOST} clips, not {count}")
    by_label: dict[str, dict[str, list[Clip]]] = {}
    for clip in iter_clips(manifest):
        if clip.split is None or PARTS.get(clip.split, clip.split) == part:
            speakers = by_label.setdefault(str(clip.label), {})
            speakers.setdefault(str(clip.speaker), []).append(clip)
    turns = [_in_turn(list(map(_shuffled(seed), s.values()))) for _, s in sorted(by_label.items())]
    chosen = [clip for clip, _ in zip(_in_turn(turns), range(count), strict=False)]
    if not chosen:
        raise DatasetError(f"{manifest} has no clip of {part}")
    before, after = (Path(path).parent.resolve() for path in (manifest, out))
    moved = [rebased(clip, before, after) for clip in chosen]
    write_clips(out, moved)
    return moved


def rebased(clip: Clip, old: Path, new: Path) -> Clip:
    """Return a clip whose path is relative to another folder; both folders are resolved."""
    if clip.path is None:
        return clip
    path = Path(os.path.relpath(old / clip.path, new)).as_posix()
    return replace(clip, path=path)


_NAMES = ("train", "validation", "test")


def _part_of(clip: Clip, manifest: Path) -> str:
    if clip.split is None:
        raise DatasetError(f"{manifest}: clip {clip.clip} has no part")
    if "/" in clip.split:
        raise DatasetError(f"{manifest}: part {clip.split!r} cannot be a file's name")
    return clip.split


def _chosen(row: Ingredient, have: Path, out: Path) -> Iterator[Clip]:
    before, after = have.resolve(), out.resolve()
    for clip in iter_clips(have / f"{row.name}.jsonl"):
        if clip.modality in row.modalities:
            part = PARTS.get(clip.split or "train")
            if part is None:
                raise DatasetError(f"clip {clip.clip} is of an unknown part {clip.split!r}")
            yield rebased(replace(clip, split=part), before, after)


def _held_keys(row: Ingredient, have: Path) -> Iterator[int]:
    for clip in _chosen(row, have, have):
        if clip.split != "train" and clip.modality == "text":
            yield from text_keys(clip.text or "")


def _is_held(clip: Clip, held: set[int]) -> bool:
    return clip.modality == "text" and any(key in held for key in text_keys(clip.text or ""))


def _weights(
    there: Iterable[Ingredient], counts: Mapping[str, Counter[str]], cap: float
) -> dict[str, dict[str, float]]:
    """Weigh labels against their frequency within a corpus, no more than ``cap`` times."""
    weights: dict[str, dict[str, float]] = {}
    for row in there:
        labels = counts.get(row.name, Counter())
        total = sum(labels.values())
        weights[row.name] = {
            label: round(row.weight * min(cap, total / (len(labels) * count)), 4)
            for label, count in sorted(labels.items())
        }
    return weights


def _write_recipe(recipe: Recipe, mixed: Mixed, out: Path) -> None:
    values = {
        "recipe": recipe.name,
        "weights": mixed.weights,
        "augmentation": recipe.augmentation,
        "missing": mixed.missing,
        "used": mixed.used,
        "parts": mixed.parts,
        "dropped": mixed.dropped,
    }
    text = json.dumps(values, ensure_ascii=False, indent=1)
    (out / "recipe.json").write_text(text + "\n", encoding="utf-8")


def _shuffled(seed: int) -> Any:
    def key(clip: Clip) -> bytes:
        return hashlib.blake2b(f"{seed}:{clip.clip}".encode(), digest_size=8).digest()

    return lambda clips: sorted(clips, key=key)


def _in_turn(sources: Sequence[Iterable[Clip]]) -> Iterator[Clip]:
    waiting = [iter(source) for source in sources]
    while waiting:
        left = []
        for source in waiting:
            clip = next(source, None)
            if clip is not None:
                yield clip
                left.append(source)
        waiting = left
