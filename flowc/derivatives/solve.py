"""Which indices of a definition read element `p` of a tensor.

`x[m(i, k)]` is read for all (i, k) with `m(i, k) = p`.  `solve` turns these
equations round: a solved index is an expression in p, one that stays free is
summed over, and what is not sure to hold becomes a guard.  It never fails: an
equation that no rule solves is a guard itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd

from flowc.ir.core import Value, indices
from flowc.ir.dims import Dim, Floor, at_least, at_most, ceil, dim, divide, linear, only_atom, product, substitute
from flowc.ir.types import below


@dataclass
class Solution:
    """`solved` indices in terms of p and of the `free` ones; none of `inside` may be negative."""

    free: list[Value]
    solved: dict[Value, Dim] = field(default_factory=dict[Value, Dim])
    inside: list[Dim] = field(default_factory=list[Dim])
    equations: list[tuple[Dim, Dim]] = field(default_factory=list[tuple[Dim, Dim]])  # known side, side with free indices

    def unknown(self, d: Dim) -> list[Value]:
        return [v for v in dict.fromkeys(indices((d,))) if v in self.free]

    def computed(self, d: Dim) -> bool:
        """Whether `d` speaks of an index that is itself computed from free ones."""
        return any(v.op is not None and not v.op.free.isdisjoint(self.free) for v in indices((d,)))

    def assign(self, v: Value, d: Dim) -> None:
        """`v` is `d`; both ends of its range become guards."""
        self.inside += [d, _extent(v) - 1 - d]
        self.free.remove(v)
        swap = {v: d}
        for n, u in enumerate(self.free):
            extent = substitute(_extent(u), swap)
            if extent != _extent(u):
                self.free[n] = Value(below(extent), None, u.hint)
                swap[u] = dim(self.free[n])
        self.solved = {u: substitute(e, swap) for u, e in self.solved.items()} | swap
        self.equations = [(substitute(a, swap), substitute(b, swap)) for a, b in self.equations]
        self.inside = [substitute(e, swap) for e in self.inside]

    def fresh(self, extent: Dim, hint: str) -> Dim:
        """A new index to sum over; 0 where there is but one."""
        if extent == 1:
            return 0
        v = Value(below(extent), None, hint)
        self.free.append(v)
        return dim(v)


def solve(p: Sequence[Value], at: Sequence[Dim], unknown: Sequence[Value]) -> Solution:
    """The indices `unknown` for which `at` is `p`."""
    s = Solution([v for v in unknown if v.type.below != 1])
    s.equations = [(dim(a), m) for a, m in zip(p, at, strict=True)]
    while s.equations:
        n = min(range(len(s.equations)), key=lambda n: _effort(s, s.equations[n][1]))
        known, side = s.equations.pop(n)
        if not _lone(s, known, side) and not _floor(s, known, side) and not _sum(s, known, side):
            s.inside += [known - side, side - known]
    s.inside = [d for d in dict.fromkeys(s.inside) if not at_least(d, 0)]
    return s


def _extent(v: Value) -> Dim:
    return v.type.below if v.type.below is not None else 1


def _effort(s: Solution, side: Dim) -> int:
    """Lone indices first, then floors, then sums, computed ones last."""
    if s.computed(side):
        return 4
    match only_atom(side):
        case Value():
            return 0
        case Floor():
            return 1
        case _:
            return 3 if s.unknown(side) else 2


def _lone(s: Solution, known: Dim, side: Dim) -> bool:
    """p = i"""
    v = only_atom(side)
    if not isinstance(v, Value) or v not in s.free:
        return False
    s.assign(v, known)
    return True


def _floor(s: Solution, known: Dim, side: Dim) -> bool:
    """p = f // m: f = m*p + r with a new r below m; where f is read elsewhere the algebra finds r."""
    match only_atom(side):
        case Floor(of, by) if s.unknown(of) and not s.unknown(by) and not s.computed(of):
            free = [*s.free]
            solved = _sum(s, known * by + s.fresh(by, "r"), of)
            s.free = s.free if solved else free  # an index that no equation speaks of is not summed over
            return solved
        case _:
            return False


def _sum(s: Solution, known: Dim, side: Dim) -> bool:
    """p = u + c*(...) + rest: the index with step 1 is solved, by itself or together with a factor c of the others."""
    names = s.unknown(side)
    steps = {v: linear(side, v) for v in names}
    if not names or any(c is None or s.unknown(c) for c in steps.values()) or s.computed(side):
        return False
    choices: list[tuple[Dim, Value | None, Dim]] = []  # how many terms are left to sum, the index with step 1, the factor
    for v in names:
        if steps[v] in (1, -1):
            others = [u for u in names if u is not v]
            choices.append((product(map(_extent, others)), v, 1))
            factor = _factor([steps[u] for u in others], _extent(v)) if steps[v] == 1 else 1
            if others and factor != 1:
                choices.append((ceil(_extent(v), factor), v, factor))
    if not choices and (factor := _factor(list(steps.values()), 0)) != 1:
        choices.append((1, None, factor))
    if not choices:
        return False
    _, v, factor = next(c for c in choices if all(at_most(c[0], d[0]) or not at_most(d[0], c[0]) for d in choices))
    if factor == 1:
        assert v is not None
        step = steps[v] or 1
        s.assign(v, (known - side + step * dim(v)) * step)
        return True
    rest = side - dim(v) if v else side
    constant = substitute(rest, dict.fromkeys(names, 0))
    known, extent = known - constant, _extent(v) if v else 1
    round = s.fresh(ceil(extent, factor), "q")
    s.equations.append((known // factor - round, divide(rest - constant, factor)[0]))
    if v:
        s.assign(v, known % factor + round * factor)
    else:
        s.inside.append(-(known % factor))
    return True


def _factor(steps: Sequence[Dim | None], extent: Dim) -> Dim:
    """What divides every step: the extent of the index beside them where that does, as in a join of axes."""
    if extent not in (0, 1) and all(divide(c, extent)[1] == 0 for c in steps if c is not None):
        return extent
    if all(isinstance(c, int) for c in steps):
        return gcd(*(c for c in steps if isinstance(c, int))) or 1
    return steps[0] if len(steps) == 1 and steps[0] is not None and at_least(steps[0], 1) else 1
