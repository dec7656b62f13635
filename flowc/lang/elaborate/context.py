"""What elaboration knows at a place in a file: names, the function and block under construction, names to give.

The only things that change are the lists that a `Build` and a `Region` collect
while one function is elaborated, and the names of a block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from flowc.errors import Note, OpError
from flowc.ir.core import Block, Func, Namer, Op, Value, indices, ordered, scope
from flowc.ir.dims import Dim, at_least
from flowc.ir.types import Type
from flowc.lang import ast
from flowc.lang.elaborate.report import MAX_TENSOR, Mistake, Report
from flowc.lang.elaborate.values import Denotation, dim_text, type_text
from flowc.ops.control import CheckAtLeast, CheckEqual
from flowc.ops.tensor import Tensor, differ, equal_sizes
from flowc.source import Span

if TYPE_CHECKING:
    from flowc.lang.elaborate.units import Unit

T = TypeVar("T")


@dataclass(frozen=True)
class Bound:
    """What a name stands for, and where it was said so; `kind` is a word for messages: input, value, formal, carry, index."""

    denotation: Denotation
    span: Span | None
    kind: str


@dataclass
class Names:
    """The names of a block, and of those around it."""

    parent: Names | None = None
    here: dict[str, Bound] = field(default_factory=dict[str, Bound])

    def get(self, name: str) -> Bound | None:
        names: Names | None = self
        while names is not None:
            if name in names.here:
                return names.here[name]
            names = names.parent
        return None

    def __iter__(self) -> Iterator[str]:
        yield from self.here
        if self.parent is not None:
            yield from self.parent


@dataclass(frozen=True)
class Write:
    """The next value of a state, where it is written, and where the function is called that does so."""

    value: Value
    span: Span
    call: Span | None = None


@dataclass(frozen=True)
class TestCheck:
    """An `assert` of a test: what is compared, by position among the results of its function.

    Without `right`, every element of `left` is true; with it the two are equal, or within `tolerance`.
    """

    left: int
    right: int | None
    operator: str
    tolerance: int | None
    message: str
    span: Span


@dataclass(frozen=True, eq=False)
class GradientCheck:
    """A `check_grad` of a test: arguments and derivatives by position among the results of its function.

    `func` gives, in f64, the number of which these are the derivatives by its parameters.
    """

    func: Func
    arguments: tuple[int, ...]
    derivatives: tuple[int, ...]
    function: str
    within: float
    span: Span


@dataclass
class Region:
    """A block under construction: its roots, its writes, and how many ops were made before it."""

    kind: str  # function, if, loop, scan, remat, derivative
    start: int = 0
    roots: list[Value] = field(default_factory=list[Value])
    writes: dict[str, Write] = field(default_factory=dict[str, Write])
    checked: dict[Any, None] = field(default_factory=dict[Any, None])  # of sizes known only during the run


@dataclass
class Build:
    """A function under construction: the ops made so far, what all its blocks share, the checks at its entry."""

    made: list[Op] = field(default_factory=list[Op])
    shared: dict[str, Value] = field(default_factory=dict[str, Value])
    checks: list[Value] = field(default_factory=list[Value])
    checked: dict[Any, None] = field(default_factory=dict[Any, None])
    bound: dict[Value, None] = field(default_factory=dict[Value, None])  # values that have a name of the file
    consts: dict[str, Denotation] = field(default_factory=dict[str, Denotation])
    open: dict[str, None] = field(default_factory=dict[str, None])  # consts, types of states and ranges being evaluated
    initialises: bool = False  # this is the function that writes every state's first value
    unknown: dict[str, None] = field(default_factory=dict[str, None])  # names that stand for nothing, each told once
    elements: int = 0  # numbers written out in lists
    looked: int = 0  # ops whose assumptions are checks already
    several_losses: bool = False  # more than one thing is differentiated, so derivatives are named after both
    compared: list[Value] | None = None  # what the asserts of a test compare; None where this is no test
    tests: list[TestCheck | GradientCheck] = field(default_factory=list["TestCheck | GradientCheck"])

    def block(self, region: Region, params: tuple[Value, ...], results: tuple[Value, ...]) -> Block:
        """The block of what was made in `region`: roots first, so that checks precede what they guard."""
        given = (v for op in self.made[: region.start] for v in op.values)
        return ordered(params, results, region.roots, (*self.shared.values(), *given))


@dataclass(frozen=True, eq=False)
class Reading:
    """Inside a definition by index: the ranges found for its names, and what conditions around this place say."""

    ranges: Mapping[int, tuple[tuple[Value, Dim, Dim], ...]]  # open index, first value, extent of a reduce's names, by its identity
    real: Mapping[Value, Dim]  # what stands for an index while ranges are open -> its index
    bases: Mapping[int, Denotation]  # tensors that are read, evaluated once, by the node's identity
    facts: tuple[Dim, ...] = ()  # sizes that are not negative here
    holds: Value | None = None  # a bool that is true here
    free: bool = False  # an index name around has more than one value


@dataclass(frozen=True)
class Outcome:
    """What a block's last statement gives: what it yields, or returns, and emits; `span` is its place."""

    values: tuple[Denotation, ...] | None = None
    kind: str = ""
    span: Span | None = None
    places: tuple[Span, ...] = ()
    emitted: tuple[Denotation, ...] = ()
    emitted_places: tuple[Span, ...] = ()


