"""What is provable of index expressions under what is known where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from flowc.ir.dims import Dim, at_least

FACTS = 12  # of the conditions around a read, the nearest are tried
TOGETHER = 2  # how many of them at once


def proof(d: Dim, facts: Sequence[Dim]) -> tuple[Dim, ...] | None:
    """The fewest facts, each known not to be negative, from which `d >= 0` follows; None where no proof is found."""
    near = list(dict.fromkeys(facts))[-FACTS:]
    for count in range(TOGETHER + 1):
        for chosen in combinations(near, count):
            rest = d
            for fact in chosen:
                rest = rest - fact
            if at_least(rest, 0):
                return chosen
    return None
