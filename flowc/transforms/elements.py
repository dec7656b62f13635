"""Elements of tensor ops where they are read: which ops have them, and how they are made simple."""

from __future__ import annotations

from typing import TypeGuard

from flowc.ir.core import Op, Value, scope
from flowc.ir.dims import Dim
from flowc.ir.rewrite import Rules
from flowc.ops.tensor import Tensor
from flowc.transforms.laws import LAWS

SIMPLER = Rules(LAWS)


def said_by_index(op: Op | None) -> TypeGuard[Tensor]:
    """Whether an element of the op can be computed where it is read."""
    return isinstance(op, Tensor) and op.indexed


def element_of(op: Tensor, at: tuple[Dim, ...]) -> Value:
    """The element of `op` at an index; what it checks is told at the place of `op`."""
    with scope(op.location, op.device):
        return op.at(*at)
