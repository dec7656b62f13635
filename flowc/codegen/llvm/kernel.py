"""Kernels to LLVM text.

One rule emits everything: a block is evaluated for every coordinate of the
tile around it.  A vector loop, the 64 lanes of a reduction and the register
tile of a contraction are all this.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from flowc.codegen.llvm.frame import Coordinate
from flowc.codegen.llvm.scalars import scalar_type, stored_type
from flowc.codegen.llvm.support import ATTRIBUTES, Support
from flowc.codegen.llvm.tiles import Tiles, extent_int
from flowc.codegen.text import Text
from flowc.errors import OpError
from flowc.ir.core import Block, Func, Op, Value, walk
from flowc.ir.dims import at_most, product
from flowc.ir.printer import sizes
from flowc.ir.types import DType
from flowc.ops.accumulate import Slot
from flowc.ops.elementwise import Elementwise
from flowc.ops.kernel import LANES, Checked, Inside, Reduce
from flowc.ops.loops import Alloc, For, Load, Store
from flowc.ops.narrow import widens
from flowc.ops.tensor import Constant, SizeValue
from flowc.target import Target

STACK = 262_144  # bytes of a kernel's local buffers, which the stack of any thread holds


def emit(kernels: Sequence[Func], target: Target, sites: Mapping[Op, int], linkage: str = "internal") -> str:
    """The kernels, each as `void @name(ptr args, i64 task)`, and the internal functions they call.

    `args` holds 8 bytes each: the number of tasks, the error record, the
    iteration, the sizes in order, the parameters in order.
    """
    support = Support(target)
    made = [str(Kernel(func, target, sites, support, linkage).text) for func in kernels]
    return "\n".join([*made, str(support), ATTRIBUTES])


def lanes_for(func: Func, target: Target) -> int:
    """How many lanes fill a vector with the widest element computed in lanes, in a register tile with an accumulator."""
    tiles = [op for op in walk(func.body) if isinstance(op, For) and op.kind == "tile"]
    if tiles:
        terms = [r for op in walk(tiles[0].body) if isinstance(op, Reduce) for r in op.body.results]
        bits = max((r.type.dtype.bits for r in terms), default=32)
        return min(target.lanes(bits), LANES, *(extent_int(op.body.params[-1]) for op in tiles))
    checked = {op.value for op in walk(func.body) if isinstance(op, Checked)}
    only = checked - {v for op in walk(func.body) if not isinstance(op, Checked) for v in op.operands}
    made = [r for op in walk(func.body) if isinstance(op, Load | Elementwise | SizeValue | Reduce) for r in op.results if r not in only]
    return min(target.lanes(max((r.type.dtype.bits for r in made), default=8)), LANES)


class Kernel(Tiles):
    """One kernel."""

    def __init__(self, func: Func, target: Target, sites: Mapping[Op, int], support: Support, linkage: str = "internal") -> None:
        head = f"define {linkage} void @{func.name}(ptr noalias %args, i64 %task) #0"
        super().__init__(Text(head), func, lanes_for(func, target), support, sites)
        self.arguments(func)
        self.allocations(func)
        self.block(func.body)
        self.text.do("ret void")

    def arguments(self, func: Func) -> None:
        t = self.text
        for n, (name, type) in enumerate((("%tasks", "i64"), ("%error", "ptr"), ("%iteration", "i64"))):
            t.do(f"{name}.at = getelementptr i64, ptr %args, i64 {n}")
            t.do(f"{name} = load {type}, ptr {name}.at, align 8")
        for n, slot in enumerate((*sizes(func), *func.body.params), 3):
            type = "ptr" if isinstance(slot, Value) and slot.type.below is None else "i64"
            loaded = t.value(f"load {type}, ptr {t.value(f'getelementptr i64, ptr %args, i64 {n}')}, align 8")
            if isinstance(slot, Value):
                self.names[slot, ()] = loaded
            self.index[slot] = loaded

    def allocations(self, func: Func) -> None:
        """Local buffers, which live as long as the kernel runs."""
        total = 0
        for op in walk(func.body):
            if isinstance(op, Alloc):
                count, dtype = product(op.type.shape), op.type.dtype
                total = total + dtype.bytes(count)
                # an array of known length may become registers
                stored = stored_type(dtype)
                kind = f"[{count} x {stored}]" if isinstance(count, int) else f"{stored}, i64 {self.i64(count)}"
                self.names[op.result, ()] = self.text.value(f"alloca {kind}, align 64")
        if not at_most(total, STACK):
            raise ValueError(f"the local buffers of kernel {func.name} take {total} bytes, which may be more than {STACK}")

    def block(self, block: Block) -> None:
        """Emits the ops, runs of plain ones coordinate by coordinate."""
        for plain, run in itertools.groupby(block.ops, lambda op: not op.regions and not isinstance(op, Alloc)):
            ops = list(run)
            if not plain:
                for op in ops:
                    self.nested(op)
                continue
            for op in ops:
                self.on.update((r, self.depends(op)) for r in op.results)
            for coordinate in self.coordinates():
                for op in ops:
                    self.plain(op, coordinate)

    def nested(self, op: Op) -> None:
        match op:
            case For(kind="parallel"):
                self.parallel(op)
            case For(kind="serial"):
                self.serial(op)
            case For(kind="vector"):
                self.lanes(op)
            case For(kind="tile"):
                self.tiles(op)
            case Reduce():
                in_f32_alone(op)
                self.reduce(op)
            case Alloc():
                pass
            case _:
                raise NotImplementedError(f"native code for {op.name}")

    def plain(self, op: Op, coordinate: Coordinate) -> None:
        """The op's code, where it has none yet at this coordinate."""
        try:
            self.made(op, coordinate)
        except OpError as error:
            error.location = error.location or op.location
            raise

    def made(self, op: Op, coordinate: Coordinate) -> None:
        in_f32_alone(op)
        on = self.depends(op)
        spot = self.project(coordinate, on)
        if isinstance(op, Constant) or op.results and (op.results[0], spot) in self.names:
            return
        lanes = self.lane_axis() in on
        match op:
            case Store():
                self.store(op, coordinate, lanes)
                return
            case Load():
                made = self.load(op, coordinate, lanes)
            case SizeValue():
                made = self.size(op, coordinate, lanes)
            case Inside(dims):
                made = self.inside(dims, coordinate, lanes)
            case Checked():
                made = self.checked(op, coordinate, lanes)
                self.depth[op.result] = self.loops_around()
            case Slot():
                made = self.numbered(op, coordinate, lanes)
                self.depth[op.results[0]] = self.loops_around()
            case Elementwise():
                made = self.elementwise(op, coordinate, lanes)
            case _:
                raise NotImplementedError(f"native code for {op.name}")
        self.names[op.results[0], spot] = made

    def elementwise(self, op: Elementwise, coordinate: Coordinate, lanes: bool) -> str:
        operands = {n: self.operand(getattr(op, n), coordinate, lanes) for n in op.of_kind("operand")}
        operand, result, code = op.operands[-1].type.dtype, op.result.type.dtype, op.code()
        if code:
            return self.code(code, operand, result, lanes, **operands)
        if not op.function:
            raise OpError(f"{op.name} of {operand.value} has no native code yet")
        name = self.support.function(op, operand, self.width if lanes else 0)
        given = ", ".join(f"{self.type(operand, lanes)} {v}" for v in operands.values())
        return self.text.value(f"call {self.type(result, lanes)} {name}({given})")

    def size(self, op: SizeValue, coordinate: Coordinate, lanes: bool) -> str:
        """A size or an index as an element."""
        (d,), dtype = op.value, op.type.dtype
        whole = self.lanes_of(d, coordinate) if lanes else self.scalar(d, coordinate)
        source, result = self.type(DType.i64, lanes), self.type(dtype, lanes)
        match dtype:
            case DType.f32 | DType.f64:
                return self.text.value(f"sitofp {source} {whole} to {result}")
            case DType.bool:
                return self.text.value(f"icmp ne {source} {whole}, {'zeroinitializer' if lanes else '0'}")
            case _ if scalar_type(dtype) == "i64":
                return whole
            case _:
                return self.text.value(f"trunc {source} {whole} to {result}")


def in_f32_alone(op: Op) -> None:
    """Raises `OpError` for what kernels have no code for: `simplify` puts arithmetic on f16 and bf16 into f32."""
    if widens(op):
        values = (*op.operands, *op.results, *(r for region in op.regions for r in region.results))
        dtype = next(v.type.dtype for v in values if v.type.dtype.is_narrow)
        raise OpError(f"{op.name} of {dtype.value} stands in a kernel, where it has no code", help="convert to f32 and back")
