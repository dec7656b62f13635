"""Loops and scans in a plan: where what they carry and stack lies, round after round.

What no round changes is kept where it is.  What the rounds begin with, where that is
wanted, lies in the slots of a stack that has one more; what a round also emits is handed
on as the slot it was emitted into; what a kernel reads only at the element it writes is
written over.  Everything else has two buffers, handed on swapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flowc.ir.core import Block, Func, Op, Symbol, Value
from flowc.ir.dims import Dim, dim, product
from flowc.ir.types import DType, Type, below
from flowc.ops.control import Loop, Scan, stacked
from flowc.ops.elementwise import add
from flowc.ops.loops import For, Load, Store
from flowc.ops.plan import Call, Launch, Repeat, SizeOf, Update, View, While
from flowc.ops.tensor import constant
from flowc.transforms.memory import own_elements

if TYPE_CHECKING:
    from flowc.transforms.plan import Planner


@dataclass
class _Carry:
    """A carried value: what it is in each region, first, after a round and at the end; and where it lies, in one of four ways."""

    params: tuple[Value, ...]
    init: Value
    next: Value
    result: Value
    where: Value | None = None  # one buffer for all rounds
    stack: Value | None = None  # a buffer with a slot for each round and one more
    slot: Value | None = None  # where a round emits the next one
    buffers: tuple[Value, ...] = ()  # a pair, or what is handed on
    inside: tuple[Value, ...] = ()  # the same, as the region at hand takes them

    @property
    def pair(self) -> bool:
        return len(self.buffers) == 2


def plan_scan(planner: Planner, op: Scan, into: Mapping[Value, Value]) -> None:
    """A `repeat` over the step; emitted values are written into their slots of the stacks."""
    count, used = len(op.init), planner.scope.used
    began = op.results[count + len(op.emits) :]
    steps = planner.index(op.steps[0])
    step = Value(below(steps), None, op.step.hint)
    planner.place[op.step] = step
    rounds = _Rounds(planner, op.body, [(p,) for p in op.carries], op.init, op.results, steps, op.backwards)
    emitted: dict[Value, list[Value]] = {}
    for value, stack in zip(op.emits, op.results[count:], strict=False):
        if used[stack]:
            emitted.setdefault(value, []).append(stack)
    for n, c in enumerate(rounds.carries):
        if entering := [r for r in began[n : n + 1] if used[r]] + emitted.pop(c.params[0], []):
            rounds.in_slots(c, entering, emitted.pop(c.next, []))
    for value, wanted in emitted.items():
        rounds.emit(value, wanted, dim(step), into)
    rounds.settle(into)
    params = rounds.enter(0, dim(step))
    body = rounds.body_region(dim(step))
    made = Repeat(
        rounds.carried,
        (steps,),
        replace(body, params=(step, *params), results=rounds.following()),
        op.backwards,
        tuple(rounds.kept),
        hints=rounds.hints,
        location=op.location,
        device=op.device,
    )
    planner.ops.append(made)
    rounds.end(made, 0 if op.backwards else steps)


def plan_loop(planner: Planner, op: Loop, into: Mapping[Value, Value]) -> None:
    """A `while`; where stacks or the number of rounds are wanted, a counter says which slots a round reads and writes."""
    count, used = len(op.init), planner.scope.used
    limit = tuple(map(planner.index, op.limit))
    told, began = op.results[count : count + 1], op.results[count + 1 :]
    params = list(zip(op.condition.params, op.body.params, strict=True))
    rounds = _Rounds(planner, op.body, params, op.init, op.results, limit[0] if limit else 0)
    for c, stack in zip(rounds.carries, began, strict=False):
        if used[stack]:
            rounds.in_slots(c, [stack], [])
    counter = (into.get(told[0]) or planner.temporary(told[0])) if any(used[r] for r in (*told, *began)) else None
    asked, round, last = (SizeOf(counter, (bound,)) for bound in (limit[0] + 1, limit[0], limit[0] + 1)) if counter else (None, None, None)
    if counter is not None:
        planner.place[told[0]] = counter
        rounds.kept.append(counter)
        planner.ops.append(_launched(planner, counter_begins(), counter))
    rounds.settle(into)
    asks = rounds.enter(0, _number(asked), asked)
    condition = planner.region(op.condition, first=rounds.first)
    does = rounds.enter(1, _number(round), round)
    body = rounds.body_region(_number(round))
    if counter is not None:
        body = replace(body, ops=(*body.ops, _launched(planner, counter_goes_on(), counter)))
    made = While(
        rounds.carried,
        limit,
        "the loop reaches its limit",
        replace(condition, params=asks),
        replace(body, params=does, results=rounds.following()),
        tuple(rounds.kept),
        hints=rounds.hints,
        location=op.location,
        device=op.device,
    )
    planner.ops += [made] if last is None else [made, last]
    rounds.end(made, _number(last))


def _number(op: SizeOf | None) -> Dim:
    return 0 if op is None else dim(op.results[0])


class _Rounds:
    """The carried values of a loop of at most `extent` rounds: their places, and what a round begins and ends with."""

    def __init__(
        self,
        planner: Planner,
        body: Block,
        params: Sequence[tuple[Value, ...]],
        init: Sequence[Value],
        results: Sequence[Value],
        extent: Dim,
        backwards: bool = False,
    ) -> None:
        self.planner, self.body, self.extent, self.backwards = planner, body, extent, backwards
        self.carries = [_Carry(*c) for c in zip(params, init, body.results, results, strict=False)]
        self.kept: list[Value] = []  # buffers that are written in the rounds and live as long as these
        self.outs: dict[int, Value] = {}  # where results of the body are wanted
        self.views: list[View] = []  # of the slots that a round emits into
        self.first: list[Op] = []  # what the region at hand begins with

    # Places

    def in_slots(self, c: _Carry, entering: Sequence[Value], leaving: Sequence[Value]) -> None:
        """The carried value in a stack, of which `entering` is what the rounds begin with and `leaving` what they end with."""
        planner = self.planner
        type = stacked(c.init.type, self.extent + 1)
        c.stack = planner.temporary(Value(type, None, (*entering, *leaving)[0].hint))
        self.kept.append(c.stack)
        for values, start in ((entering, int(self.backwards)), (leaving, int(not self.backwards))):
            for value in values:
                planner.place[value] = self.slot(c.stack, start, c.init.type, value.type, planner.ops)
        planner.copied(c.init, self.slot(c.stack, self.extent if self.backwards else 0, c.init.type, c.init.type, planner.ops))

    def emit(self, value: Value, wanted: Sequence[Value], round: Dim, into: Mapping[Value, Value]) -> None:
        """The value's slot in the stacks `wanted`, which are one buffer; what is carried on too is handed on as that slot."""
        planner = self.planner
        buffer = next((into[r] for r in wanted if r in into), None) or planner.temporary(wanted[0])
        planner.place.update((r, buffer) for r in wanted)
        self.kept.append(buffer)
        view: list[Op] = []
        slot = self.slot(buffer, round, value.type, value.type, view)
        self.views += view  # type: ignore[arg-type]
        count = len(self.carries)
        self.outs[count + self.body.results[count:].index(value)] = slot
        for c in self.carries:
            if c.next is value and c.stack is None:
                c.slot = slot

    def settle(self, into: Mapping[Value, Value]) -> None:
        """A place for every carried value that has none."""
        planner = self.planner
        for c in self.carries:
            if c.stack is not None:
                continue
            if c.slot is not None:
                c.buffers = (self.unchanged(c.init),)
            elif c.next is c.params[-1]:
                c.where = planner.place[c.init]
            elif written_over(self.body, c.params[-1], c.next, planner.kernels):
                own = into.get(c.result) or planner.sole(c.init)
                c.where = own or planner.temporary(Value(c.init.type, None, c.result.hint or "carried"))
                self.kept.append(c.where)
                planner.copied(c.init, c.where)
            else:
                name = c.result.hint or "carried"
                spare = planner.temporary(Value(c.init.type, None, f"{name}.next"))
                c.buffers = (planner.sole(c.init) or planner.temporary(Value(c.init.type, None, name)), spare)
                planner.copied(c.init, c.buffers[0])

    def unchanged(self, value: Value) -> Value:
        """A buffer that holds the value to the end of the run: of a state's, a copy."""
        planner = self.planner
        if planner.root(value) in planner.states.values():
            planner.copied(value, planner.temporary(Value(value.type, None, value.hint)))
        return planner.place[value]

    def slot(self, stack: Value, number: Dim, each: Type, type: Type, ops: list[Op]) -> Value:
        """What begins at a slot of a stack of `each`, by a view added to `ops`."""
        view = self.planner.view(stack, number * product(map(self.planner.index, each.shape)), type, stack.hint)
        ops.append(view)
        return view.result

    # Rounds

    @property
    def moving(self) -> list[_Carry]:
        """What lies elsewhere in each round."""
        return [c for c in self.carries if c.where is None and c.stack is None]

    @property
    def carried(self) -> tuple[Value, ...]:
        return tuple(b for c in self.moving for b in c.buffers)

    @property
    def hints(self) -> tuple[str, ...]:
        return tuple(h for c in self.moving for h in (c.result.hint, f"{c.result.hint}.next")[: len(c.buffers)])

    def enter(self, region: int, round: Dim, number: Op | None = None) -> tuple[Value, ...]:
        """The buffers a region takes; every carried value has its place in it, that of this round."""
        self.first = [] if number is None else [number]
        params = tuple(Value(b.type, None, b.hint) for b in self.carried)
        left = iter(params)
        for c in self.carries:
            if c.where is not None:
                place = c.where
            elif c.stack is not None:
                place = self.slot(c.stack, round + int(self.backwards), c.init.type, c.init.type, self.first)
            else:
                c.inside = tuple(next(left) for _ in c.buffers)
                place = c.inside[0]
            self.planner.place[c.params[region]] = place
        return params

    def body_region(self, round: Dim) -> Block:
        """The body, whose results end up where the next round and the stacks want them."""
        pairs = [c for c in self.carries if c.pair]
        handed = handed_on([c.params[-1] for c in pairs], [c.next for c in pairs])
        outs: dict[int, Value] = {}
        for n, c in enumerate(self.carries):
            if c.stack is not None:
                outs[n] = self.slot(c.stack, round + int(not self.backwards), c.init.type, c.init.type, self.first)
            elif c.where is not None and c.where in self.kept:
                outs[n] = c.where
            elif c.pair and pairs.index(c) not in handed:
                outs[n] = c.inside[1]
        return self.planner.region(self.body, outs | self.outs, [*self.first, *self.views])

    def following(self) -> tuple[Value, ...]:
        """The buffers a round hands on."""
        pairs = [c for c in self.carries if c.pair]
        handed = handed_on([c.params[-1] for c in pairs], [c.next for c in pairs])
        swapped = iter(next_pairs([b for c in pairs for b in c.inside], handed))
        return tuple(b for c in self.moving for b in ((next(swapped), next(swapped)) if c.pair else (c.slot,)) if b is not None)

    def end(self, made: Op, last: Dim) -> None:
        """A place for the values after the rounds; slot `last` of a stack holds what the last round gave."""
        planner, given = self.planner, iter(made.results)
        for c in self.carries:
            if c.where is not None:
                planner.place[c.result] = c.where
            elif c.stack is not None:
                planner.place[c.result] = self.slot(c.stack, last, c.init.type, c.init.type, planner.ops)
            else:
                planner.place[c.result], *_ = [next(given) for _ in c.buffers]


