"""Values of many examples at once: each with a leading axis along which they are independent.

Elementwise ops broadcast, products of matrices have one more leading axis, composites are
expanded, and every other op has its definition by one more index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flowc.errors import OpError
from flowc.ir.core import Block, Op, Value, body, derived_from, indices, needed, walk
from flowc.ir.dims import Dim, dim, substitute
from flowc.ir.rewrite import named
from flowc.ir.types import DType, Type, below
from flowc.ops.accumulate import Accumulate
from flowc.ops.control import Cond, DynamicSize, Loop, Scan
from flowc.ops.define import define, substituted, tensors
from flowc.ops.derivative import After, Custom, Remat
from flowc.ops.elementwise import where
from flowc.ops.kernel import axes
from flowc.ops.linalg import MatMul
from flowc.ops.pointwise import Elementwise
from flowc.ops.reduce import Any_, Sum
from flowc.ops.shape import Transpose, broadcast_to, reshape
from flowc.ops.tensor import Read, SizeValue, Tensor


def batched(ys: Sequence[Value], batch: Mapping[Value, Value]) -> tuple[Value, ...]:
    """`ys` of all examples, along a new axis 0, where the keys of `batch` are its values, which have that axis.

    Raises `OpError` for what cannot be done for many examples at once.
    """
    size = next(iter(batch.values())).type.shape[0]
    around = _Batch(size, batch)
    around.see(ys)
    return tuple(map(around.whole, ys))


class _Batch:
    """What is known of the values in a block: which have a batch axis, and then what they are with it."""

    def __init__(self, size: Dim, of: Mapping[Value, Value]) -> None:
        self.size, self.of = size, dict(of)
        self.known: dict[Value, bool] = dict.fromkeys(of, True)
        self.done: set[Op] = set()

    def see(self, ys: Sequence[Value]) -> None:
        """Looks into all that `ys` are computed from."""
        for value in needed(ys, self.known):
            self.known[value] = True
            op = value.op
            if op is None or op in self.done or not any(v in self.of for v in op.uses):
                continue
            self.done.add(op)
            with derived_from(op, ""):
                self.of.update((r, named(new, r.hint)) for r, new in zip(op.results, self.results(op), strict=True))

    def whole(self, v: Value) -> Value:
        """`v` with the batch axis, repeated along it where it is the same for all examples."""
        return self.of[v] if v in self.of else broadcast_to(v, (self.size, *v.type.shape))

    def lifted(self, v: Value, rank: int) -> Value:
        """`v` so that its batch axis, where it has one, stands before `rank` axes."""
        if v not in self.of:
            return v
        return reshape(self.of[v], (self.size, *(1,) * (rank - v.type.rank), *v.type.shape))

    def results(self, op: Op) -> Sequence[Value]:
        sizes = [d for ds in op.of_kind("dims").values() for d in ds] + [d for r in op.results for d in r.type.dims]
        if isinstance(op, DynamicSize) or any(v in self.of for v in indices(sizes)):
            raise OpError(f"{op.name} has a size that differs from example to example", location=op.location)
        match op:
            case Scan():
                return self.of_scan(op)
            case Loop():
                return self.of_loop(op)
            case Cond():
                return self.of_cond(op)
            case Custom():
                return self.of_custom(op)
            case Remat(block):
                inner = self.inside(block, {})
                return Remat(body((), tuple(map(inner.whole, block.results)), (), self.outside(block))).results
            case After(value, others):
                return [After(self.whole(value), tuple(self.of.get(v, v) for v in others)).result]
            case Tensor():
                return [self.of_tensor(op)]
            case _:
                raise OpError(f"{op.name} is done for one example, not for many at once", location=op.location)

    def of_tensor(self, op: Tensor) -> Value:
        if isinstance(op, Elementwise):
            return op.rebuild(lambda v: self.lifted(v, op.result.type.rank)).result
        if isinstance(op, MatMul):
            return self.of_matmul(op)
        expanded = op.expand()
        if expanded is not None:
            self.see([expanded])
            return self.whole(expanded)
        if isinstance(op, Accumulate):
            return self.of_accumulate(op)
        if not op.indexed:
            return self.one_by_one(op)
        b, *i = axes((self.size, *op.result.type.shape), "b" + "ijlmnopq")
        return define((b, *i), self.at(op.at(*map(dim, i)), b))

    def at(self, element: Value, b: Value, known: Mapping[Value, Value | Dim] | None = None) -> Value:
        """The element of example `b`."""

        def of_example(op: Op) -> Value | None:
            if isinstance(op, Read) and op.tensor in self.of:
                return Read(self.of[op.tensor], (dim(b), *op.at), op.inside).result
            return None

        return substituted(element, {**{v: v for v in self.of.values()}, b: b, **(known or {})}, of_example)

    def of_matmul(self, op: MatMul) -> Value:
        """Rows of all examples times one matrix are one product of matrices."""
        x, y = self.of.get(op.x), op.y
        if x is not None and y not in self.of and y.type.rank == 2 and not op.lanes:
            rows = reshape(x, (_product(x.type.shape[:-1]), x.type.shape[-1]))
            return reshape(MatMul(rows, y).result, (self.size, *op.result.type.shape))
        return op.rebuild(lambda v: self.lifted(v, op.result.type.rank)).result

    def of_accumulate(self, op: Accumulate) -> Value:
        b = Value(below(self.size), None, "b")
        params: dict[Value, Dim] = {}
        for p in op.body.params:
            params[p] = dim(Value(below(substitute(p.type.below or 0, params)), None, p.hint))
        value, *places = (self.at(r, b, params) for r in op.body.results)
        results = (value, SizeValue((dim(b),), Type(DType.i64)).result, *places)
        own = (b, *(v for d in params.values() for v in indices((d,))))
        block = body(own, results, (), {v: None for r in results for v in tensors(r)})
        return replace(op, init=self.whole(op.init), body=block).result

    def one_by_one(self, op: Tensor) -> Value:
        """The op for one example after the other."""
        operands = [v for v in dict.fromkeys(op.operands) if v in self.of]
        slices = {v: Value(v.type, None, v.hint) for v in operands}
        t = Value(below(self.size), None, "b")
        result = op.rebuild(lambda v: slices.get(v, v)).result
        block = body((t, *slices.values()), (result,), (), op.uses)
        return Scan(tuple(self.of[v] for v in operands), (), (self.size,), block).result

    # Ops with regions

    def inside(self, block: Block, params: Mapping[Value, Value]) -> _Batch:
        """The values in a region, whose parameters `params` have the batch axis."""
        inner = _Batch(self.size, {v: self.of[v] for v in block.captured if v in self.of} | dict(params))
        inner.see(block.results)
        return inner

    def outside(self, *blocks: Block) -> tuple[Value, ...]:
        """What regions over the batch may capture."""
        return tuple(self.of.get(v, v) for block in blocks for v in block.captured)

    def moving(self, block: Block, params: Sequence[Value]) -> set[Value]:
        """The values in a region that differ from example to example where `params` do."""
        found = {*params, *(v for v in block.captured if v in self.of)}
        for op in block.ops:
            if not found.isdisjoint(op.uses):
                found.update(op.results)
        return found

    def carried(self, init: Sequence[Value], block: Block, carries: Sequence[Value], others: Sequence[Value] = ()) -> list[bool]:
        """Which carried values differ from example to example."""
        on = [v in self.of for v in init]
        while True:
            found = self.moving(block, [*others, *(c for c, moves in zip(carries, on, strict=True) if moves)])
            again = [moves or r in found for moves, r in zip(on, block.results, strict=False)]
            if again == on:
                return on
            on = again

    def param(self, v: Value) -> Value:
        """A parameter for `v` of all examples."""
        return Value(Type(v.type.dtype, (self.size, *v.type.shape)), None, v.hint)

    def of_scan(self, op: Scan) -> Sequence[Value]:
        own = [s for s, x in zip(op.slices, op.xs, strict=True) if x in self.of]
        on = self.carried(op.init, op.body, op.carries, own)
        params = {v: self.param(v) for v in (*own, *(c for c, moves in zip(op.carries, on, strict=True) if moves))}
        inner = self.inside(op.body, params)
        m = len(op.init)
        nexts = [inner.whole(r) if moves else r for r, moves in zip(op.body.results[:m], on, strict=True)]
        emits = [inner.of.get(r, r) for r in op.emits]
        block = body(tuple(params.get(p, p) for p in op.body.params), (*nexts, *emits), (), self.outside(op.body))
        xs = tuple(_swapped(self.of[x]) if x in self.of else x for x in op.xs)
        init = tuple(self.whole(v) if moves else v for v, moves in zip(op.init, on, strict=True))
        made = Scan(xs, init, op.steps, block, op.backwards, op.stacked, hints=op.hints).results
        stacks = [r in inner.of for r in op.emits] + (on if op.stacked else [])
        last = [r if moves else self._same(r) for r, moves in zip(made[:m], on, strict=True)]
        return [*last, *(_swapped(r) if moves else self._same(r) for r, moves in zip(made[m:], stacks, strict=True))]

    def _same(self, r: Value) -> Value:
        """What all examples share, for each of them: the op it comes from is another than that of one example."""
        return broadcast_to(r, (self.size, *r.type.shape))

    def of_loop(self, op: Loop) -> Sequence[Value]:
        if op.stacked:
            raise OpError(
                "the reverse derivative of a loop is not there for many examples at once", help="scan, or map before", location=op.location
            )
        carries = op.body.params
        on = self.carried(op.init, op.body, carries)
        asked = [p for p, moves in zip(op.condition.params, on, strict=True) if moves]
        apart = op.condition.results[0] in self.moving(op.condition, asked)
        if apart:
            _check_total(op, "a loop that ends at another round for another example goes on with all", op.body, op.condition)
            on = [True] * len(on)
        params = {c: self.param(c) if moves else c for c, moves in zip(carries, on, strict=True)}
        condition = self._condition(op, on, apart)
        inner = self.inside(op.body, {c: p for (c, p), moves in zip(params.items(), on, strict=True) if moves})
        nexts = [inner.whole(r) if moves else r for r, moves in zip(op.body.results, on, strict=True)]
        if apart:
            again = self.inside(op.condition, dict(zip(op.condition.params, params.values(), strict=True)))
            goes = again.of[op.condition.results[0]]
            nexts = [_chosen(goes, new, p) for new, p in zip(nexts, params.values(), strict=True)]
        block = body(tuple(params.values()), tuple(nexts), (), self.outside(op.body, op.condition))
        init = tuple(self.whole(v) if moves else v for v, moves in zip(op.init, on, strict=True))
        made = Loop(init, op.limit, condition, block, hints=op.hints).results
        return [r if moves else self._same(r) for r, moves in zip(made, on, strict=True)]

    def _condition(self, op: Loop, on: Sequence[bool], apart: bool) -> Block:
        """Whether any example goes on."""
        old = op.condition
        params = {p: self.param(p) if moves else p for p, moves in zip(old.params, on, strict=True)}
        inner = self.inside(old, {p: q for (p, q), moves in zip(params.items(), on, strict=True) if moves})
        goes = Any_(inner.of[old.results[0]], (0,)).result if apart else old.results[0]
        return body(tuple(params.values()), (goes,), (), self.outside(old))

    def of_cond(self, op: Cond) -> Sequence[Value]:
        sides = (op.then, op.orelse)
        inner = [self.inside(side, {}) for side in sides]
        if op.which not in self.of:
            blocks = [body((), tuple(map(i.whole, s.results)), (), self.outside(s)) for s, i in zip(sides, inner, strict=True)]
            return Cond(op.which, *blocks, hints=op.hints).results
        _check_total(op, "a condition that differs from example to example runs both sides", *sides)
        which = self.of[op.which]
        pairs = zip(*(tuple(map(i.whole, s.results)) for s, i in zip(sides, inner, strict=True)), strict=True)
        return [_chosen(which, a, b) for a, b in pairs]

    def of_custom(self, op: Custom) -> Sequence[Value]:
        params = {p: self.param(p) for p in op.backward.params}
        inner = self.inside(op.backward, params)
        found: list[Value] = []
        for f, d in zip(op.wanted, op.backward.results, strict=True):
            every = inner.whole(d)
            found.append(every if f in self.of else Sum(every, (0,)).result)
        block = body(tuple(params.values()), tuple(found), (), self.outside(op.backward))
        formals = tuple(self.of.get(f, f) for f in op.formals)
        return Custom(tuple(map(self.whole, op.primals)), formals, block, hints=op.hints).results


def _chosen(which: Value, x: Value, y: Value) -> Value:
    """For each example x where `which` holds, else y."""
    return where(reshape(which, (*which.type.shape, *(1,) * (x.type.rank - 1))), x, y)


def _swapped(x: Value) -> Value:
    """The first two axes the other way round."""
    return Transpose(x, (1, 0, *range(2, x.type.rank))).result


def _product(shape: Sequence[Dim]) -> Dim:
    total: Dim = 1
    for d in shape:
        total = total * d
    return total


def _check_total(op: Op, why: str, *blocks: Block) -> None:
    """Refuses ops that may end the run where they run for examples that do not need them."""
    for inner in (i for block in blocks for i in walk(block) if i.fails):
        notes = (("the op is made here", inner.location),) if inner.location is not None else ()
        raise OpError(f"{why}, and {inner.name} in it may end the run", notes, location=op.location)
