"""The meaning of graphs in numpy: what tests and `flowc test` compare with.

An op with a numpy meaning has that; any other what it expands to; the rest
element by element, over a grid of indices at once.  With `bits`, ops whose numpy
meaning need not have the bits of native code are expanded and computed by
element too, in the order their definitions fix, so that every bit is native's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar

import numpy as np

from flowc.errors import Diagnostic, OpError, RunError, counted
from flowc.ir.core import Block, Func, Module, Op, Value, indices, needed
from flowc.ir.dims import Dim, Floor, Least, Polynomial, Size, atoms, dim, evaluate, linear, show, substitute
from flowc.ir.narrow import as_stored
from flowc.ir.types import Type, below
from flowc.ops.accumulate import Accumulate, Fetch, Slot
from flowc.ops.control import Assert, CheckAtLeast, CheckEqual, Cond, DynamicSize, Loop, Scan, StateRead, StateWrite
from flowc.ops.derivative import After, Custom, Remat
from flowc.ops.folds import arg, blocks, product_sum, scattered
from flowc.ops.kernel import Checked, Inside, Reduce
from flowc.ops.narrow import widened, widens
from flowc.ops.pointwise import Elementwise
from flowc.ops.tensor import Array, Constant, Read, SizeValue, Tensor

T = TypeVar("T")
SIZE, INDEX, LIMIT, ASSERT = 1, 2, 3, 4  # codes of `RunError`
KINDS = {SIZE: "size out of range", INDEX: "index out of range", LIMIT: "limit reached", ASSERT: "assert failed"}


def run(func: Func, arrays: Sequence[Any], state: MutableMapping[str, Array] | None = None, bits: bool = False) -> list[Array]:
    """The results of a graph on arrays, its sizes read off them.

    Writes of state take effect at the end.  Raises `RunError` where a check
    fails, and then writes nothing.
    """
    given = [as_stored(a, p.type.dtype) for p, a in zip(func.body.params, arrays, strict=True)]
    machine = _Machine(bound(func, given), {} if state is None else state, bits)
    machine.values.update(zip(func.body.params, given, strict=True))
    for op in func.body.ops:
        if isinstance(op, CheckEqual | CheckAtLeast) and not any(indices(op.dims)):
            machine.op(op)  # what sizes must be is known before anything runs
    results = machine.block(func.body)
    if state is not None:
        state.update(machine.written)
    return results


def initial_state(module: Module) -> dict[str, Array]:
    """The first value of every state that has an initialiser."""
    state: dict[str, Array] = {}
    for func in module.funcs:
        if func.name == "init":
            run(func, (), state)
    return state


def bound(func: Func, arrays: Sequence[Array]) -> dict[Any, int]:
    """The named sizes of a graph; raises `RunError` where arrays disagree on one, or it is out of its range."""
    found: dict[Any, int] = {}
    for p, a in zip(func.body.params, arrays, strict=True):
        if a.ndim != p.type.rank:
            raise RunError(f"{p.hint} is {p.type}, and has {counted(p.type.rank, 'axis')}, not {a.ndim}", SIZE, 0, a.ndim, p.type.rank)
        for d, n in zip(p.type.shape, a.shape, strict=True):
            if isinstance(d, Polynomial):
                found.update(_solved(d, n, found))
    for p, a in zip(func.body.params, arrays, strict=True):
        for axis, (d, n) in enumerate(zip(p.type.shape, a.shape, strict=True)):
            wanted = evaluate(d, found)
            if wanted != n:
                raise RunError(f"axis {axis} of {p.hint} is {show(d)}, which is {wanted}, not {n}", SIZE, 0, n, wanted)
    for size, n in found.items():
        if n < size.low or size.high is not None and n > size.high:
            raise RunError(f"{size.name} is in {size.low}..{'' if size.high is None else size.high}, not {n}", SIZE, 0, n, size.low)
    return found


def _solved(d: Dim, n: int, known: Mapping[Any, int]) -> dict[Any, int]:
    """The one size still unknown in `d`, where `d` is linear in it, so that `d` is `n`."""
    d = substitute(d, known)
    sizes = list(dict.fromkeys(atoms(d)))
    if len(sizes) != 1 or not isinstance(sizes[0], Size):
        return {}
    slope = linear(d, sizes[0])
    return {sizes[0]: (n - evaluate(d, {sizes[0]: 0})) // slope} if isinstance(slope, int) else {}


class _Machine:
    """Values of a graph as they become known; `known` holds sizes and indices."""

    def __init__(self, known: dict[Any, int], state: Mapping[str, Array], bits: bool) -> None:
        self.known, self.state, self.bits = known, state, bits
        self.values: dict[Value, Array] = {}
        self.written: dict[str, Array] = {}

    def number(self, d: Dim) -> int:
        return evaluate(d, self.known)

    def block(self, block: Block) -> list[Array]:
        for op in block.ops:
            self.op(op)
        return [self.values[r] for r in block.results]

    def op(self, op: Op) -> None:
        match op:
            case Tensor():
                self.values[op.result] = self.tensor(op)
            case Cond(which, then, orelse):
                self.values.update(zip(op.results, self.block(then if self.values[which] else orelse), strict=True))
            case Loop():
                self.values.update(zip(op.results, self.loop(op), strict=True))
            case Scan():
                self.values.update(zip(op.results, self.scan(op), strict=True))
            case Remat(body):
                self.values.update(zip(op.results, self.block(body), strict=True))
            case Custom(primals):
                self.values.update((r, self.values[v]) for r, v in zip(op.results, primals, strict=True))
            case After(value):
                self.values[op.result] = self.values[value]
            case DynamicSize(count):
                self.known[op.results[0]] = int(self.values[count])
            case CheckEqual((a, b), what):
                self.check(op, SIZE, what, self.number(a) == self.number(b), self.number(a), self.number(b))
            case CheckAtLeast((a, b), what):
                self.check(op, SIZE, what, self.number(a) >= self.number(b), self.number(a), self.number(b))
            case Assert(condition, what):
                self.check(op, ASSERT, what, bool(self.values[condition]), 0, 0)
            case StateRead(symbol):
                if symbol not in self.state:
                    raise RunError(f"{symbol} has no value yet: it has no initialiser and was not restored")
                self.values[op.result] = as_stored(self.state[symbol], op.result.type.dtype)
            case StateWrite(symbol, value):
                self.written[symbol] = self.values[value]
            case _:
                raise NotImplementedError(f"the meaning of {op.name}")

    def check(self, op: Op, code: int, what: str, holds: bool, index: int, limit: int) -> None:
        if not holds:
            compared = f": {index} and {limit}" if code == SIZE else f": {index} of {limit}" if code == INDEX else ""
            text = f"{KINDS[code]}: {what}{compared}" if what else KINDS[code] + compared
            raise RunError((Diagnostic(text, op.location),), code, 0, index, limit)

    def loop(self, op: Loop) -> list[Array]:
        carried = [self.values[v] for v in op.init]
        limits, rounds = [self.number(d) for d in op.limit], 0
        began: list[list[Array]] = []
        while True:
            self.values.update(zip(op.condition.params, carried, strict=True))
            if not self.block(op.condition)[0]:
                break
            if limits:
                self.check(op, LIMIT, f"a loop runs at most {limits[0]} times", rounds < limits[0], rounds, limits[0])
            self.values.update(zip(op.body.params, carried, strict=True))
            began.append(carried)
            carried = self.block(op.body)
            rounds += 1
        if not op.stacked:
            return carried
        stacks = [self.stack(v.type, limits[0], {t: c[n] for t, c in enumerate(began)}) for n, v in enumerate(op.init)]
        return [*carried, np.asarray(rounds, np.int64), *stacks]

    def scan(self, op: Scan) -> list[Array]:
        carried, count = [self.values[v] for v in op.init], self.number(op.steps[0])
        began: dict[int, list[Array]] = {}
        emitted: dict[int, list[Array]] = {}
        for t in range(count)[:: -1 if op.backwards else 1]:
            self.known[op.step] = t
            self.values.update(zip(op.slices, (self.values[x][t] for x in op.xs), strict=True))
            self.values.update(zip(op.carries, carried, strict=True))
            began[t] = carried
            results = self.block(op.body)
            carried, emitted[t] = results[: len(op.init)], results[len(op.init) :]
        stacks = [self.stack(v.type, count, {t: e[n] for t, e in emitted.items()}) for n, v in enumerate(op.emits)]
        if op.stacked:
            stacks += [self.stack(v.type, count, {t: c[n] for t, c in began.items()}) for n, v in enumerate(op.init)]
        return [*carried, *stacks]

    def stack(self, type: Type, count: int, each: Mapping[int, Array]) -> Array:
        """The arrays at their places in a stack of `count`; 0 elsewhere."""
        made = np.zeros((count, *map(self.number, type.shape)), type.dtype.numpy)
        for t, array in each.items():
            made[t] = array
        return made

    def tensor(self, op: Tensor) -> Array:
        if widens(op):
            return self.expanded(widened(op))
        if has_meaning(op) and (op.exact or not self.bits):
            return self.meaning(op)
        expanded = op.expand()
        if expanded is not None:
            return self.expanded(expanded)
        return self.accumulated(op) if isinstance(op, Accumulate) else self.by_element(op)

    def expanded(self, value: Value) -> Array:
        for v in needed((value,), _Known(self.values, self.known)):
            if v.op is not None and v is v.op.values[0]:
                self.op(v.op)
        return self.values[value]

    def meaning(self, op: Tensor) -> Array:
        """The op on numpy arrays, its sizes known."""
        arrays = {v: self.values[v] for v in op.operands}
        stands = {v: Value(Type(v.type.dtype, a.shape), None, v.hint) for v, a in arrays.items()}
        try:
            fixed = op.rebuild(stands.__getitem__, index=self.number)
        except OpError as error:
            raise RunError((Diagnostic(str(error), op.location),), SIZE) from None
        return np.asarray(fixed.evaluate(*(arrays[v] for v in op.operands)), op.result.type.dtype.numpy)

    def by_element(self, op: Tensor) -> Array:
        shape = tuple(self.number(n) for n in op.result.type.shape)
        grid = Grid(self.values, self.known, self.bits)
        indices = tuple(Value(below(n), None, "i") for n in shape)
        element = grid.over(indices, lambda: grid.settled(op.at(*map(dim, indices))))
        return np.array(np.broadcast_to(element, shape), op.result.type.dtype.numpy)

    def accumulated(self, op: Accumulate) -> Array:
        result = np.array(self.values[op.init])
        grid = Grid(self.values, self.known, self.bits)
        value, *places = grid.over(op.body.params, lambda: [grid.settled(r) for r in op.body.results])
        value, there, *at = (np.broadcast_to(grid.wide(a), grid.shape).reshape(-1) for a in (value, grid.active, *places))
        position = np.zeros(value.shape, np.int64)
        for n, place in zip(result.shape, at, strict=True):
            own = place.astype(np.int64)
            there, position = there & (own >= 0) & (own < n), position * n + own
        before = scattered(op.fold, result.reshape(-1), position[there], value[there])
        if not isinstance(op, Fetch):
            return result
        fetched = np.zeros(value.shape, result.dtype)
        fetched[there] = before
        return fetched.reshape(grid.shape)


def has_meaning(op: Tensor) -> bool:
    """Whether the op says what it is on numpy arrays."""
    own = type(op).evaluate
    return own is not Tensor.evaluate and (own is not Elementwise.evaluate or hasattr(type(op), "numpy"))


class Grid:
    """Scalars for every point of a grid of indices at once; an array has an axis for each index, and is 1 long where it does not vary."""

    def __init__(self, values: Mapping[Value, Array], known: Mapping[Any, int], bits: bool) -> None:
        self.tensors, self.known, self.bits = values, known, bits
        self.values: dict[Value, Array] = {}
        self.shape: tuple[int, ...] = ()
        self.active: Array = np.asarray(True)

    def over(self, indices: Sequence[Value], element: Callable[[], T]) -> T:
        """The element with one more axis for each index; `active` says where an index is below its extent."""
        for index in indices:
            extent = self.wide(self.dim(index.type.below or 0))
            most = max(int(np.max(extent, initial=0)), 0)
            self.shape = (*self.shape, most)
            self.values[index] = np.arange(most).reshape((1,) * (len(self.shape) - 1) + (most,))
            self.active = self.wide(self.active) & (self.values[index] < self.wide(extent))
        return element()

    def wide(self, array: Array) -> Array:
        return array.reshape(array.shape + (1,) * (len(self.shape) - array.ndim))

    def settled(self, value: Value) -> Array:
        for v in needed((value,), _Known(self.values, self.tensors, self.known)):
            if v.op is not None and v is v.op.values[0]:
                self.values[v] = self.scalar(v.op)
        return self.values[value] if value in self.values else self.tensors[value]

    def of(self, value: Value) -> Array:
        return self.wide(self.values[value] if value in self.values else self.tensors[value])

    def dim(self, d: Dim) -> Array:
        if isinstance(d, int):
            return np.asarray(d)
        total = np.asarray(0)
        for monomial, factor in d.terms.items():
            part = np.asarray(factor)
            for atom, power in monomial:
                part = self.wide(part) * self.wide(self.atom(atom)) ** power
            total = self.wide(total) + self.wide(part)
        return total

    def atom(self, atom: Any) -> Array:
        match atom:
            case Floor(of, by):
                return self.wide(self.dim(of)) // np.maximum(self.wide(self.dim(by)), 1)
            case Least(of, by):
                return np.minimum(self.wide(self.dim(of)), self.wide(self.dim(by)))
            case _:
                return self.values[atom] if atom in self.values else np.asarray(self.known[atom])

    def scalar(self, op: Op) -> Array:
        if widens(op):
            return self.settled(widened(op))
        match op:
            case Constant(value):
                return np.asarray(value.element)
            case SizeValue((d,), type):
                return self.dim(d).astype(type.dtype.numpy)
            case Inside(dims):
                return self.inside(dims)
            case Read(tensor, at, inside):
                return self.read(self.tensors[tensor], at, inside)
            case Checked():
                return self.checked(op)
            case Slot(value, (bound,)):
                index = self.of(value).astype(np.int64)
                return np.where((index >= 0) & (index < self.wide(self.dim(bound))), index + 1, 0)
            case Reduce():
                return self.reduce(op)
            case Elementwise():
                return self.elementwise(op)
            case _:
                raise NotImplementedError(f"the meaning of {op.name} inside an element")

    def elementwise(self, op: Elementwise) -> Array:
        if has_meaning(op) and (op.exact or not self.bits):
            return op.evaluate(*map(self.of, op.operands))
        simpler = op.expand() or op.scalar()
        if simpler is None:
            raise NotImplementedError(f"the bits of {op.name}")
        return self.settled(simpler)

    def inside(self, dims: Sequence[Dim]) -> Array:
        every = np.asarray(True)
        for d in dims:
            every = self.wide(every) & (self.wide(self.dim(d)) >= 0)
        return every

    def read(self, tensor: Array, at: Sequence[Dim], inside: Sequence[Dim]) -> Array:
        used = self.wide(self.active) & self.wide(self.inside(inside))
        if not tensor.size:
            return np.zeros((1,) * len(self.shape), tensor.dtype)
        places: list[Array] = []
        for d, n in zip(at, tensor.shape, strict=True):
            i = self.wide(self.dim(d))
            if np.any(used & ((i < 0) | (i >= n))):
                raise IndexError(f"an element at {show(d)} is read outside an axis of {n}")
            places.append(np.clip(i, 0, n - 1))
        found = tensor[tuple(places)] if places else tensor
        return np.where(used, found, np.zeros((), tensor.dtype)) if inside else self.wide(np.asarray(found))

    def checked(self, op: Checked) -> Array:
        index, limit = self.of(op.value).astype(np.int64), self.wide(self.dim(op.bound[0]))
        wrapped = np.where(index < 0, index + limit, index)
        asked = self.wide(self.active) & self.wide(self.inside(op.inside))
        bad = np.broadcast_to(asked & ((wrapped < 0) | (wrapped >= limit)), self.shape)
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            told, end = (int(np.broadcast_to(a, self.shape).reshape(-1)[first]) for a in (index, limit))
            message = f"{KINDS[INDEX]}: {op.what}: {told} of {end}"
            raise RunError((Diagnostic(message, op.location),), INDEX, 0, told, end)
        return np.where(bad.any() | ((wrapped < 0) | (wrapped >= limit)), 0, wrapped)

    def reduce(self, op: Reduce) -> Array:
        outer, active, depth = self.shape, self.active, len(self.shape)
        terms = self.over(op.body.params, lambda: np.stack(np.broadcast_arrays(*(self.of_region(r) for r in op.body.results))))
        inner = self.active
        self.shape, self.active = outer, active
        shape = np.broadcast_shapes(inner.shape, *(t.shape for t in terms))
        box = (*shape[:depth], int(np.prod(shape[depth:], dtype=np.int64)))
        mask, *each = (np.broadcast_to(t, shape).reshape(box) for t in (inner, *terms))
        dtype = op.body.results[0].type.dtype
        if op.fold.startswith("arg"):
            return arg(op.fold, each[0], mask)
        if op.fold != "dot":
            return blocks(op.fold, each, mask, dtype)
        total = np.broadcast_to(self.of(op.start[0]) if op.start else np.zeros((), dtype.numpy), mask.shape[:-1])
        for k in range(mask.shape[-1]):
            total = np.where(mask[..., k], product_sum(each[0][..., k], each[1][..., k], total), total)
        return total

    def of_region(self, value: Value) -> Array:
        return self.wide(self.settled(value))


class _Known:
    """What an element may refer to: scalars of the grid, tensors, sizes and indices."""

    def __init__(self, *maps: Mapping[Any, Any]) -> None:
        self.maps = maps

    def __contains__(self, value: object) -> bool:
        return any(value in m for m in self.maps)
