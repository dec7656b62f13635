"""The plan: kernels called on values, then launched over buffers in one arena, with checks, branches and loops."""

from __future__ import annotations

from flowc.errors import OpError
from flowc.ir.core import Block, Op, Symbol, Value
from flowc.ir.data import Blob
from flowc.ir.dims import Dim
from flowc.ir.types import DType, Type, below


class Call(Op, name="call"):
    """A scheduled kernel's results, before they have a place in memory."""

    kernel: Symbol
    inputs: tuple[Value, ...]
    types: tuple[Type, ...]
    level = "loops"

    def infer(self) -> tuple[Type, ...]:
        return self.types


class Update(Call, name="update"):
    """`init` after a scheduled kernel has changed it, then what else the kernel makes."""

    init: Value


class View(Op, name="view"):
    """What starts `offset` elements into another buffer, or into a value that will have one."""

    buffer: Value
    offset: tuple[Dim, ...]
    type: Type
    level = "plan"

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)


class WeightData(Op, name="weight_data"):
    """The elements of a constant array, which nothing writes."""

    symbol: Symbol
    blob: Blob
    type: Type
    level = "plan"

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)


class Launch(Op, name="launch"):
    """Run a kernel over buffers."""

    buffers: tuple[Value, ...]
    kernel: Symbol
    level = "plan"

    def infer(self) -> tuple[Type, ...]:
        return ()


class CheckRange(Op, name="check_range"):
    """End the run unless `low <= value <= high`, of three dims, or `low <= value`, of two."""

    dims: tuple[Dim, ...]
    what: str
    level = "plan"
    fails = True

    def infer(self) -> tuple[Type, ...]:
        return ()


class CheckTrue(Op, name="check_true"):
    """End the run unless the bool in the buffer holds."""

    buffer: Value
    what: str
    level = "plan"
    fails = True

    def infer(self) -> tuple[Type, ...]:
        return ()


class SizeOf(Op, name="size_of"):
    """The i64 in the buffer as a size, which the kernel that wrote it keeps below `bound`."""

    buffer: Value
    bound: tuple[Dim, ...]
    level = "plan"

    def infer(self) -> tuple[Type, ...]:
        return (below(self.bound[0]),)


class StoreSize(Op, name="store_size"):
    """Tells the caller, in the i64 `buffer`, the size of `axis` of the result in `of`."""

    size: tuple[Dim, ...]
    of: Value
    buffer: Value
    axis: int
    level = "plan"

    def infer(self) -> tuple[Type, ...]:
        return ()


class While(Op, name="while"):
    """`body` again while `condition` yields a true buffer, at most `limit` times.

    Both take the carried buffers; `body` gives the next ones.  The rounds also write `kept` buffers, which no round begins anew.
    """

    carried: tuple[Value, ...]
    limit: tuple[Dim, ...]
    what: str
    condition: Block
    body: Block
    kept: tuple[Value, ...] = ()
    level = "plan"
    fails = True

    def infer(self) -> tuple[Type, ...]:
        return tuple(v.type for v in self.carried)


class Repeat(Op, name="repeat"):
    """`body` for each index below `extent`, in order or backwards.

    It takes the index and the carried buffers and gives the next ones.  The rounds also write `kept` buffers.
    """

    carried: tuple[Value, ...]
    extent: tuple[Dim, ...]
    body: Block
    backwards: bool = False
    kept: tuple[Value, ...] = ()
    level = "plan"

    def infer(self) -> tuple[Type, ...]:
        taken, carried = (tuple(v.type for v in vs) for vs in (self.body.params, self.carried))
        if taken != (below(self.extent[0]), *carried):
            raise OpError("the body of a repeat takes an index below its extent and the buffers it carries")
        return carried


class If(Op, name="if"):
    """One of two blocks, by a bool buffer."""

    which: Value
    then: Block
    orelse: Block
    level = "plan"

    def infer(self) -> tuple[Type, ...]:
        return ()


class Commit(Op, name="commit"):
    """From here on nothing can fail: what follows stores to state."""

    level = "plan"

    def infer(self) -> tuple[Type, ...]:
        return ()


BYTES = Type(DType.u8, (), "host")
