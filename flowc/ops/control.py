"""Control flow with values, and what a graph is run for beside its results: checks and state."""

from __future__ import annotations

from flowc.errors import OpError
from flowc.ir.core import Block, Op, Symbol, Value
from flowc.ir.dims import Dim, show
from flowc.ir.types import DType, Type, below


class Loop(Op, name="loop"):
    """The carried values after running `body` while `condition` holds, at most `limit` times (no limit where that is empty).

    With `stacked`, for which it needs a limit, it also gives the number of rounds, an
    i64, and for each carried value those that the rounds began with, stacked; beyond that number a stack has no meaning.
    """

    init: tuple[Value, ...]
    limit: tuple[Dim, ...]
    condition: Block
    body: Block
    stacked: bool = False
    fails = True

    def infer(self) -> tuple[Type, ...]:
        types = tuple(v.type for v in self.init)
        given = tuple(v.type for v in self.body.results)
        if given != types:
            raise OpError(f"a loop gives back the types it carries: it carries {_listed(types)} and yields {_listed(given)}")
        if tuple(r.type for r in self.condition.results) != (Type(DType.bool),):
            raise OpError(f"the condition of a loop is a bool scalar, not {_listed(tuple(r.type for r in self.condition.results))}")
        if not self.stacked:
            return types
        if not self.limit:
            raise OpError("a loop without a limit keeps no stacks")
        return (*types, Type(DType.i64), *(stacked(t, self.limit[0]) for t in types))


class Scan(Op, name="scan"):
    """`body` for each of `steps` steps, in order or backwards, over the slices of `xs` along axis 0, carrying values from `init` on.

    The body takes the number of the step, an index below `steps`, then the slices and the carried values; it gives
    the next carried values and what it emits.  Results: the last carried values, then what was emitted, stacked
    at the step's number; with `stacked`, then for each carried value those that the steps began with.
    """

    xs: tuple[Value, ...]
    init: tuple[Value, ...]
    steps: tuple[Dim, ...]
    body: Block
    backwards: bool = False
    stacked: bool = False

    def infer(self) -> tuple[Type, ...]:
        (steps,) = self.steps
        slices = tuple(Type(x.type.dtype, x.type.shape[1:]) for x in self.xs)
        carries = tuple(v.type for v in self.init)
        taken, given = (tuple(v.type for v in vs) for vs in (self.body.params, self.body.results))
        if taken != (below(steps), *slices, *carries):
            raise OpError(f"the body of a scan takes {_listed((below(steps), *slices, *carries))}, not {_listed(taken)}")
        if given[: len(carries)] != carries:
            given = given[: len(carries)]
            raise OpError(f"a scan gives back the types it carries: it carries {_listed(carries)} and yields {_listed(given)}")
        for x in self.xs:
            if x.type.shape[0] != steps:
                raise OpError(f"a scan of {show(steps)} steps takes sequences of that length, not {x.type}")
        kept = carries if self.stacked else ()
        return (*carries, *(stacked(t, steps) for t in (*given[len(carries) :], *kept)))

    @property
    def step(self) -> Value:
        return self.body.params[0]

    @property
    def slices(self) -> tuple[Value, ...]:
        return self.body.params[1 : 1 + len(self.xs)]

    @property
    def carries(self) -> tuple[Value, ...]:
        return self.body.params[1 + len(self.xs) :]

    @property
    def emits(self) -> tuple[Value, ...]:
        """What the body emits at each step."""
        return self.body.results[len(self.init) :]


def stacked(type: Type, count: Dim) -> Type:
    """The type of `count` values of a type, one after the other along a new axis 0."""
    return Type(type.dtype, (count, *type.shape))


class Cond(Op, name="cond"):
    """The results of `then` where `which` holds, else of `orelse`; only one runs."""

    which: Value
    then: Block
    orelse: Block
    isolated = True

    def infer(self) -> tuple[Type, ...]:
        types, other = (tuple(v.type for v in side.results) for side in (self.then, self.orelse))
        if types != other:
            raise OpError(f"both sides of an if have the same types: they yield {_listed(types)} and {_listed(other)}")
        if self.which.type != Type(DType.bool):
            raise OpError(f"the condition of an if is a bool scalar, not {self.which.type}")
        return types


def _listed(types: tuple[Type, ...]) -> str:
    return ", ".join(map(str, types)) or "nothing"


class CheckEqual(Op, name="check_equal"):
    """The run ends unless the two sizes are equal."""

    dims: tuple[Dim, ...]
    what: str
    effect = True
    fails = True

    def infer(self) -> tuple[Type, ...]:
        return ()


class CheckAtLeast(Op, name="check_at_least"):
    """The run ends unless the first size is at least the second."""

    dims: tuple[Dim, ...]
    what: str
    effect = True
    fails = True

    def infer(self) -> tuple[Type, ...]:
        return ()


class Assert(Op, name="assert"):
    """The run ends unless the condition, a bool scalar, holds."""

    condition: Value
    what: str
    effect = True
    fails = True

    def infer(self) -> tuple[Type, ...]:
        if self.condition.type != Type(DType.bool):
            raise OpError(f"assert takes a bool scalar, not {self.condition.type}")
        return ()


class DynamicSize(Op, name="dynamic_size"):
    """A size known only during the run: the i64 scalar `count`, which is never negative and always below `bound`."""

    count: Value
    bound: tuple[Dim, ...]

    def infer(self) -> tuple[Type, ...]:
        return (below(self.bound[0]),)


class StateRead(Op, name="read_state"):
    """A state's value from before this run."""

    symbol: Symbol
    type: Type

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)


class StateWrite(Op, name="write_state"):
    """A state's next value, which takes effect when the run has passed all its checks."""

    symbol: Symbol
    value: Value
    effect = True

    def infer(self) -> tuple[Type, ...]:
        return ()
