"""Parts of a corpus: assigned by group with a seed, and left out one group at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from edge_emo.datasets.clips import Clip

T = TypeVar("T")

PARTS: Mapping[str, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""Share of the clips that each part gets where a corpus has no parts of its own."""


class Fold(NamedTuple):
    """One group held out."""

    held: Hashable
    train: list[Any]
    test: list[Any]


def group_of(clip: Clip, about: Mapping[str, Any], by: str) -> str | None:
    """Return what of a clip may not be in two parts; None when only the clip itself.

    Args:
        clip: The clip.
        about: What the corpus says of it beyond the manifest's keys.
        by: ``speaker``, ``dialogue`` or ``clip``; a ``group`` in ``about`` comes before it.
    """
    found = about.get("group")
    if found is None and by == "dialogue":
        found = about.get("dialogue")
    if found is None and by != "clip":
        found = clip.speaker
    return None if found is None else str(found)


def assign_parts(
    sizes: Mapping[str, int], seed: int = 0, parts: Mapping[str, float] = PARTS
) -> dict[str, str]:
    """Assign whole groups to parts, so that the parts' sizes come near their shares.

    Groups are taken in an order drawn from the seed. The last parts get one group each first,
    as far as groups suffice, then each group goes where most is lacking.

    Args:
        sizes: Clips of each group.
        seed: Of the order.
        parts: Share of each part, train first.
    """
    order = sorted(sizes, key=lambda group: _digest(seed, group))
    names = list(parts)
    total = sum(sizes.values())
    lacking = {name: share * total for name, share in parts.items()}
    first = list(reversed(names[1:]))[: max(0, len(order) - 1)]
    assigned = {}
    for number, group in enumerate(order):
        part = first[number] if number < len(first) else max(names, key=lacking.__getitem__)
        lacking[part] -= sizes[group]
        assigned[group] = part
    return assigned


def part_of_clip(name: str, seed: int = 0, parts: Mapping[str, float] = PARTS) -> str:
    """Return the part of a clip that belongs to no group, drawn from its name and the seed."""
    drawn = int.from_bytes(_digest(seed, name), "big") / 2.0**64
    for part, share in parts.items():
        drawn -= share
        if drawn < 0.0:
            return part
    return next(iter(parts))


def leave_one_out(clips: Sequence[T], group: Callable[[T], Hashable]) -> Iterator[Fold]:
    """Yield one fold a group, in sorted order; clips without group are always in training."""
    held = sorted({group(clip) for clip in clips if group(clip) is not None}, key=str)
    for name in held:
        train = [clip for clip in clips if group(clip) != name]
        yield Fold(name, train, [clip for clip in clips if group(clip) == name])


def _digest(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
