"""What is said of several rounds: medians, ranges, percentiles, ratios."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """The median of some rounds, and between what they were."""

    median: float
    low: float
    high: float

    @property
    def noise(self) -> float:
        """How far the rounds are apart, as a part of their median."""
        return (self.high - self.low) / self.median if self.median else 0.0


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of all are not above."""
    ranked = sorted(values)
    rank = -(-len(ranked) * percent // 100)  # rounded up
    return ranked[max(0, int(rank) - 1)]


def ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> list[float]:
    """Round by round, of the rounds that both have: their neighbours were as disturbed."""
    return [
        mine / other
        for mine, other in zip(ours, theirs, strict=False)
        if mine is not None and other
    ]
