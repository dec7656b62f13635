"""Polynomials nearest to a function in the largest weighted error, with rounded coefficients, for flowc/ops/math.

Lawson's algorithm: least squares again and again, each time with more weight where the error was large; needs mpmath.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp

Real = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True)
class Problem:
    """The polynomial with these powers nearest to `f` on an interval, where an error counts `weight` times.

    `bits` are the significant bits of the coefficients, the last for all that follow.
    """

    f: Real
    powers: Sequence[int]
    interval: tuple[mp.mpf, mp.mpf]
    weight: Real
    bits: Sequence[int]


def solve(problem: Problem, rounds: int = 30) -> tuple[list[mp.mpf], mp.mpf]:
    """Rounded coefficients and their largest weighted error: each is rounded in turn, and those after it make up for that."""
    points = grid(problem.interval, 10 * (len(problem.powers) + 2))
    weights = [problem.weight(x) for x in points]
    rest, given = [problem.f(x) for x in points], list[mp.mpf]()
    for n, power in enumerate(problem.powers):
        best = lawson(rest, problem.powers[n:], points, weights, rounds if n == 0 else rounds // 2)
        given.append(nearest(best[0], problem.bits[min(n, len(problem.bits) - 1)]))
        rest = [v - given[-1] * x**power for x, v in zip(points, rest, strict=True)]
    error = lambda x: problem.f(x) - sum(c * x**p for c, p in zip(given, problem.powers, strict=True))  # noqa: E731
    return given, max(abs(error(x)) * problem.weight(x) for x in grid(problem.interval, 1999))


def lawson(f: Sequence[mp.mpf], powers: Sequence[int], points: Sequence[mp.mpf], weights: Sequence[mp.mpf], rounds: int) -> list[mp.mpf]:
    """Coefficients whose largest weighted error at the points is least, nearly."""
    rows = [[w * x**p for p in powers] for x, w in zip(points, weights, strict=True)]
    wanted = [w * v for v, w in zip(f, weights, strict=True)]
    stress, best = [mp.mpf(1)] * len(points), (mp.inf, list[mp.mpf]())
    for _ in range(rounds):
        found = least_squares(rows, wanted, stress)
        errors = [abs(v - sum(c * a for c, a in zip(found, row, strict=True))) for row, v in zip(rows, wanted, strict=True)]
        best = min(best, (max(errors), found), key=lambda pair: pair[0])
        raised = [s * e for s, e in zip(stress, errors, strict=True)]
        stress = [s / sum(raised) + mp.mpf(10) ** -30 for s in raised]
    return best[1]


def least_squares(rows: Sequence[Sequence[mp.mpf]], wanted: Sequence[mp.mpf], stress: Sequence[mp.mpf]) -> list[mp.mpf]:
    """Coefficients with the least sum of squared errors times `stress`."""
    n = len(rows[0])
    normal, right = mp.matrix(n, n), mp.matrix(n, 1)
    for i in range(n):
        column = [s * row[i] for s, row in zip(stress, rows, strict=True)]
        right[i] = mp.fdot(column, wanted)
        for j in range(i, n):
            normal[i, j] = normal[j, i] = mp.fdot(column, [row[j] for row in rows])
    return list(mp.lu_solve(normal, right))


def grid(interval: tuple[mp.mpf, mp.mpf], count: int) -> list[mp.mpf]:
    """Points that lie closer near the ends."""
    low, high = interval
    return [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / count) for i in range(count + 1)]


def nearest(x: mp.mpf, bits: int) -> mp.mpf:
    """`x` rounded to `bits` significant bits."""
    with mp.workprec(bits):
        return +x
