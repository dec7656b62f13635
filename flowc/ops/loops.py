"""Loops over buffers: what one launch does."""

from __future__ import annotations

from flowc.errors import OpError
from flowc.ir.core import Block, Op, Value
from flowc.ir.dims import Dim
from flowc.ir.types import Type

LOOPS = ("parallel", "serial", "vector", "tile")


class For(Op, name="for"):
    """The region once for each index, of those below `limits` where given.

    parallel: in any order, shared by the tasks.  serial: in order.  vector: the
    one index in chunks of 64 lanes.  tile: both indices at once, in registers,
    the last one in lanes.
    """

    limits: tuple[Dim, ...]
    kind: str
    body: Block
    level = "loops"

    def infer(self) -> tuple[Type, ...]:
        if self.kind not in LOOPS:
            raise OpError(f"there are no loops of kind {self.kind}: the kinds are {', '.join(LOOPS)}")
        return ()


class Alloc(Op, name="alloc"):
    """A buffer of one iteration, in the space of its type."""

    type: Type
    level = "loops"

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)


class Load(Op, name="load"):
    """One element of a buffer; 0 where one of `inside` is negative, and then nothing is read."""

    buffer: Value
    at: tuple[Dim, ...]
    inside: tuple[Dim, ...] = ()
    level = "loops"

    def infer(self) -> tuple[Type, ...]:
        return (Type(self.buffer.type.dtype),)


class Store(Op, name="store"):
    """Write one element of a buffer; where one of `inside` is negative, nothing."""

    value: Value
    buffer: Value
    at: tuple[Dim, ...]
    inside: tuple[Dim, ...] = ()
    level = "loops"

    def infer(self) -> tuple[Type, ...]:
        return ()
