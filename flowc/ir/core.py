"""Values, ops, blocks, functions and modules: the immutable SSA form shared by all levels.

Nothing here is ever modified after construction.  A transform builds new ops
and returns a new `Func`; a `Value` knows the op that made it, never its users.

What a function is for are its roots: its results, and the ops that are there
for their effect (checks and state writes).  An op with an effect has a `token`,
a value that nothing prints; a block's roots are the tokens in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self, dataclass_transform, get_type_hints

from flowc.errors import OpError
from flowc.ir.dims import Dim, Polynomial, Size, atoms, dim, substitute
from flowc.ir.types import TOKEN, Type
from flowc.source import Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Value:
    """One SSA value; identity is its name."""

    type: Type
    op: Op | None
    hint: str = ""

    __match_args__ = ("op",)

    def __str__(self) -> str:
        return f"%{self.hint}"


class Symbol(str):
    """The name of something outside the function: a kernel, a state, a weight; printed `@name`."""

    __slots__ = ()


@dataclass(frozen=True, eq=False)
class Block:
    """Parameters, ops in order, and the values handed back to the enclosing op."""

    params: tuple[Value, ...]
    ops: tuple[Op, ...]
    results: tuple[Value, ...]

    @cached_property
    def captured(self) -> dict[Value, None]:
        """Values the block uses but does not define, in order of first use."""
        known = set(self.params)
        free: dict[Value, None] = {}
        for p in self.params:
            free.update(dict.fromkeys(v for v in indices(p.type.dims) if v not in known))
        for op in self.ops:
            free.update(dict.fromkeys(v for v in op.uses if v not in known))
            known.update(op.values)
        free.update(dict.fromkeys(v for v in self.results if v not in known))
        return free

    @cached_property
    def roots(self) -> tuple[Value, ...]:
        """The tokens of ops that are here for their effect, in order."""
        return tuple(op.token for op in self.ops if op.token is not None)


@dataclass(frozen=True, eq=False)
class Func:
    """A function: `outputs` names the body's results; `level` says which ops it may hold."""

    name: str
    body: Block
    outputs: tuple[str, ...] = ()
    level: str = "graph"
    location: Span | None = None

    def __str__(self) -> str:
        from flowc.ir.printer import print_func

        return print_func(self)

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """The named sizes it speaks of, in order of first appearance."""
        found: dict[Size, None] = {}

        def see(dims: Iterable[Dim]) -> None:
            for d in dims:
                if isinstance(d, Polynomial):
                    found.update(dict.fromkeys(a for a in atoms(d) if isinstance(a, Size)))

        for p in self.body.params:
            see(p.type.dims)
        for op in walk(self.body):
            for v in (*op.results, *(p for r in op.regions for p in r.params)):
                see(v.type.dims)
            for dims in op.of_kind("dims").values():
                see(dims)
        return tuple(found)


@dataclass(frozen=True)
class State:
    """A buffer that outlives a run: `kind` is "param" (trainable) or "state"."""

    name: str
    type: Type
    kind: str = "state"
    location: Span | None = dataclasses.field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Module:
    """Functions by name, and the state they share; `init` names the function that writes every state's first value."""

    name: str
    funcs: tuple[Func, ...]
    states: tuple[State, ...] = ()

    def __str__(self) -> str:
        from flowc.ir.printer import print_module

        return print_module(self)

    def func(self, name: str) -> Func:
        return next(f for f in self.funcs if f.name == name)

    def map(self, change: Callable[[Func], Func]) -> Module:
        return dataclasses.replace(self, funcs=tuple(map(change, self.funcs)))