def written_over(body: Block, carried: Value, following: Value, kernels: Mapping[str, Func]) -> bool:
    """Whether what follows a carried value is computed over it: by a kernel that reads it only at the element it writes, last of all.

    What a view or a loop makes of it may be it under another name.
    """
    made = following.op
    if not isinstance(made, Call) or made not in body.ops or carried in body.results:
        return False
    at = body.ops.index(made)
    elements = {} if isinstance(made, Update) else own_elements(kernels[made.kernel])
    own = elements.get(len(made.inputs) + made.results.index(following), frozenset[int]())
    others = [op for op in body.ops if op is not made and carried in op.uses]
    before = all(isinstance(op, Call) and body.ops.index(op) < at for op in others)
    return before and all(n in own for n, v in enumerate(made.inputs) if v is carried)


def handed_on(params: Sequence[Value], results: Sequence[Value]) -> dict[int, int]:
    """The results of a loop's body that are carried values as they came, each one once, by result and carried number."""
    number = {p: n for n, p in enumerate(params)}
    found: dict[int, int] = {}
    for n, result in enumerate(results):
        if result in number and number[result] not in found.values():
            found[n] = number[result]
    return found


def next_pairs(carried: Sequence[Value], handed: Mapping[int, int]) -> tuple[Value, ...]:
    """The buffers a round hands on: each value where it is, beside one that is free."""
    count = len(carried) // 2
    values = [carried[2 * handed[n]] if n in handed else carried[2 * n + 1] for n in range(count)]
    left = [b for b in carried if b not in values]
    found: list[Value] = []
    for n, value in enumerate(values):
        own = [b for b in carried[2 * n : 2 * n + 2] if b in left]
        free = own or [b for b in left if b.type == value.type]
        left.remove(free[0])
        found += [value, free[0]]
    return tuple(found)


COUNT = Type(DType.i64, (), "host")


def _launched(planner: Planner, kernel: Func, counter: Value) -> Launch:
    """A launch of one of the kernels below."""
    planner.copies.setdefault(kernel.name, kernel)
    return Launch((counter,), Symbol(kernel.name))


def counter_begins() -> Func:
    """The kernel that sets a number of rounds to 0."""
    counter = Value(COUNT, None, "out")
    none = constant(0, DType.i64)
    return _once("counter.begin", counter, (_op(none), Store(none, counter, ())))


def counter_goes_on() -> Func:
    """The kernel that counts a round."""
    counter = Value(COUNT, None, "out")
    load, one = Load(counter, ()), constant(1, DType.i64)
    more = add(load.result, one)
    return _once("counter.next", counter, (load, _op(one), _op(more), Store(more, counter, ())))


def _op(value: Value) -> Op:
    assert value.op is not None
    return value.op


def _once(name: str, param: Value, ops: tuple[Op, ...]) -> Func:
    loop = For((), "parallel", Block((Value(below(1), None, "once"),), ops, ()))
    return Func(name, Block((param,), (loop,), ()), (), "loops")
