"""The module fits how a cost grows with the number of members; it is pure."""

from collections.abc import Sequence
from itertools import pairwise
from math import log2
from typing import NamedTuple

import numpy as np

Points = Sequence[tuple[float, float]]
"""Members, and the cost of so many; ascending."""


class Doubling(NamedTuple):
    """A `Doubling` says by how much twice the members multiply a cost, between two sizes."""

    ratio: float
    smaller: int
    larger: int


def exponent(points: Points) -> float:
    """Return the b of the line a·N^b through the points: least squares of the logarithms.

    1 is linear growth. Raises ValueError for fewer than two points.
    """
    if len(points) < 2:
        raise ValueError("a line needs two points")
    members, costs = np.log(np.array(points, float)).T
    slope: float = np.polyfit(members, costs, 1)[0]
    return float(slope)


def worst_doubling(points: Points) -> Doubling:
    """Return the steepest step from one size to the next, as the ratio of a doubling."""
    return max(
        Doubling((more / cost) ** (1 / log2(larger / smaller)), int(smaller), int(larger))
        for (smaller, cost), (larger, more) in pairwise(points)
    )
