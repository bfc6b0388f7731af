"""Tensors of a compiled file against the manifest's: at load, and at every run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from edge_emo.errors import ModelMismatchError
from edge_emo.manifest import TensorSpec

if TYPE_CHECKING:
    import numpy.typing as npt

Handle = TypeVar("Handle")

_HINT = "the file was made from another model: compile the package again, or reinstall it"


@dataclass(frozen=True, slots=True)
class FoundTensor(Generic[Handle]):
    """One tensor as the compiled file has it.

    Attributes:
        name: Its name in the file.
        shape: Size of each axis; −1 where the file leaves it open.
        dtype: NumPy's name of the element type.
        handle: What the backend needs to reach it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    handle: Handle


def match_tensors(
    where: str,
    declared: Sequence[TensorSpec],
    found: Sequence[FoundTensor[Handle]],
    *,
    ordered: bool = True,
) -> dict[str, Handle]:
    """Pair the manifest's tensors with the file's: by name where one agrees, the others by order.

    Args:
        where: File and direction, for the message: ``model.tflite inputs``.
        declared: Tensors of the manifest.
        found: Tensors of the file, in the order of its signature.
        ordered: False when the backend does not know that order: then a shape and dtype that
            no other tensor has identifies each.

    Returns:
        The backend's handle of each name of the manifest, in the manifest's order.

    Raises:
        ModelMismatchError: Number, shape or dtype differ, or two tensors cannot be told apart;
            names tensor, expected and found.
    """
    if len(declared) != len(found):
        raise ModelMismatchError(
            f"{where}: the manifest declares {_names(declared)}, the file has {_names(found)}",
            hint=_HINT,
        )
    named, rest = _by_name(declared, found)
    others = [spec for spec in declared if spec.name not in named]
    if not ordered and len(others) > 1:
        rest = [_only_one_like(where, spec, rest) for spec in others]
    named |= {spec.name: tensor for spec, tensor in zip(others, rest, strict=True)}
    for spec in declared:
        _check_tensor(where, spec, named[spec.name])
    return {spec.name: named[spec.name].handle for spec in declared}


def check_inputs(declared: Sequence[TensorSpec], given: Mapping[str, npt.NDArray[Any]]) -> None:
    """Check the arrays of one run.

    Raises:
        ModelMismatchError: A name is missing or unknown, or a shape or dtype is another.
    """
    if given.keys() != {spec.name for spec in declared}:
        raise ModelMismatchError(
            f"inputs are {', '.join(given) or 'none'}, the manifest declares {_names(declared)}"
        )
    for spec in declared:
        array = given[spec.name]
        if array.shape != spec.shape or array.dtype != spec.dtype:
            raise ModelMismatchError(
                f"input {spec.name}: expected {spec.dtype} {list(spec.shape)}, "
                f"found {array.dtype} {list(array.shape)}"
            )


def in_signature_order(names: Sequence[str]) -> list[str]:
    """Sort names that end in a number by that number: ``output_2`` before ``output_10``."""

    def key(name: str) -> tuple[str, int]:
        stem, digits = re.fullmatch(r"(.*?)(\d*)", name, re.DOTALL).groups()  # type: ignore[union-attr]  # it matches any text
        return stem, int(digits or 0)

    return sorted(names, key=key)


def _by_name(
    declared: Sequence[TensorSpec], found: Sequence[FoundTensor[Handle]]
) -> tuple[dict[str, FoundTensor[Handle]], list[FoundTensor[Handle]]]:
    """Return the tensors that bear a declared name, by it, and the others in their order."""
    names = {spec.name for spec in declared}
    named = {tensor.name: tensor for tensor in found if tensor.name in names}
    rest = [tensor for tensor in found if tensor.name not in names]
    return (named, rest) if len(named) + len(rest) == len(found) else ({}, list(found))


def _names(tensors: Sequence[TensorSpec] | Sequence[FoundTensor[Any]]) -> str:
    return ", ".join(tensor.name for tensor in tensors) or "none"


def _only_one_like(
    where: str, spec: TensorSpec, found: Sequence[FoundTensor[Handle]]
) -> FoundTensor[Handle]:
    alike = [tensor for tensor in found if _fits(spec, tensor)]
    if len(alike) == 1:
        return alike[0]
    raise ModelMismatchError(
        f"{where}: tensor {spec.name}: expected one {spec.dtype} {list(spec.shape)}, "
        f"found {len(alike)} and their names do not tell: {_names(found)}",
        hint="run it with another backend, such as --backend litert",
    )


def _fits(spec: TensorSpec, tensor: FoundTensor[Any]) -> bool:
    return (
        spec.dtype == tensor.dtype
        and len(spec.shape) == len(tensor.shape)
        and all(f in (-1, d) for d, f in zip(spec.shape, tensor.shape, strict=True))
    )


def _check_tensor(where: str, spec: TensorSpec, tensor: FoundTensor[Any]) -> None:
    if not _fits(spec, tensor):
        raise ModelMismatchError(
            f"{where}: tensor {spec.name} ({tensor.name} in the file): expected {spec.dtype} "
            f"{list(spec.shape)}, found {tensor.dtype} {list(tensor.shape)}",
            hint=_HINT,
        )
