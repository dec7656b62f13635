"""Values folded into the elements of a tensor at computed places: what scatters and counts are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from flowc.errors import OpError, counted
from flowc.ir.core import Block, Op, Value, body, indices
from flowc.ir.data import Number, Scalar
from flowc.ir.dims import Dim, at_least, dim, most, substitute
from flowc.ir.types import DType, Type, below
from flowc.ops.define import define, guarded, substituted, tensors
from flowc.ops.elementwise import add, cast, div, equal, less, maximum, minimum, mul, where
from flowc.ops.kernel import axes, flattened
from flowc.ops.tensor import Constant, Read, SizeValue, Tensor, constant, like

FOLDS = ("set", "sum", "prod", "max", "min")


class Slot(Op, name="slot"):
    """1 + an integer that is from 0 on and below `bound`; 0 for any other."""

    value: Value
    bound: tuple[Dim, ...]
    level = "kernel"

    def infer(self) -> tuple[Type, ...]:
        return (below(self.bound[0] + 1),)


class Accumulate(Tensor, name="accumulate"):
    """`result[place] = fold(result[place], value)` for each index of the region in row-major order, from `init` on.

    The region gives the value, then the place as an integer for each axis of `init`; a
    place outside of it is left out.  The order fixes the bits.  f16 and bf16 are folded in f32.
    """

    init: Value
    fold: str
    body: Block
    public = False
    indexed = False
    isolated = True
    narrow = True

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.init, *self.body.captured)

    @property
    def fails(self) -> bool:  # type: ignore[override]
        return any(op.fails for op in self.body.ops)

    def infer(self) -> tuple[Type, ...]:
        if self.fold not in FOLDS:
            raise OpError(f"accumulate has no fold {self.fold}: its folds are {', '.join(FOLDS)}")
        if other := next((p for p in self.body.params if p.type.below is None), None):
            raise OpError(f"accumulate runs over indices, and {other} is {other.type}")
        if len(self.body.results) != 1 + self.init.type.rank:
            wanted = counted(1 + self.init.type.rank, "result")
            raise OpError(f"accumulate into {self.init.type} takes {wanted} of its region, not {len(self.body.results)}")
        value, *places = self.body.results
        if value.type != self.init.type.element:
            raise OpError(f"accumulate into {self.init.type} takes {self.init.type.dtype.value} scalars, not {value.type}")
        if other := next((p for p in places if not (p.type.dtype.is_integer or p.type.dtype is DType.index) or p.type.rank), None):
            raise OpError(f"a place is an integer scalar, not {other.type}")
        if self.fold in ("sum", "prod") and value.type.dtype is DType.bool:
            raise OpError(f"accumulate takes numbers for {self.fold}, not bool")
        return (self.init.type,)

    def expand(self) -> Value | None:
        """In f32 what is folded in a narrower float; computed floats over a tensor of their own, so that they have a derivative."""
        dtype = self.init.type.dtype
        value, *places = self.body.results
        if dtype.is_narrow and self.fold != "set":
            wide = _region(self.body.params, (cast(value, DType.f32), *places))
            return cast(Accumulate(cast(self.init, DType.f32), self.fold, wide, location=self.location).result, dtype)
        if not dtype.is_float or self.source is not None:
            return None
        values = self.spread(value)
        read = Read(values, tuple(map(dim, self.body.params))).result
        return replace(self, body=_region(self.body.params, (read, *places))).result

    @property
    def source(self) -> Value | None:
        """The tensor that has the values at the region's indices, where they are the elements of one."""
        match self.body.results[0].op:
            case Read(tensor, at, ()) if at == tuple(map(dim, self.body.params)) and tensor is not self.init:
                return tensor if tensor.type.shape == self.reach else None
            case _:
                return None

    @property
    def reach(self) -> tuple[Dim, ...]:
        """The extents of the region's indices, whatever the indices around each are."""
        found: dict[Value, Dim] = {}
        for p in self.body.params:
            found[p] = substitute(most(p.type.below or 0), {v: n - 1 for v, n in found.items()})
        return tuple(found.values())

    def spread(self, element: Value) -> Value:
        """What is an element at the region's indices, as a tensor; 0 beyond them."""
        own = axes(self.reach)
        at = dict(zip(self.body.params, map(dim, own), strict=True))
        left = [substitute((p.type.below or 0) - 1 - dim(p), at) for p in self.body.params]
        return define(own, guarded(substituted(element, at), tuple(d for d in left if not at_least(d, 0))))

    def again(self, init: Value, fold: str, value: Value) -> Value:
        """Another value folded at the same places into another tensor."""
        params: dict[Value, Dim] = {}
        for p in self.body.params:
            params[p] = dim(Value(below(substitute(p.type.below or 0, params)), None, p.hint))
        own = tuple(v for d in params.values() for v in indices((d,)))
        return Accumulate(init, fold, _region(own, tuple(substituted(r, params) for r in (value, *self.body.results[1:])))).result

    def read(self, x: Value) -> Value:
        """The element of x, of the shape of `init`, at the place of a value; 0 where that is left out."""
        at, inside = self.places()
        return guarded(Read(x, at).result, inside)

    def places(self) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
        """Where a value belongs, as indices, and what is negative where it is left out."""
        at: list[Dim] = []
        inside: list[Dim] = []
        for place, n in zip(self.body.results[1:], self.init.type.shape, strict=True):
            match place.op:
                case SizeValue((d,)):
                    edges = (d, n - 1 - d)
                case Constant(value):
                    d = int(value.number)
                    edges = (d, n - 1 - d)
                case _:
                    d = dim(Slot(place, (n,)).results[0]) - 1
                    edges = (d,)
            at.append(d)
            inside += [e for e in edges if not at_least(e, 0)]
        return tuple(at), tuple(dict.fromkeys(inside))

    def gradient(self, g: Value) -> Sequence[Value | None] | None:
        source = self.source
        if self.expand() is not None or source is None:
            return None
        match self.fold:
            case "sum":
                of_init, of_values = g, self.spread(self.read(g))
            case "set":
                last = self.last()
                of_init = where(less(last, like(last, 0)), g, like(g, 0))
                of_values = self.spread(where(equal(self.read(last), self.number), self.read(g), like(g, 0)))
            case "max" | "min":
                first, own, count = self.tied()
                share = div(g, count)
                of_init = where(first, share, like(g, 0))
                of_values = self.spread(where(own, self.read(share), like(g, 0)))
            case _:
                raise self.no_derivative()
        return (of_init, *(of_values if v is source else None for v in self.body.captured))

    def tangent(self, *along: Value | None) -> Value | None:
        source = self.source
        moving = dict(zip(self.operands[1:], along[1:], strict=True)).get(source) if source is not None else None
        zero, at = like(self.init, 0), tuple(map(dim, self.body.params))
        init = along[0] if along[0] is not None else filled(self.init.type, 0)
        value = Read(moving, at).result if moving is not None else zero
        match self.fold:
            case "sum" | "set":
                return init if moving is None and self.fold == "sum" else self.again(init, self.fold, value)
            case "max" | "min":
                first, own, count = self.tied()
                shared = where(own, div(value, self.read(count)), zero)
                return self.again(where(first, div(init, count), zero), "sum", shared)
            case _:
                raise self.no_derivative()

    @property
    def number(self) -> Value:
        """The number of a value in row-major order."""
        return SizeValue((flattened(tuple(map(dim, self.body.params)), self.reach),), Type(DType.i64)).result

    def last(self) -> Value:
        """The number of the last value at each place, -1 where there is none."""
        return self.again(filled(replace(self.init.type, dtype=DType.i64), -1), "set", self.number)

    def tied(self) -> tuple[Value, Value, Value]:
        """Of the largest or smallest: where `init` is it, whether the region's value is it, and how many are, at each place."""
        first = equal(self.init, self.result)
        own = equal(self.body.results[0], self.read(self.result))
        return first, own, self.again(cast(first, self.init.type.dtype), "sum", cast(own, self.init.type.dtype))

    def no_derivative(self) -> OpError:
        return OpError("a product of values at places has no derivative yet", location=self.location)