class Namer:
    """Names for the unnamed ops of one statement: `<target>.<op>`, then `.2`, `.3` in order."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.counts: dict[str, int] = {}

    def __call__(self, op: str) -> str:
        count = self.counts[op] = self.counts.get(op, 0) + 1
        return f"{self.target}.{op}" + f".{count}" * (count > 1)


@dataclass(frozen=True)
class Scope:
    """What an op under construction takes where it is not told: its place, its device, a name; `made` collects graph ops."""

    location: Span | None = None
    device: str = ""
    namer: Namer | None = None
    made: list[Op] | None = None


NO_SCOPE = Scope()
_SCOPE: ContextVar[Scope] = ContextVar("scope", default=NO_SCOPE)


@contextmanager
def scope(location: Span | None = None, device: str = "", namer: Namer | None = None, made: list[Op] | None = None) -> Generator[Scope]:
    """Ops made inside have this place, device and names where they are not told others."""
    inner = Scope(location, device, namer, made)
    token = _SCOPE.set(inner)
    try:
        yield inner
    finally:
        _SCOPE.reset(token)


@contextmanager
def derived_from(op: Op, prefix: str) -> Generator[None]:
    """Ops made inside have the place and device of `op`, and names after its result with `prefix` before."""
    around = _SCOPE.get()
    namer = Namer(prefix + op.hint) if op.hint else around.namer
    token = _SCOPE.set(Scope(op.location, op.device, namer, around.made))
    try:
        yield
    finally:
        _SCOPE.reset(token)


OPS: dict[str, type[Op]] = {}
NO_VALUES: frozenset[Value] = frozenset()
COMMON = frozenset({"hints", "location", "device"})  # fields of every op, no part of its form
KINDS = ("operand", "group", "dims", "symbol", "region", "type", "types", "attribute")  # of fields


@dataclass_transform(frozen_default=True, eq_default=False)
@dataclass(frozen=True, eq=False)
class Op:
    """Base of every op.  Subclasses declare fields; the rest follows from them.

    A field of type `Value` is an operand, `tuple[Value, ...]` a group of
    operands, `tuple[Dim, ...]` a list of sizes or index expressions, `Symbol` a
    name outside, `Block` a region; a field named `type` is the result type, one of
    type `tuple[Type, ...]` the result types; any other is an attribute.
    """

    name: ClassVar[str]
    level: ClassVar[str] = "graph"  # the level whose functions may hold it; "any" for those at home in several
    effect: ClassVar[bool] = False  # True: a root wherever it stands
    fails: ClassVar[bool] = False  # True: may end the run, so it never leaves its region
    isolated: ClassVar[bool] = False  # nothing is hoisted out of its regions
    form: ClassVar[dict[str, str]]  # field name -> operand | group | dims | symbol | region | type | types | attribute
    defaults: ClassVar[dict[str, Any]]  # of fields; left out of the text where equal
    fields_of: ClassVar[dict[str, tuple[str, ...]]]  # their names by kind
    results: tuple[Value, ...] = field(init=False, repr=False, kw_only=True)
    token: Value | None = field(init=False, repr=False, kw_only=True)
    free: frozenset[Value] = field(init=False, repr=False, kw_only=True)  # loop indices it depends on
    hints: tuple[str, ...] = field(default=(), kw_only=True)
    location: Span | None = field(default=None, kw_only=True, repr=False)
    device: str = field(default="", kw_only=True)

    def __init_subclass__(cls, *, name: str = "") -> None:
        dataclass(frozen=True, eq=False)(cls)
        if not name:
            return
        hints = get_type_hints(cls)
        kinds = {
            Value: "operand",
            tuple[Value, ...]: "group",
            tuple[Dim, ...]: "dims",
            Block: "region",
            Symbol: "symbol",
            tuple[Type, ...]: "types",
        }
        cls.name, OPS[name] = name, cls
        own = [f for f in dataclasses.fields(cls) if f.init and f.name not in COMMON]
        kind = {f.name: kinds.get(hints[f.name], "attribute") for f in own}
        kind |= {"type": "type"} if "type" in kind else {}
        cls.form = {n: k for n, k in kind.items() if k != "type"} | {n: k for n, k in kind.items() if k == "type"}  # the type stands last
        cls.defaults = {f.name: f.default for f in own if f.default is not dataclasses.MISSING}
        cls.fields_of = {k: tuple(n for n, own in kind.items() if own == k) for k in KINDS}

    def __post_init__(self) -> None:
        around = _SCOPE.get()
        if self.location is None and around.location is not None:
            object.__setattr__(self, "location", around.location)
        if not self.device and around.device:
            object.__setattr__(self, "device", around.device)
        if not self.hints and around.namer is not None and self.level == "graph":
            object.__setattr__(self, "hints", (around.namer(self.name),))
        hints = self.hints
        try:
            types = self.infer()
        except OpError as error:
            error.location = error.location or self.location
            raise
        if len(types) == 1:
            results = (Value(types[0], self, hints[0] if hints else ""),)
        else:
            results = tuple(Value(t, self, hints[n] if n < len(hints) else "") for n, t in enumerate(types))
        object.__setattr__(self, "results", results)
        rooted = self.effect or (self.fields_of["region"] and any(r.roots for r in self.regions))
        object.__setattr__(self, "token", Value(TOKEN, self) if rooted else None)
        if around.made is not None and self.level == "graph":
            around.made.append(self)
        free = NO_VALUES
        for v in self.uses:
            if v.op is not None:
                if v.op.free:
                    free |= v.op.free
            elif v.type.below is not None:
                free |= {v}
        object.__setattr__(self, "free", free)

    def infer(self) -> tuple[Type, ...]:
        """Result types; raises `OpError` when the operands do not fit."""
        raise NotImplementedError(type(self).__name__)

    @property
    def result(self) -> Value:
        (result,) = self.results
        return result

    @property
    def hint(self) -> str:
        return self.hints[0] if self.hints else ""

    @property
    def values(self) -> tuple[Value, ...]:
        """The results, then the token, where there is one."""
        return self.results if self.token is None else (*self.results, self.token)

    def of_kind(self, kind: str) -> dict[str, Any]:
        return {n: getattr(self, n) for n in self.fields_of[kind]}

    @property
    def operands(self) -> tuple[Value, ...]:
        if not self.fields_of["group"]:
            return tuple([getattr(self, n) for n in self.fields_of["operand"]])
        found: list[Value] = []
        for name, kind in self.form.items():
            if kind == "operand":
                found.append(getattr(self, name))
            elif kind == "group":
                found.extend(getattr(self, name))
        return tuple(found)

    @property
    def regions(self) -> tuple[Block, ...]:
        names = self.fields_of["region"]
        return tuple([getattr(self, n) for n in names]) if names else ()

    @cached_property
    def uses(self) -> tuple[Value, ...]:
        """Every value the op depends on: operands, indices, what its regions capture."""
        used, kinds = self.operands, self.fields_of
        if kinds["dims"]:
            used += tuple(v for ds in self.of_kind("dims").values() for v in indices(ds))
        if kinds["type"]:
            used += tuple(v for t in self.of_kind("type").values() for v in indices(t.dims))
        if kinds["types"]:
            used += tuple(v for ts in self.of_kind("types").values() for t in ts for v in indices(t.dims))
        if kinds["region"]:
            used += tuple(v for r in self.regions for v in r.captured)
        return used

    @property
    def attributes(self) -> dict[str, Any]:
        return self.of_kind("attribute")

    @property
    def common(self) -> dict[str, Any]:
        """The fields every op has, to hand on to what replaces it."""
        return {"hints": self.hints, "location": self.location, "device": self.device}

    def rebuild(
        self, value: Callable[[Value], Value], block: Callable[[Block], Block] = lambda b: b, index: Callable[[Dim], Dim] = lambda d: d
    ) -> Self:
        """The same op over other operands, indices and regions."""
        new: dict[str, Any] = {}
        for name, kind in self.form.items():
            old = getattr(self, name)
            match kind:
                case "operand":
                    new[name] = value(old)
                case "group":
                    new[name] = tuple(map(value, old))
                case "dims":
                    new[name] = tuple(map(index, old))
                case "region":
                    new[name] = block(old)
                case "type":
                    new[name] = retyped(old, index)
                case "types":
                    new[name] = tuple(retyped(t, index) for t in old)
                case _:
                    new[name] = old
        return type(self)(**new, **self.common)


def retyped(type: Type, index: Callable[[Dim], Dim]) -> Type:
    """The type with its sizes mapped."""
    if type.below is not None:
        new = index(type.below)
        return type if new is type.below else dataclasses.replace(type, below=new)
    shape = tuple(map(index, type.shape))
    return type if all(a is b for a, b in zip(shape, type.shape, strict=True)) else dataclasses.replace(type, shape=shape)


def indices(dims: Iterable[Dim]) -> Iterator[Value]:
    """The values that index expressions speak of."""
    for d in dims:
        if isinstance(d, Polynomial):
            yield from (a for a in atoms(d) if isinstance(a, Value))


def renamed(to: Callable[[Value], Value | Dim]) -> Callable[[Dim], Dim]:
    """The map of index expressions that follows a map of values."""

    def one(atom: Any) -> Dim:
        new = to(atom) if isinstance(atom, Value) else atom
        return new if isinstance(new, int | Polynomial) else dim(new)

    def index(d: Dim) -> Dim:
        return d if all(to(v) is v for v in indices((d,))) else substitute(d, one)

    return index


def walk(block: Block) -> Iterator[Op]:
    """Every op of `block` and of its regions, outer before inner."""
    stack = [iter(block.ops)]
    while stack:
        op = next(stack[-1], None)
        if op is None:
            stack.pop()
            continue
        yield op
        stack.extend(iter(region.ops) for region in reversed(op.regions))


def close(
    params: tuple[Value, ...],
    results: tuple[Value, ...],
    roots: Sequence[Value] = (),
    given: Iterable[Value] = (),
    by_index: bool | None = None,
) -> Block:
    """The block over `params` that computes `results` and has the effects `roots`, from floating pure ops.

    An op goes into the innermost block whose parameter it depends on, so what a
    loop does not change is hoisted out of it by construction; what can fail stays.
    What is `given` is outside, with all it depends on.  Ops know the indices they
    depend on, so a kernel, all of whose parameters are indices, is closed without a look at the graph.
    """
    inside: dict[Value, bool] = dict.fromkeys(given, False) | dict.fromkeys(params, True)
    if by_index is None:
        by_index = bool(params) and all(p.type.below is not None for p in params)
    ops: list[Op] = []
    for value in needed((*results, *roots), inside, NO_VALUES.union(params) if by_index else None):
        op = value.op
        within = op is not None and (
            not op.free.isdisjoint(params) if by_index else op.fails or op.token is not None or any(inside[v] for v in op.uses)
        )
        if op is not None and value is op.values[0] and within:
            ops.append(op)
        inside[value] = within
    return Block(params, tuple(ops), results)


def body(params: tuple[Value, ...], results: tuple[Value, ...], roots: Sequence[Value] = (), given: Iterable[Value] = ()) -> Block:
    """The block of everything `results` and `roots` reach short of `given`, constants included."""
    known = dict.fromkeys((*params, *given), True)
    ops: list[Op] = []
    for value in needed((*checks_of_sizes(roots), *results, *roots), known):
        known[value] = True
        if value.op is not None and value is value.op.values[0]:
            ops.append(value.op)
    return Block(params, tuple(ops), results)


def checks_of_sizes(roots: Iterable[Value]) -> tuple[Value, ...]:
    """The roots that check what is known of sizes only during the run: they precede all that assumes it."""
    ops = ((root, root.op) for root in roots if root.op is not None)
    return tuple(root for root, op in ops if op.fails and op.uses and not op.operands and not op.regions)


def func(
    name: str, params: tuple[Value, ...], results: tuple[Value, ...], roots: Sequence[Value] = (), outputs: tuple[str, ...] = ()
) -> Func:
    """A function of everything `results` and `roots` reach."""
    return Func(name, body(params, results, roots), outputs)


def ordered(params: tuple[Value, ...], results: tuple[Value, ...], roots: Iterable[Value], given: Iterable[Value] = ()) -> Block:
    """The block of everything `roots` and `results` reach short of `given`; what roots need stands first."""
    known = dict.fromkeys((*params, *given), True)
    ops: list[Op] = []
    for value in needed((*roots, *results), known):
        known[value] = True
        if value.op is not None and value is value.op.values[0]:
            ops.append(value.op)
    return Block(params, tuple(ops), results)


def needed(results: Iterable[Value], known: Container[Value], free: frozenset[Value] | None = None) -> Iterator[Value]:
    """Values `results` reach, each after what it uses; the caller adds each to `known`.

    With `free`, ops that depend on none of those indices are not looked into.
    """
    stack = [*results][::-1]
    while stack:
        value = stack[-1]
        if value in known:
            stack.pop()
            continue
        op = value.op
        looked = op is not None and (free is None or not op.free.isdisjoint(free))
        missing = [v for v in op.uses if v not in known] if op is not None and looked else []
        if missing:
            stack.extend(missing[::-1])
            continue
        stack.pop()
        yield from (value,) if op is None else op.values
