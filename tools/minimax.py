"""Polynomials nearest to a function in the largest weighted error, with rounded coefficients, for flowc/ops/math.

    python tools/minimax.py exp_f32      prints the coefficients and the error of one polynomial there; of all where none is named

Lawson's algorithm: least squares again and again, each time with more weight where the error was large; needs mpmath.
"""

from __future__ import annotations

import sys
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


# The polynomials.  Where a function is 0 / 0 at 0 it is taken a hair beside it, and an error relative to f has weight 1 / f.

TINY = mp.mpf(2) ** -100
SINGLE, DOUBLE = 24, 53


def problem(f: Real, low: float, high: float, degree: int, weight: Real, *bits: int) -> Problem:
    beside: Callable[[Real], Real] = lambda g: lambda x: g(x if abs(x) > TINY else TINY)  # noqa: E731
    return Problem(beside(f), range(degree + 1), (mp.mpf(low), mp.mpf(high)), beside(weight), bits)


def of_square(f: Real) -> Real:
    return lambda z: f(mp.sqrt(z))


def problems() -> dict[str, Problem]:
    erf, tanh, log1p = of_square(mp.erf), of_square(mp.tanh), mp.log1p
    half_ln2, low, high, quarter, s = 0.34675, mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, 0.6175, 0.02947  # ends, a little widened
    first = 2 / mp.log(2)
    curve: Real = lambda r: (mp.expm1(r) - r) / r**2  # noqa: E731
    sine: Real = lambda z: of_square(lambda f: mp.sinpi(f) / f)(z)  # noqa: E731
    atan, zero, centre = of_square(mp.atan), mp.findroot(mp.digamma, 1.46), mp.mpf(2.5)
    far: Real = lambda q: centre * (1 + q) / (1 - q)  # noqa: E731
    complement: Real = lambda q: (1 + 2 * far(q)) * mp.exp(far(q) ** 2) * mp.erfc(far(q))  # noqa: E731
    log_gamma: Real = lambda t: mp.loggamma(2 + t).real / t  # noqa: E731
    digamma: Real = lambda t: mp.digamma(mp.mpf("1.6") + t) / (mp.mpf("1.6") + t - zero)  # noqa: E731
    slope: Real = lambda z: of_square(lambda s: mp.log((1 + s) / (1 - s), 2) / s)(z)  # noqa: E731
    return {
        "exp_f32": problem(curve, -half_ln2, half_ln2, 5, lambda r: r**2 / mp.exp(r), SINGLE),
        "exp_f64": problem(curve, -half_ln2, half_ln2, 10, lambda r: r**2, DOUBLE),
        "tanh_f32": problem(lambda z: (tanh(z) / mp.sqrt(z) - 1) / z, 0, 1, 6, lambda z: z * mp.sqrt(z) / tanh(z), SINGLE),
        "log_f32": problem(lambda f: (log1p(f) - f) / f**2, low, high, 8, lambda f: abs(f**2 / log1p(f)), 1, SINGLE),
        "log_f64": problem(of_square(lambda s: (2 * mp.atanh(s) / s - 2) / s**2), 0, s, 6, lambda z: z / 2, DOUBLE),
        "erf_near_f32": problem(lambda z: erf(z) / mp.sqrt(z) - 1, 0, 1, 6, lambda z: mp.sqrt(z) / erf(z), SINGLE),
        "erf_far_f32": problem(lambda t: mp.erf(t + 2.1025390625), -1.1325390625, 1.8274609375, 14, lambda t: mp.mpf(1), SINGLE),
        "erf_near_f64": problem(lambda z: erf(z) / mp.sqrt(z) - 1, 0, 1, 11, lambda z: mp.sqrt(z) / erf(z), DOUBLE),
        "erf_tail_f64": problem(lambda t: -mp.log(mp.erfc(1 + t)), -0.0625, 4.95, 19, lambda t: mp.erfc(1 + t), DOUBLE),
        "half_turns_f32": problem(sine, 0, 0.3165, 5, lambda z: 1 / sine(z), DOUBLE),
        "sine_f64": problem(of_square(lambda r: (mp.sin(r) - r) / r**3), 0, quarter, 5, lambda z: z, DOUBLE),
        "cosine_f64": problem(lambda z: (of_square(mp.cos)(z) - 1 + z / 2) / z**2, 0, quarter, 5, lambda z: z**2, DOUBLE),
        "atan_f64": problem(lambda z: (atan(z) / mp.sqrt(z) - 1) / z, 0, 0.1722, 10, lambda z: z * mp.sqrt(z) / atan(z), DOUBLE),
        "erfc_f64": problem(complement, -2.06 / 2.94, 25.5 / 30.5, 22, lambda q: 1 / complement(q), DOUBLE),
        "lgamma_f64": problem(log_gamma, -0.753, 0.503, 22, lambda t: 1 / log_gamma(t), DOUBLE),
        "digamma_f64": problem(digamma, -0.653, 0.503, 23, lambda t: 1 / digamma(t), DOUBLE),
        "log2_f32": problem(lambda z: (slope(z) - first) / z, 0, s, 3, lambda z: z / first, DOUBLE),
        "log2_f64": problem(lambda z: ((slope(z) - first) / z - first / 3) / z, 0, s, 6, lambda z: z**2 / first, DOUBLE),
    }


if __name__ == "__main__":
    mp.mp.prec = 400
    for name, wanted in problems().items():
        if name in (sys.argv[1:] or [name]):
            coefficients, error = solve(wanted)
            print(f"{name}: error 2^{float(mp.log(error, 2)):.1f}\n    {', '.join(repr(float(c)) for c in coefficients)}", flush=True)