class Fetch(Accumulate, name="fetch"):
    """`result[i]` = what the element at the place of index i holds before `accumulate` folds the value in; 0 where that is left out.

    Of integers: running counts, and the order that counting puts things in.
    """

    def infer(self) -> tuple[Type, ...]:
        (type,) = super().infer()
        if not type.dtype.is_integer:
            raise OpError(f"fetch takes integers, not {type.dtype.value}")
        return (Type(type.dtype, self.reach),)

    def expand(self) -> Value | None:
        return None


def fetch(init: Value, fold: str, extents: Sequence[Dim], element: Callable[..., tuple[Value, Sequence[Dim | Value]]]) -> Value:
    """What was at the places before, for all indices of a box."""
    op = accumulate(init, fold, extents, element).op
    assert isinstance(op, Accumulate)
    return Fetch(op.init, op.fold, op.body).result


def accumulate(init: Value, fold: str, extents: Sequence[Dim], element: Callable[..., tuple[Value, Sequence[Dim | Value]]]) -> Value:
    """`element(i, ...)`, a value and its place, folded into `init` for all indices of a box."""
    params = axes(extents)
    value, places = element(*map(dim, params))
    at = tuple(p if isinstance(p, Value) else i64(p) for p in places)
    return Accumulate(init, fold, _region(params, (value, *at))).result


def folded(fold: str, old: Value, value: Value) -> Value:
    """What an element becomes."""
    match fold:
        case "sum":
            return add(old, value)
        case "prod":
            return mul(old, value)
        case "max":
            return maximum(old, value)
        case "min":
            return minimum(old, value)
        case _:
            return value


def i64(d: Dim) -> Value:
    """A size or an index as an i64."""
    return constant(d, DType.i64) if isinstance(d, int) else SizeValue((d,), Type(DType.i64)).result


def filled(type: Type, value: Number) -> Value:
    """A number in every place."""
    return Constant(Scalar.of(value, type.dtype), type).result


def _region(params: tuple[Value, ...], results: tuple[Value, ...]) -> Block:
    return body(params, results, (), {v: None for r in results for v in tensors(r)})
