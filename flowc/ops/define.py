"""Definitions by index: a tensor given by one element; and what the elements of tensors are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flowc.ir.core import Block, Op, Value, body, close, indices, needed, retyped
from flowc.ir.dims import Dim, dim
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import Type
from flowc.ops.elementwise import where
from flowc.ops.kernel import Checked, Inside
from flowc.ops.tensor import Read, Tensor, like


class Define(Tensor, name="define"):
    """`result[i, j, ...]` = the region's result at its indices."""

    body: Block
    public = False
    isolated = True
    narrow = True

    @property
    def operands(self) -> tuple[Value, ...]:
        return tuple(self.body.captured)

    @property
    def moves(self) -> bool:  # type: ignore[override]
        return isinstance(self.body.results[0].op, Read)

    @property
    def fails(self) -> bool:  # type: ignore[override]
        return any(op.fails for op in self.body.ops)

    def infer(self) -> tuple[Type, ...]:
        return (Type(self.body.results[0].type.dtype, tuple(p.type.below or 0 for p in self.body.params)),)

    def at(self, *i: Dim) -> Value:
        return substituted(self.body.results[0], dict(zip(self.body.params, i, strict=True)))


def define(params: tuple[Value, ...], element: Value) -> Value:
    """The tensor with `element` at indices `params`."""
    return Define(body(params, (element,), (), dict.fromkeys(tensors(element)))).result


def substituted(element: Value, known: Mapping[Value, Value | Dim], rule: Callable[[Op], Value | None] = lambda op: None) -> Value:
    """`element` with indices or values replaced, and fresh indices in its regions."""
    kept = {v: v for v in tensors(element)}
    return _Fresh(rule, {**kept, **known}).settled(element)  # type: ignore[arg-type]


def guarded(element: Value, inside: tuple[Dim, ...]) -> Value:
    """`element` where none of `inside` is negative, else 0; nothing is read or checked there."""

    def guard(op: Op) -> Value | None:
        match op:
            case Read(tensor, at, own) if not set(inside) <= set(own):
                return Read(tensor, at, tuple(dict.fromkeys((*own, *inside)))).result
            case Checked(value, bound, what, own) if not set(inside) <= set(own):
                return Checked(value, bound, what, tuple(dict.fromkeys((*own, *inside)))).results[0]
            case _:
                return None

    if not inside:
        return element
    made = substituted(element, {v: v for v in indices(inside)}, guard)
    return made if isinstance(element.op, Read) else where(Inside(inside).result, made, like(element, 0))


def tensors(element: Value) -> dict[Value, None]:
    """The tensors an element reads, and sizes known only during the run, in order."""
    found: dict[Value, None] = {}
    seen: set[Value] = set()
    todo = [element]
    while todo:
        v = todo.pop()
        if v in seen or v.op is None:
            continue
        seen.add(v)
        if isinstance(v.op, Read):
            found[v.op.tensor] = None
            todo += indices(v.op.at + v.op.inside)
        elif v.op.level == "graph" and v.type.below is not None:
            found[v] = None
            continue
        else:
            spoken = (d for dims in v.op.of_kind("dims").values() for d in dims)
            todo += [u for u in (*v.op.operands, *indices(spoken)) if u.type.below is None or u.op is not None]
        for region in v.op.regions:
            todo += [u for p in region.params for u in indices(p.type.dims) if u.op is not None]
            todo += region.results
    return dict(reversed(found.items()))


def scalars(results: Sequence[Value]) -> list[Value]:
    """What the results are computed from, in order, down to reads and indices."""
    known: dict[Value, bool] = {t: False for r in results for t in tensors(r)}
    for value in needed(results, known):
        known[value] = True
    return [v for v, scalar in known.items() if scalar]


class _Fresh(Rewriter):
    """Gives the parameters of regions a new identity, so that an element can be used twice."""

    def block(self, old: Block, by_index: bool | None = None) -> Block:
        params = tuple(Value(retyped(p.type, self.index), None, p.hint) for p in old.params)
        self.done.update((p, q if q.type.below != 1 else dim(q)) for p, q in zip(old.params, params, strict=True))  # type: ignore[misc]
        self.done.update((q, q) for q in params)
        return close(params, tuple(self.settled(r) for r in old.results))
