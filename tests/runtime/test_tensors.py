from __future__ import annotations

import pytest

from edge_emo.errors import ModelMismatchError
from edge_emo.manifest import TensorSpec
from edge_emo.runtime.tensors import FoundTensor, in_signature_order, match_tensors


def spec(name: str, *shape: int) -> TensorSpec:
    return TensorSpec(name, shape, "N" * len(shape), "float32")


def found(name: str, *shape: int) -> FoundTensor[str]:
    return FoundTensor(name, shape, "float32", handle=name)


def test_equal_names_win_over_order() -> None:
    pairs = match_tensors("f", [spec("a", 1), spec("b", 1)], [found("b", 1), found("a", 1)])
    assert pairs == {"a": "a", "b": "b"}


def test_other_names_are_taken_in_order() -> None:
    pairs = match_tensors("f", [spec("a", 1), spec("b", 1)], [found("y", 1), found("x", 1)])
    assert pairs == {"a": "y", "b": "x"}


@pytest.mark.parametrize("ordered", [True, False])
def test_a_name_that_agrees_wins_though_another_does_not(ordered: bool) -> None:
    declared, there = [spec("a", 1), spec("b", 1)], [found("b", 1), found("x", 1)]
    assert match_tensors("f", declared, there, ordered=ordered) == {"a": "x", "b": "b"}


def test_a_name_that_the_file_has_twice_tells_nothing() -> None:
    there = [FoundTensor("a", (1,), "float32", handle) for handle in (7, 8)]
    assert match_tensors("f", [spec("b", 1), spec("a", 1)], there) == {"b": 7, "a": 8}


def test_without_an_order_shapes_identify() -> None:
    declared, there = [spec("a", 1, 3), spec("b", 1, 1)], [found("y", 1, 1), found("x", 1, 3)]
    assert match_tensors("f", declared, there, ordered=False) == {"a": "x", "b": "y"}


def test_without_an_order_equal_shapes_are_refused() -> None:
    declared, there = [spec("a", 1), spec("b", 1)], [found("y", 1), found("x", 1)]
    with pytest.raises(ModelMismatchError, match="found 2 and their names do not tell: y, x"):
        match_tensors("f", declared, there, ordered=False)


def test_an_open_axis_takes_any_size() -> None:
    assert match_tensors("f", [spec("a", 1, 8)], [found("x", -1, 8)]) == {"a": "x"}


def test_another_number_of_tensors_is_refused() -> None:
    with pytest.raises(ModelMismatchError, match="declares a, the file has x, y"):
        match_tensors("f outputs", [spec("a", 1)], [found("x", 1), found("y", 1)])


def test_numbers_in_names_sort_as_numbers() -> None:
    names = ["output_10", "output_2", "output_0"]
    assert in_signature_order(names) == ["output_0", "output_2", "output_10"]
