"""Scheduled calls to a plan: buffers in one arena, views, launches, loops and branches over launches.

`memory` says where buffers lie, `commit` when state is written; `plan` builds.
A planned graph takes the state block where the module has states, its inputs,
its results and the sizes found for them, and last the workspace, whose type is
the exact peak in bytes; it returns the results and their sizes, in that order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowc.errors import CompileError, Diagnostic
from flowc.ir.core import Block, Func, Module, Op, Symbol, Value, indices, renamed, retyped, walk
from flowc.ir.dims import Dim, Size, at_most, ceil, dim, product
from flowc.ir.printer import sizes
from flowc.ir.types import DType, Type, below
from flowc.ops.control import Assert, CheckAtLeast, CheckEqual, Cond, DynamicSize, Loop, Scan, StateRead, StateWrite
from flowc.ops.loops import For, Load, Store
from flowc.ops.plan import BYTES, Call, CheckRange, CheckTrue, Commit, If, Launch, SizeOf, StoreSize, Update, View, WeightData
from flowc.ops.tensor import Weight
from flowc.transforms.commit import Updates, in_place, state_offsets, updates, updates_last
from flowc.transforms.memory import bounded, lifetimes, offsets
from flowc.transforms.plan_loops import plan_loop, plan_scan

PIECE = 4096  # elements of a copy that one index of its parallel loop stands for


def plan(module: Module) -> Module:
    """Each graph as a driver over buffers."""
    kernels = {f.name: f for f in module.funcs if not is_graph(f)}
    copies: dict[Type | str, Func] = {}
    graphs = [Planner(fn, module, kernels, copies).planned() for fn in module.funcs if is_graph(fn)]
    return replace(module, funcs=(*kernels.values(), *copies.values(), *graphs))


def is_graph(fn: Func) -> bool:
    """Whether a function of level loops is a graph, not a loop nest."""
    return not any(p.type.space for p in fn.body.params) and not any(isinstance(op, For) for op in fn.body.ops)


@dataclass
class _Scope:
    """A block being planned: how often each value is used in it, and which are made in it."""

    used: Counter[Value] = field(default_factory=Counter[Value])
    made: set[Value] = field(default_factory=set[Value])

    @staticmethod
    def of(block: Block) -> _Scope:
        used = Counter(block.results)
        for op in block.ops:
            used.update(op.uses)
        return _Scope(used, {v for op in block.ops for v in op.results})


class Planner:
    """Plan ops over buffers that have no place yet."""

    def __init__(self, fn: Func, module: Module, kernels: Mapping[str, Func], copies: dict[Type | str, Func]) -> None:
        self.fn, self.module, self.kernels, self.copies = fn, module, kernels, copies
        self.ops: list[Op] = []
        self.place: dict[Value, Value] = {}  # of each value, its buffer; of each size found during the run, its index
        self.wanted: dict[Value, None] = {}  # buffers in the arena
        self.scope = _Scope()
        self.states: dict[str, Value] = {}
        self.roots = set(fn.body.roots)
        self.early = dict.fromkeys(op for op in fn.body.ops if known_at_entry(op))

    def planned(self) -> Func:
        fn, results = self.fn, self.fn.body.results
        params = tuple(map(self.buffer, fn.body.params))
        state, views = self.state_block()
        names = fn.outputs or tuple(r.hint for r in results)
        outs = tuple(Value(buffer_type(r.type), None, self.fresh(name, n)) for n, (r, name) in enumerate(zip(results, names, strict=True)))
        found = [size for r, out in zip(results, outs, strict=True) for size in self.sizes_found(r, out)]
        self.body(outs)
        self.ops += [replace(size, size=tuple(map(self.index, size.size))) for size in found]
        given = {**self.kernels, **{f.name: f for f in self.copies.values()}}
        places, total = offsets(lifetimes(self.ops, tuple(self.wanted), given))
        arena = Value(replace(BYTES, shape=(total,)), None, "workspace")
        placed = {v: View(arena, (at,), v.type, hints=(v.hint,)).result for v, at in places.items()}
        told = tuple(v for out in outs for v in (out, *(size.buffer for size in found if size.of is out)))
        ops = (*self.entry_checks(), *views, *(v.op for v in placed.values() if v.op), *_over(self.ops, dict(placed)))
        return replace(fn, body=Block((*state, *params, *told, arena), ops, told), level="plan", outputs=tuple(v.hint for v in told))

    # What the driver is given

    def fresh(self, hint: str, n: int) -> str:
        return hint if hint and all(p.hint != hint for p in self.fn.body.params) else f"out{n}"

    def state_block(self) -> tuple[tuple[Value, ...], list[Op]]:
        """The parameter that holds every state, and a view of each one this graph speaks of."""
        if not self.module.states:
            return (), []
        where, total = state_offsets(self.module.states)
        block = Value(replace(BYTES, shape=(total,)), None, "state")
        spoken = dict.fromkeys(op.symbol for op in walk(self.fn.body) if isinstance(op, StateRead | StateWrite))
        types = {s.name: s.type for s in self.module.states}
        views = [View(block, (where[name],), types[name].within("host"), hints=(str(name),)) for name in spoken]
        self.states = {name: view.result for name, view in zip(spoken, views, strict=True)}
        return (block,), [*views]

    def sizes_found(self, result: Value, out: Value) -> Iterator[StoreSize]:
        """What tells the caller the sizes of a result that only the run knows."""
        axes = [n for n, d in enumerate(result.type.shape) if any(indices((d,)))]
        for axis in axes:
            name = f"{out.hint}_size" + str(axis) * (len(axes) > 1)
            buffer = Value(Type(DType.i64, (), "host"), None, name)
            yield StoreSize((result.type.shape[axis],), out, buffer, axis, location=self.fn.location)

    def entry_checks(self) -> tuple[Op, ...]:
        """Each named size is in its range, and what else can be said of sizes before anything runs."""
        called = [self.kernels[op.kernel] for op in walk(self.fn.body) if isinstance(op, Call)]
        named = dict.fromkeys(size for fn in (self.fn, *dict.fromkeys(called)) for size in sizes(fn))
        ranges = [range_check(size, self.fn) for size in named]
        return (*ranges, *(self.size_check(op) for op in self.early))

    # The body

    def body(self, outs: Sequence[Value]) -> None:
        """Launches for the whole graph: results in `outs`, then what is written to state."""
        block = self.fn.body
        self.scope = _Scope.of(block)
        written = updates(block.ops)
        ops = updates_last(block.ops, written) if written else block.ops
        direct = in_place(ops, written, self.kernels)
        into = self.begun(ops, first_of(block.results, outs)) | {value: self.states[state] for value, state in direct.items()}
        copies = list(zip(block.results, outs, strict=True))
        committed = not written
        for op in ops:
            if not committed and any(r in direct for r in op.results):
                copies, committed = self.commit(copies, written), True
            self.op(op, into)
        if not committed:
            copies = self.commit(copies, written)
        for value, out in copies:
            self.copied(value, out)
        for value, states in written.items():
            for state in states:
                self.copied(value, self.states[state])

    def commit(self, copies: Sequence[tuple[Value, Value]], written: Updates) -> list[tuple[Value, Value]]:
        """Copies all that later stores to state would change, and marks that nothing fails from here on; the copies left to do."""
        changed = {self.states[s] for states in written.values() for s in states}
        left: list[tuple[Value, Value]] = []
        for value, out in copies:
            if value in self.place and self.root(value) in changed:
                self.copied(value, out)
            else:
                left.append((value, out))
        for value, states in written.items():
            if value in self.place and self.root(value) in changed and [self.place[value]] != [self.states[s] for s in states]:
                kept = self.temporary(Value(value.type, None, value.hint))
                self.copied(value, kept)
                self.place[value] = kept
        self.ops.append(Commit(location=self.fn.location))
        return left

    def root(self, value: Value) -> Value:
        """The buffer that holds `value`."""
        buffer = self.place[value]
        while isinstance(buffer.op, View) and buffer not in self.states.values():
            buffer = buffer.op.buffer
        return buffer

    def index(self, d: Dim) -> Dim:
        return renamed(lambda v: self.place.get(v, v))(d)

    def buffer(self, value: Value) -> Value:
        self.place[value] = Value(buffer_type(value.type), None, value.hint)
        return self.place[value]

    def temporary(self, value: Value) -> Value:
        made = self.buffer(value)
        self.wanted[made] = None
        return made

    def op(self, op: Op, into: dict[Value, Value]) -> None:
        """Launches for `op`; results named in `into` are written there."""
        match op:
            case View(source, start) if op.result not in into:
                made = View(self.place[source], tuple(map(self.index, start)), buffer_type(op.result.type), **op.common)
                self.place[op.result] = made.result
                self.ops.append(made)
            case View():
                self.copied_view(op, into[op.result])
            case Update():
                self.update(op, into)
            case Call(kernel, inputs):
                outs = tuple(into.get(r) or self.temporary(r) for r in op.results)
                self.place.update(zip(op.results, outs, strict=True))
                self.ops.append(Launch((*(self.place[v] for v in inputs), *outs), kernel, location=op.location, device=op.device))
            case Weight(symbol, blob):
                made = WeightData(symbol, blob, buffer_type(op.result.type), **op.common)
                self.place[op.result] = made.result
                self.ops.append(made)
            case StateRead(symbol):
                self.place[op.result] = self.states[symbol]
            case StateWrite(symbol) if op.token not in self.roots:
                raise CompileError([Diagnostic(f"{symbol} is written in a loop or a branch", op.location)])
            case StateWrite():
                pass
            case Loop():
                plan_loop(self, op, into)
            case Scan():
                plan_scan(self, op, into)
            case Cond():
                self.cond(op, into)
            case Assert(condition, what):
                self.ops.append(CheckTrue(self.place[condition], what, location=op.location))
            case CheckEqual() | CheckAtLeast():
                if op not in self.early:
                    self.ops.append(self.size_check(op))
            case DynamicSize(count, bound):
                made = SizeOf(self.place[count], bound, **op.common)
                self.place[op.result] = made.result
                self.ops.append(made)
            case _:
                raise NotImplementedError(f"planning {op.name}")

    def update(self, op: Update, into: Mapping[Value, Value]) -> None:
        """A launch over `init`, where nothing else needs that, else over a copy."""
        updated, *others = op.results
        out = into.get(updated) or self.sole(op.init) or self.temporary(updated)
        self.copied(op.init, out)
        outs = (out, *(into.get(r) or self.temporary(r) for r in others))
        self.place.update(zip(op.results, outs, strict=True))
        inputs = tuple(self.place[v] for v in op.inputs)
        self.ops.append(Launch((*inputs, *outs), op.kernel, location=op.location, device=op.device))

    def begun(self, ops: Sequence[Op], into: dict[Value, Value]) -> dict[Value, Value]:
        """`into` with what updates alone begin from written where they are."""
        found = dict(into)
        for op in reversed(ops):
            if isinstance(op, Update) and op.results[0] in found and isinstance(op.init.op, Call) and self.scope.used[op.init] == 1:
                found.setdefault(op.init, found[op.results[0]])
        return found

    def sole(self, value: Value) -> Value | None:
        """The value's own buffer, where nothing but the op at hand needs it."""
        own = self.place[value]
        alone = isinstance(value.op, Call) and self.scope.used[value] == 1 and value in self.scope.made
        return own if alone and own in self.wanted else None

    def size_check(self, op: Op) -> CheckRange:
        match op:
            case CheckEqual((a, b), what):
                return CheckRange((self.index(b), self.index(a), self.index(b)), what, location=op.location)
            case CheckAtLeast((a, low), what):
                return CheckRange((self.index(low), self.index(a)), what, location=op.location)
            case _:
                raise TypeError(op.name)

    def view(self, buffer: Value, start: Dim, type: Type, hint: str = "") -> View:
        """What starts `start` elements into a buffer, as an op that stands nowhere yet."""
        return View(buffer, (start,), buffer_type(type), hints=(hint,) * bool(hint))

    def copied_view(self, op: View, out: Value) -> None:
        view = View(self.place[op.buffer], tuple(map(self.index, op.offset)), buffer_type(op.result.type))
        self.ops.append(view)
        self.place[op.result] = view.result
        self.copied(op.result, out)
        self.place[op.result] = out

    def copied(self, value: Value, out: Value) -> None:
        """`value` in `out`, by a copy where it is elsewhere."""
        source = self.place[value]
        if source is out:
            return
        type = Type(value.type.dtype, tuple(map(self.index, value.type.shape)), "host")
        kernel = self.copies.get(type)
        if kernel is None:
            kernel = self.copies[type] = copy_kernel(type, f"copy.{len(self.copies)}")
        extra = tuple(dict.fromkeys(indices(type.shape)))
        self.ops.append(Launch((*extra, source, out), Symbol(kernel.name), location=self.fn.location))

    # Regions

    def region(self, block: Block, outs: Mapping[int, Value] | None = None, first: Sequence[Op] = ()) -> Block:
        """The plan of `block`, `first` first; its results numbered in `outs` end up there."""
        outer, self.ops = self.ops, [*first]
        kept, around = dict(self.place), self.scope
        self.scope = _Scope.of(block)
        pairs = [(block.results[n], out) for n, out in (outs or {}).items()]
        into = first_of([value for value, _ in pairs], [out for _, out in pairs])
        for op in block.ops:
            self.op(op, into)
        for value, out in pairs:
            self.copied(value, out)
        made, self.ops = tuple(self.ops), outer
        results = tuple(self.place[r] for r in block.results)
        self.place, self.scope = kept, around
        return Block((), made, results)

    def cond(self, op: Cond, into: Mapping[Value, Value]) -> None:
        """Both sides write the same buffers."""
        outs = [into.get(r) or self.temporary(r) for r in op.results]
        which = self.place[op.which]
        sides = [self.region(side, dict(enumerate(outs))) for side in (op.then, op.orelse)]
        self.ops.append(If(which, *(replace(s, results=()) for s in sides), **op.common))
        self.place.update(zip(op.results, outs, strict=True))


