"""Reverse mode through ops with regions: steps backwards, branches, derivatives by hand, what is computed again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flowc.derivatives.adjoint import zero
from flowc.derivatives.lift import lifted
from flowc.errors import OpError
from flowc.ir.core import Block, Value, body
from flowc.ir.dims import Dim, dim
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import below
from flowc.ops.control import Cond, DynamicSize, Loop, Scan
from flowc.ops.derivative import After, Custom, Remat
from flowc.ops.elementwise import add
from flowc.ops.slicing import Slice
from flowc.ops.tensor import Constant

Cotangents = dict[Value, list[Value]]
Given = Sequence[Value | None]  # a cotangent of each result, None where nothing depends on it
Smooth = Mapping[Value, None]
Pull = Callable[[Mapping[Value, Value], Sequence[Value], Mapping[Value, bool]], tuple[Value, ...]]


@dataclass(frozen=True)
class Steps:
    """A scan, or the rounds of a loop: what a step is given and gives, what all of them were given and gave."""

    init: tuple[Value, ...]
    xs: tuple[Value, ...]
    count: Dim
    backwards: bool
    step: Value | None  # the index of a step, where its body knows it
    slices: tuple[Value, ...]
    carries: tuple[Value, ...]
    body: Block
    stacks: tuple[Value, ...]  # the carried values that each step began with


def through_scan(pull: Pull, op: Scan, gs: Given, smooth: Smooth) -> Cotangents:
    """A scan backwards over the stacks of its carried values."""
    m, e = len(op.init), len(op.emits)
    kept = op if op.stacked else replace(op, stacked=True)
    steps = Steps(op.init, op.xs, op.steps[0], op.backwards, op.step, op.slices, op.carries, op.body, kept.results[m + e :])
    return through_steps(pull, steps, gs[:m], gs[m : m + e], gs[m + e :] if op.stacked else [None] * m, smooth)


def through_loop(pull: Pull, op: Loop, gs: Given, smooth: Smooth) -> Cotangents:
    """As many steps backwards as the loop ran; raises `OpError` where it has no limit, and so keeps nothing."""
    if not op.limit:
        message = "a loop without a limit has no reverse derivative: nothing bounds what it would have to keep"
        raise OpError(message, help="write `limit n` behind its condition; jvp needs none", location=op.location)
    m = len(op.init)
    kept = op if op.stacked else replace(op, stacked=True)
    count = dim(DynamicSize(kept.results[m], (op.limit[0] + 1,)).results[0])

    def ran(stack: Value) -> Value:
        shape = stack.type.shape
        return Slice(stack, (0,) * len(shape), (count, *shape[1:]), (1,) * len(shape)).result

    stacks = tuple(map(ran, kept.results[m + 1 :]))
    entering = [g and ran(g) for g in gs[m + 1 :]] if op.stacked else [None] * m
    steps = Steps(op.init, (), count, False, None, (), op.body.params, op.body, stacks)
    return through_steps(pull, steps, gs[:m], (), entering, smooth)


def through_steps(pull: Pull, s: Steps, ends: Given, emits: Given, entering: Given, smooth: Smooth) -> Cotangents:
    """One scan the other way round; each of its steps computes the forward step again.

    It carries the cotangents of the carried values and the sums of those of captured values;
    a sum of products is not carried: its factors are stacked, and contracted once after the scan.
    """
    m, captured = len(s.init), tuple(s.body.captured)
    step = _again(s)
    floats = [n for n, c in enumerate(step.carries) if c.type.dtype.is_float]
    given = [x for x in captured if x in smooth]
    sliced = [n for n, x in enumerate(s.xs) if x in smooth]

    sequences = dict(zip((*step.slices, *step.carries), (*s.xs, *s.stacks), strict=True))
    d_carries = [cotangent_of(step.carries[n], s.init[n]) for n in floats]
    seeds = _Seeds()
    for n, d in zip(floats, d_carries, strict=True):
        seeds.add(step.results[n], d)
    for values, stacks in ((step.results[m:], emits), (step.carries, entering)):
        for value, stack in zip(values, stacks, strict=True):
            if stack is not None:
                d = cotangent_of(value, value)
                sequences[d] = stack
                seeds.add(value, d)
    outside = {x: x in smooth for x in captured} | dict.fromkeys((*step.slices, *step.carries), True)
    wrt = (*(step.carries[n] for n in floats), *given, *(step.slices[n] for n in sliced))
    parts = iter(pull(seeds.of, wrt, outside))
    d_before = [next(parts) for _ in floats]
    sums = _sums(dict(zip(given, parts, strict=False)), step.t, s.count, captured)
    d_slices = list(parts)

    stacked = [v for v in sums.stacked if v not in sequences]
    first = [g if g is not None else zero(s.init[n]) for n in floats for g in (ends[n],)]
    carries = [*zip(first, d_carries, d_before, strict=True), *sums.carried]
    made = iter(scan_over(step.t, sequences, s.count, not s.backwards, carries, (*d_slices, *stacked), captured))
    found: Cotangents = defaultdict(list)
    for n, d in zip(floats, made, strict=False):
        if s.init[n] in smooth:
            found[s.init[n]].append(d)
    for x, d in zip(sums.of_carried, made, strict=False):
        found[x].append(d)
    for n, d in zip(sliced, made, strict=False):
        found[s.xs[n]].append(d)
    sequences |= dict(zip(stacked, made, strict=True))
    for x, build in sums.lifted.items():
        found[x].append(build(sequences))
    return found


@dataclass(frozen=True)
class _Again:
    """A forward step over parameters of its own."""

    t: Value
    slices: tuple[Value, ...]
    carries: tuple[Value, ...]
    results: tuple[Value, ...]


def _again(s: Steps) -> _Again:
    t = Value(below(s.count), None, s.step.hint if s.step else "t")
    slices, carries = fresh(s.slices), fresh(s.carries)
    renamed = dict(zip((*s.slices, *s.carries), (*slices, *carries), strict=True)) | ({s.step: t} if s.step else {})
    rewriter = Rewriter(lambda _: None, {v: v for v in s.body.captured} | renamed)
    return _Again(t, slices, carries, tuple(map(rewriter.settled, s.body.results)))


@dataclass(frozen=True)
class _Sums:
    """The cotangents of captured values, which all steps add to."""

    carried: list[tuple[Value, Value, Value]]  # first, before and after a step
    of_carried: list[Value]
    stacked: list[Value]  # of a step, for what is summed after all of them
    lifted: dict[Value, Callable[[Mapping[Value, Value]], Value]]


def _sums(parts: Mapping[Value, Value], t: Value, count: Dim, captured: tuple[Value, ...]) -> _Sums:
    """How what each step adds to the cotangent of a captured value is summed."""
    sums = _Sums([], [], [], {})
    for x, part in parts.items():
        if is_zero(part):
            continue
        after = lifted(part, t, count, set(captured))
        if after is not None:
            sums.lifted[x] = after.build
            sums.stacked.extend(v for v in after.stacked if v not in sums.stacked)
        else:
            before = cotangent_of(x, x)
            sums.of_carried.append(x)
            sums.carried.append((zero(x), before, add(before, part)))
    return sums


def scan_over(
    t: Value, sequences: Mapping[Value, Value], count: Dim, backwards: bool,
    carries: Sequence[tuple[Value, Value, Value]], emits: Sequence[Value], given: Iterable[Value],
) -> tuple[Value, ...]:  # fmt: skip
    """A scan whose step reads those of `sequences` that it uses; a carry is its first value, its parameter and its next value."""
    results = (*(now for _, _, now in carries), *emits)
    held = tuple(p for _, p, _ in carries)
    whole = body((t, *sequences, *held), results, (), given)
    used = {*results, *(v for op in whole.ops for v in op.uses)}
    read = {p: x for p, x in sequences.items() if p in used}
    block = replace(whole, params=(t, *read, *held))
    hints = tuple(p.hint for p in held) + tuple(v.hint and f"{v.hint}.stack" for v in emits)
    return Scan(tuple(read.values()), tuple(first for first, _, _ in carries), (count,), block, backwards, hints=hints).results


class _Seeds:
    """Cotangents of values, summed where one value has several."""

    def __init__(self) -> None:
        self.of: dict[Value, Value] = {}

    def add(self, value: Value, g: Value) -> None:
        self.of[value] = add(self.of[value], g) if value in self.of else g


def fresh(values: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(Value(v.type, None, v.hint) for v in values)


def cotangent_of(value: Value, named: Value) -> Value:
    """A parameter for the cotangent of a value."""
    hint = value.hint or named.hint
    return Value(value.type, None, f"d.{hint}" if hint else "")


def is_zero(value: Value) -> bool:
    return isinstance(value.op, Constant) and value.op.value.number == 0


def through_cond(pull: Pull, op: Cond, gs: Given, smooth: Smooth) -> Cotangents:
    """A branch whose sides compute their forward side again."""
    given = [x for x in dict.fromkeys((*op.then.captured, *op.orelse.captured)) if x in smooth]
    some = [g for g in gs if g is not None]

    def side(block: Block) -> Block:
        seeds = _Seeds()
        for r, g in zip(block.results, gs, strict=True):
            if g is not None:
                seeds.add(r, g)
        parts = pull(seeds.of, given, {x: x in smooth for x in block.captured})
        return body((), parts, (), (*block.captured, *some))

    made = Cond(op.which, side(op.then), side(op.orelse), hints=tuple(x.hint and f"d.{x.hint}" for x in given))
    return {x: [d] for x, d in zip(given, made.results, strict=True)}


def through_custom(pull: Pull, op: Custom, gs: Given, smooth: Smooth) -> Cotangents:
    """The derivative by hand, at the cotangents."""
    given = [g if g is not None else zero(r) for g, r in zip(gs, op.results, strict=True)]
    found: Cotangents = defaultdict(list)
    for x, d in zip(op.wanted, inlined(op.backward, given), strict=True):
        if x in smooth:
            found[x].append(d)
    return found


def inlined(block: Block, arguments: Sequence[Value]) -> tuple[Value, ...]:
    """The results of a block where it is given `arguments`."""
    known = {v: v for v in block.captured} | dict(zip(block.params, arguments, strict=True))
    return tuple(map(Rewriter(lambda _: None, known).settled, block.results))


def through_remat(pull: Pull, op: Remat, gs: Given, smooth: Smooth) -> Cotangents:
    """The block again, from values that are at hand only when the cotangents are."""
    waits = tuple(g for g in gs if g is not None)
    late = {v: After(v, waits, hints=(v.hint,)).result if v.type.below is None else v for v in op.body.captured}
    again = Rewriter(lambda _: None, {**late, **{v: v for v in late.values()}})
    seeds = _Seeds()
    for r, g in zip(op.body.results, gs, strict=True):
        if g is not None:
            seeds.add(again.settled(r), g)
    given = [v for v in op.body.captured if v in smooth]
    parts = pull(seeds.of, [late[v] for v in given], {late[v]: v in smooth for v in late})
    return {v: [d] for v, d in zip(given, parts, strict=True)}
