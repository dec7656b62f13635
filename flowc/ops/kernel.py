"""What kernels are made of: stages over indices, reductions in a fixed order, checked indices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from flowc.errors import OpError, counted
from flowc.ir.core import Block, Op, Value, close
from flowc.ir.data import Number
from flowc.ir.dims import Dim, dim, floor, most
from flowc.ir.types import DType, Type, below

INDEX_NAMES = "ijlmnopq"


class Build(Op, name="build"):
    """A local buffer: its elements at the region's indices are the region's results.

    A result that is itself a tensor adds its axes.  Where an extent varies with
    an outer index, elements beyond it have no meaning.
    """

    body: Block
    level = "kernel"

    def infer(self) -> tuple[Type, ...]:
        domain = tuple(most(p.type.below) for p in self.body.params if p.type.below is not None)
        return tuple(Type(r.type.dtype, domain + r.type.shape) for r in self.body.results)


class Kernel(Build, name="kernel"):
    """Stored tensors, computed in one launch over the region's indices."""

    isolated = True


class Recurrence(Op, name="recurrence"):
    """Carried tensors of one shape, element by element through `steps`, in order or backwards, in one launch.

    `first` gives, at the indices of an element, the values carried into the first step.  `body` takes those indices, the
    step and the carried scalars and gives the next ones, then what it emits.  Results: of the carried tensors
    numbered `ends` the last; what was emitted, stacked at the step; of those numbered `began` what the steps began with, stacked.
    """

    steps: tuple[Dim, ...]
    first: Block
    body: Block
    backwards: bool = False
    ends: tuple[int, ...] = ()
    began: tuple[int, ...] = ()
    level = "kernel"
    isolated = True

    def infer(self) -> tuple[Type, ...]:
        carried = tuple(v.type for v in self.first.results)
        shape = tuple(p.type.below or 0 for p in self.first.params)
        taken = (*map(below, shape), below(self.steps[0]), *carried)
        if tuple(p.type for p in self.body.params) != taken or tuple(v.type for v in self.body.results[: len(carried)]) != carried:
            raise OpError("the body of a recurrence takes the indices, the step and what it carries, and gives the next of these")
        emits = [v.type for v in self.body.results[len(carried) :]] + [carried[n] for n in self.began]
        stacks = (Type(t.dtype, (self.steps[0], *shape)) for t in emits)
        return (*(Type(carried[n].dtype, shape) for n in self.ends), *stacks)

    @property
    def axes(self) -> tuple[Value, ...]:
        return self.body.params[: len(self.first.params)]

    @property
    def step(self) -> Value:
        return self.body.params[len(self.first.params)]

    @property
    def carries(self) -> tuple[Value, ...]:
        return self.body.params[len(self.first.params) + 1 :]


FOLDS = ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "dot", "lanes")
PAIRS = ("dot", "lanes")  # folds of two factors
LANES = 64  # partial results of an unordered fold
BLOCK = 65_536  # terms whose lanes are joined before the next block begins


class Reduce(Op, name="reduce"):
    """The region's results folded over its indices, in the order the fold fixes.

    dot: of two results x, y one chain `total = fma(x, y, total)` in increasing
    order of the indices, the last fastest, which continues `start` where given.
    Every other fold has one index: 64 lanes, lane = index mod 64, each in order, then
    the tree 32, 16, 8, 4, 2, 1; above 65,536 terms in blocks of that size, joined in order.
    lanes: like sum, of `fma(x, y, lane)`.  argmax, argmin: the i64 index of the first
    largest or smallest, of the first NaN where there is one; -1 where there are no terms.
    """

    fold: str
    body: Block
    start: tuple[Value, ...] = ()
    level = "kernel"

    def infer(self) -> tuple[Type, ...]:
        if self.fold not in FOLDS:
            raise OpError(f"reduce has no fold {self.fold}: its folds are {', '.join(FOLDS)}")
        if len(self.body.results) != (terms := 1 + (self.fold in PAIRS)):
            raise OpError(f"fold {self.fold} takes {counted(terms, 'result')} of its region, not {len(self.body.results)}")
        if self.fold != "dot" and len(self.body.params) != 1:
            raise OpError(f"fold {self.fold} has one index, not {len(self.body.params)}")
        return (Type(DType.i64 if self.fold.startswith("arg") else self.body.results[0].type.dtype),)


def start_of(fold: str, dtype: DType) -> Number:
    """What a fold begins with, and gives of no terms: 0 for sums (so a sum of -0.0 alone is 0.0), -inf or the least integer for max."""
    match fold:
        case "prod":
            return 1
        case "max" | "argmax":
            return -math.inf if dtype.is_float else False if dtype is DType.bool else dtype.limits()[0]
        case "min" | "argmin":
            return math.inf if dtype.is_float else True if dtype is DType.bool else dtype.limits()[1]
        case "all":
            return True
        case _:
            return 0


class Checked(Op, name="checked"):
    """An integer as an index below `bound`, negative ones from the end; else the run ends, telling `what`.

    Where one of `inside` is negative nobody asks for it: then it is any index, or 0.
    """

    value: Value
    bound: tuple[Dim, ...]
    what: str
    inside: tuple[Dim, ...] = ()
    level = "kernel"
    fails = True

    def infer(self) -> tuple[Type, ...]:
        (bound,) = self.bound
        return (below(bound),)


class Inside(Op, name="inside"):
    """Whether none of `dims` is negative."""

    dims: tuple[Dim, ...]
    level = "kernel"

    def infer(self) -> tuple[Type, ...]:
        return (Type(DType.bool),)


def axes(shape: Sequence[Dim], names: str = INDEX_NAMES) -> tuple[Value, ...]:
    """A fresh index for each axis."""
    return tuple(Value(below(n), None, names[a % len(names)]) for a, n in enumerate(shape))


def fold(by: str, extents: Sequence[Dim], term: Callable[..., Value | tuple[Value, Value]]) -> Value:
    """`term(k, ...)` folded over the box `extents`; all folds but dot run along its one row-major index."""
    if by == "dot" or len(extents) == 1:
        ks = tuple(Value(below(n), None, "klmnopq"[a]) for a, n in enumerate(extents))
        at = tuple(map(dim, ks))
    else:
        total: Dim = 1
        for n in extents:
            total = total * n
        ks = (Value(below(total), None, "k"),)
        at = unflattened(dim(ks[0]), extents)
    terms = term(*at)
    return Reduce(by, close(ks, terms if isinstance(terms, tuple) else (terms,))).result


def unflattened(position: Dim, extents: Sequence[Dim]) -> tuple[Dim, ...]:
    """The indices of the row-major `position` in a box."""
    found: list[Dim] = []
    for n in list(extents)[:0:-1]:
        rest = floor(position, n)
        found.append(position - rest * n)
        position = rest
    return (position, *found[::-1]) if extents else ()


def flattened(at: Sequence[Dim], extents: Sequence[Dim]) -> Dim:
    """The row-major position of an index in a box."""
    flat: Dim = 0
    for n, i in zip(extents, at, strict=True):
        flat = flat * n + i
    return flat
