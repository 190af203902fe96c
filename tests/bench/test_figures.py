"""Tests of what is said of several rounds of a benchmark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Spread, percentile, ratios, spread


def test_a_spread_is_the_median_between_the_extremes() -> None:
    """The median is that of the rounds, whatever their order."""
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_noise_is_how_far_rounds_are_apart() -> None:
    """Rounds between half and one and a half of the median are apart by all of it."""
    assert spread([5.0, 10.0, 15.0]).noise == 1.0


@pytest.mark.parametrize(("percent", "value"), [(50, 50.0), (99, 99.0), (100, 100.0), (0, 1.0)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    """Of 1 to 100, the p-th percentile is p."""
    assert percentile([float(each) for each in range(100, 0, -1)], percent) == value


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_so_many_percent_are_not_above_a_percentile(values: list[float], percent: int) -> None:
    """At least so many percent of all values are not above the percentile."""
    found = percentile(values, percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)


def test_ratios_are_of_rounds_that_both_have() -> None:
    """A round in which one of the two failed has no ratio."""
    assert ratios([10.0, None, 30.0, 40.0], [5.0, 5.0, None, 10.0]) == [2.0, 4.0]
