from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.fusion.divergence import DIMENSIONS, MEDIAN_GAP, calibrated, divergence
from edge_emo.types import Affect, Posterior


def affect(valence: float | None, arousal: float | None, dominance: float | None = None) -> Affect:
    return Affect(Posterior(("a",), (1.0,)), "a", 1.0, valence, arousal, dominance, 0.0, 0)


@pytest.mark.parametrize(
    ("expressed", "felt", "expected"),
    [
        (affect(1.0, 1.0), affect(-1.0, -1.0), 1.0),
        (affect(0.3, None), affect(0.3, 0.9), 0.0),
        (affect(0.5, None), affect(None, 0.5), None),
        (None, affect(0.0, 0.0), None),
        (affect(0.0, 0.0), None, None),
    ],
)
def test_same_is_0_opposite_is_1_and_unknown_is_none(
    expressed: Affect | None, felt: Affect | None, expected: float | None
) -> None:
    assert divergence(expressed, felt) == expected


def test_every_set_of_dimensions_has_its_median() -> None:
    chosen = [c for n in (1, 2, 3) for c in itertools.combinations(DIMENSIONS, n)]
    assert sorted(MEDIAN_GAP) == sorted(chosen)


@pytest.mark.parametrize("names", list(MEDIAN_GAP))
def test_the_median_of_independent_people_is_one_half(names: tuple[str, ...]) -> None:
    far = 2 * MEDIAN_GAP[names]
    felt = affect(*((0.0 if name in names else None) for name in DIMENSIONS))
    expressed = affect(*((far if name in names else None) for name in DIMENSIONS))
    assert divergence(expressed, felt) == pytest.approx(0.5)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.01, 0.99))
def test_it_keeps_the_order_and_the_range(one: float, other: float, median: float) -> None:
    low, high = sorted((one, other))
    assert 0.0 <= calibrated(low, median) <= calibrated(high, median) + 1e-12 <= 1.0 + 1e-12
