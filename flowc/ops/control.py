"""Control flow with values, and what a graph is run for beside its results: checks and state."""

from __future__ import annotations

from flowc.errors import OpError
from flowc.ir.core import Block, Op, Symbol, Value
from flowc.ir.dims import Dim
from flowc.ir.types import DType, Type, below


class Loop(Op, name="loop"):
    """The carried values after running `body` while `condition` holds, at most `limit` times (no limit where that is empty)."""

    init: tuple[Value, ...]
    limit: tuple[Dim, ...]
    condition: Block
    body: Block
    fails = True

    def infer(self) -> tuple[Type, ...]:
        types = tuple(v.type for v in self.init)
        given = tuple(v.type for v in self.body.results)
        if given != types:
            raise OpError(f"a loop gives back the types it carries: it carries {_listed(types)} and yields {_listed(given)}")
        if tuple(r.type for r in self.condition.results) != (Type(DType.bool),):
            raise OpError(f"the condition of a loop is a bool scalar, not {_listed(tuple(r.type for r in self.condition.results))}")
        return types


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