def known_at_entry(op: Op) -> bool:
    """Whether the op is a check of sizes alone."""
    return isinstance(op, CheckEqual | CheckAtLeast) and not any(indices(op.dims))


def range_check(size: Size, fn: Func) -> CheckRange:
    limits = (size.low, dim(size)) if size.high is None else (size.low, dim(size), size.high)
    return CheckRange(limits, f"{size.name} in {size.low}..{'' if size.high is None else size.high}", location=fn.location)


def buffer_type(type: Type) -> Type:
    """The buffer of a value; sizes known only during the run are at their bound."""
    return Type(type.dtype, tuple(map(bounded, type.shape)), "host")


def copy_kernel(type: Type, name: str) -> Func:
    """A loop nest that copies a buffer, in pieces shared by the tasks."""
    extra = tuple(dict.fromkeys(indices(type.shape)))
    total = product(type.shape)
    shape = (total,) if type.shape else ()
    source, out = (Value(Type(type.dtype, shape, "host"), None, hint) for hint in ("in", "out"))
    whole = at_most(total, PIECE)
    piece = Value(below(1 if whole else ceil(total, PIECE)), None, "piece")
    lane = Value(below(total if whole else PIECE), None, "i")
    at = (dim(piece) * PIECE + dim(lane),) if type.shape else ()
    load = Load(source, at)
    copy = For((total - dim(piece) * PIECE,), "vector", Block((lane,), (load, Store(load.result, out, at)), ()))
    return Func(name, Block((*extra, source, out), (For((), "parallel", Block((piece,), (copy,), ())),), ()), (), "loops")


def first_of(values: Sequence[Value], outs: Sequence[Value]) -> dict[Value, Value]:
    """Where each value is written first; a value wanted twice is copied from there."""
    return dict(reversed([*zip(values, outs, strict=False)]))


def _over(ops: Sequence[Op], known: dict[Value, Value]) -> tuple[Op, ...]:
    """`ops` with buffers replaced by what `known` says; what becomes of their results is added to it."""
    index = renamed(lambda v: known.get(v, v))

    def block(old: Block) -> Block:
        inner = dict(known)
        over = renamed(lambda v: inner.get(v, v))
        for p in old.params:
            if (type := retyped(p.type, over)) is not p.type:
                inner[p] = replace(p, type=type)
        made = _over(old.ops, inner)
        return Block(tuple(inner.get(p, p) for p in old.params), made, tuple(inner.get(r, r) for r in old.results))

    made: list[Op] = []
    for op in ops:
        new = op.rebuild(lambda v: known.get(v, v), block, index)
        known.update(zip(op.results, new.results, strict=True))
        made.append(new)
    return tuple(made)
