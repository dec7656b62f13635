"""What a launch costs, as a pure function of sizes: whether sharing it out pays, and in how many parts it can be cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowc.ir.core import Block, Func, Op, Value, indices
from flowc.ir.dims import Dim, at_least, at_most, most, substitute
from flowc.ops.loops import Alloc, For
from flowc.ops.tensor import Constant

GRAIN = 200_000  # element operations below which a launch stays on the calling thread; a product of 48 by 48 matrices has 300,000


@dataclass(frozen=True)
class Cost:
    """Of one kernel: rounds of its outermost parallel loops, and element operations in all, as sizes and index parameters."""

    rounds: Dim
    work: Dim

    def over(self, known: Callable[[Value], Dim]) -> Cost:
        """With the kernel's index parameters replaced."""
        return Cost(*(substitute(d, {v: known(v) for v in indices((d,))}) for d in (self.rounds, self.work)))

    @property
    def fixed(self) -> bool:
        """Whether named sizes alone decide it."""
        return not any(indices((self.rounds, self.work)))

    @property
    def parts(self) -> int | None:
        """In how many parts a launch is cut at most, where no size changes it; None where sizes decide."""
        if at_most(self.work, GRAIN - 1) or at_most(self.rounds, 1):
            return 1
        return self.rounds if isinstance(self.rounds, int) and at_least(self.work, GRAIN) else None


def cost(kernel: Func) -> Cost:
    """The cost of a launch of `kernel`, ragged loops counted at their longest."""
    fixed = set(kernel.body.params)

    def longest(d: Dim) -> Dim:
        d = most(d)
        while loose := [v for v in indices((d,)) if v not in fixed]:
            d = substitute(d, {v: (v.type.below or 1) - 1 for v in loose})
        return d

    def rounds(ops: tuple[Op, ...]) -> Dim:
        match ops:
            case (For(kind="parallel", body=body),):
                return longest(body.params[0].type.below or 1) * rounds(body.ops)
            case _:
                return 1

    def work(block: Block) -> Dim:
        total: Dim = 0
        for op in block.ops:
            if isinstance(op, Constant | Alloc):
                continue
            total = total + (0 if isinstance(op, For) else 1)
            for region in op.regions:
                inner = work(region)
                inner = 1 if inner == 0 else inner  # even a step that does nothing is one
                for p in region.params:
                    inner = inner * longest(p.type.below or 1)
                total = total + inner
        return total

    loops = tuple(op for op in kernel.body.ops if not isinstance(op, Alloc | Constant))
    return Cost(rounds(loops), work(kernel.body))