@dataclass(frozen=True, eq=False)
class Frame:
    """A place: the file it is in, the function and block it adds to, the names it sees and the names it gives."""

    unit: Unit
    build: Build
    region: Region
    names: Names
    report: Report
    evaluate: Callable[[Frame, ast.Expression], Denotation]
    run: Callable[[Frame, ast.Block], Outcome]
    prefix: str = ""  # what names of values made here begin with
    namers: tuple[Namer, ...] = ()  # of the statement's targets, in order
    targets: tuple[str, ...] = ()  # the names the whole expression gives its results
    lone: bool = True  # the statement calls one function
    returning: Frame | None = None  # how results of the function being expanded are named
    reading: Reading | None = None
    calls: tuple[tuple[ast.Node, Span], ...] = ()  # the functions being expanded, and where they are called
    device: str = ""
    looping: str = ""  # inside a loop, or a scan
    sizes: Mapping[str, Dim] | None = None  # what sizes of the file stand for; None: for themselves
    rest: tuple[Dim, ...] | None = None  # the axes `...` stands for in the signature being expanded
    initial: Type | None = None  # the type of the state that the whole expression initialises
    constant: bool = False  # inside a const

    def within(self, **changes: Any) -> Frame:
        """The frame with other fields; `dataclasses.replace` would take a quarter of elaboration."""
        copy = object.__new__(Frame)
        copy.__dict__.update(self.__dict__)
        copy.__dict__.update(changes)
        return copy

    def value(self, node: ast.Expression) -> Denotation:
        """What an expression inside another one stands for."""
        whole = self.targets or self.initial is not None
        return self.evaluate(self.within(targets=(), initial=None) if whole else self, node)

    def given(self, target: int) -> Frame:
        """The frame of the expression whose value the statement's target number `target` gets."""
        if len(self.namers) <= 1:
            return self
        at = min(target, len(self.namers) - 1)
        return self.within(namers=(self.namers[at],), targets=self.targets[at : at + 1])

    @contextmanager
    def making(self, span: Span) -> Generator[None]:
        """Ops made inside have their place, device and name from here."""
        with scope(span, self.device, self.namers[0] if self.namers else None, self.build.made):
            yield
        if self.report.spent + len(self.build.made) > self.report.ops:
            message = f"the program has more than {self.report.ops:,} ops"
            raise self.report.refuse(message, span, "the limit guards against files that expand without end")

    def make(self, span: Span, make: Callable[[], T], notes: Sequence[Note] = ()) -> T:
        """What `make` gives; an `OpError` becomes a mistake at `span`."""
        try:
            with self.making(span):
                return make()
        except OpError as error:
            told = [Note(text, at) for text, at in error.notes if isinstance(at, Span)]
            raise Mistake(str(error), span, (*notes, *told), error.help) from None

    def write(self, name: str, write: Write) -> None:
        """Notes that this block writes a state; raises `Mistake` where it does so already."""
        first = self.region.writes.setdefault(name, write)
        if first is write:
            return
        notes = [Note("it is written here first", first.span)]
        for text, call in (("by this call", first.call), ("and by this one", write.call)):
            notes += [Note(text, call)] if call is not None and first.call is not None else []
        raise Mistake(f"{name} is written twice in a run", write.span, notes)

    def check(self) -> None:
        """Turns what the ops made since the last call assume of sizes into checks of the run."""
        build = self.build
        for op in build.made[build.looked :]:
            if not isinstance(op, Tensor):
                continue
            for a, b in op.assumes():
                self.require_equal(a, b, op.location)
            for d in op.result.type.shape:
                self._keeps(d, op)
                self.require_at_least(d, 0, op.location)
            self.require_holdable(op.result.type, op.location)
        build.looked = len(build.made)

    def _keeps(self, d: Dim, op: Tensor) -> None:
        """Raises `Mistake` for a size that depends on the number of a scan's step."""
        if any(v.op is None for v in indices((d,))):
            text = f"{type_text(op.result.type)} has a size that changes from step to step"
            raise Mistake(text, op.location, help="a tensor has one size in all steps: take all of it, and choose with `where`")

    def require_equal(self, a: Dim, b: Dim, span: Span | None) -> None:
        """A check that two sizes are equal: of the entry, or of the block where they are known only during the run."""
        if differ(a, b):
            raise Mistake(f"the sizes {dim_text(a)} and {dim_text(b)} differ", span)
        if not equal_sizes(a, b) and self._first("equal", a, b):
            with scope(span):
                self._place(CheckEqual((a, b), f"{dim_text(a)} equals {dim_text(b)}"))

    def require_at_least(self, a: Dim, low: Dim, span: Span | None) -> None:
        """A check that a size is at least another."""
        if at_least(low - a, 1):
            raise Mistake(f"the size {dim_text(a)} is {f'below {dim_text(low)}' if low != 0 else 'negative'}", span)
        if not at_least(a - low, 0) and self._first("least", a, low):
            with scope(span):
                self._place(CheckAtLeast((a, low), f"{dim_text(a)} is at least {dim_text(low)}"))

    def require_holdable(self, type: Type, span: Span | None) -> None:
        """The numbers among the sizes leave less than 2^62 bytes."""
        known = math.prod(d for d in type.shape if isinstance(d, int)) * type.dtype.bits // 8
        if known >= MAX_TENSOR:
            raise Mistake(f"{type_text(type)} is larger than any memory: tensors have less than 2^62 bytes", span)

    def _first(self, what: str, a: Dim, b: Dim) -> bool:
        """Whether neither the entry nor this block checks that already."""
        checked = self.region.checked if any(indices((a, b))) else self.build.checked
        if (what, a, b) in checked:
            return False
        checked[what, a, b] = None
        return True

    def _place(self, check: CheckEqual | CheckAtLeast) -> None:
        assert check.token is not None
        during = any(True for _ in indices(check.dims))
        (self.region.roots if during else self.build.checks).append(check.token)
