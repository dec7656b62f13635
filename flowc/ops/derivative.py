"""What says how to differentiate: derivatives by hand, what is computed again, what waits.  All are their values once that is done."""

from __future__ import annotations

from flowc.errors import OpError, counted
from flowc.ir.core import Block, Op, Value
from flowc.ir.types import Type


class Custom(Op, name="custom_derivative"):
    """`values`, with a derivative by hand by `formals`.

    `backward` takes a cotangent for each primal and gives one for each formal of floats; it
    may capture formals and whatever else was computed, and must be linear in what it takes.
    """

    primals: tuple[Value, ...]
    formals: tuple[Value, ...]
    backward: Block

    def infer(self) -> tuple[Type, ...]:
        for p, v in zip(self.backward.params, self.primals, strict=True):
            if p.type != v.type:
                raise OpError(f"the derivative takes {p.type} where the function gives {v.type}")
        wanted, given = self.wanted, self.backward.results
        if len(wanted) != len(given):
            raise OpError(f"the derivative gives {counted(len(given), 'value')} for {counted(len(wanted), 'formal')} of floats")
        for f, d in zip(wanted, given, strict=True):
            if f.type != d.type:
                raise OpError(f"the derivative gives {d.type} for {f.hint or 'a formal'}, which is {f.type}")
        return tuple(v.type for v in self.primals)

    @property
    def wanted(self) -> tuple[Value, ...]:
        """The formals that have a derivative."""
        return tuple(f for f in self.formals if f.type.dtype.is_float)


class Remat(Op, name="remat"):
    """The block's results, which reverse mode computes again from what the block captures rather than keep."""

    body: Block
    isolated = True

    def infer(self) -> tuple[Type, ...]:
        return tuple(r.type for r in self.body.results)


class After(Op, name="after"):
    """`value`, to be used only once all of `others` are there."""

    value: Value
    others: tuple[Value, ...]

    def infer(self) -> tuple[Type, ...]:
        return (self.value.type,)
