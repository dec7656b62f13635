"""Loads and stores: vectors at unit steps, one element for all lanes, gathers; guards read nothing; indices are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowc.codegen.llvm.dims import ordered
from flowc.codegen.llvm.frame import Coordinate, Frame
from flowc.codegen.llvm.scalars import literal, scalar_type, stored_type, suffix
from flowc.codegen.llvm.support import Support
from flowc.codegen.sites import Kind
from flowc.codegen.text import Text
from flowc.ir.core import Func, Op, Value, indices, walk
from flowc.ir.dims import Dim, Polynomial, at_least, dim, linear, most, substitute
from flowc.ir.types import DType, below
from flowc.ops.accumulate import Slot
from flowc.ops.kernel import Checked, flattened
from flowc.ops.loops import Load, Store


class Memory(Frame):
    """Access to buffers; `sites` numbers the ops that can fail."""

    def __init__(self, text: Text, func: Func, lanes: int, support: Support, sites: Mapping[Op, int]) -> None:
        super().__init__(text, lanes, support)
        self.sites = sites
        self.position = position(func)

    # Loads

    def load(self, op: Load, coordinate: Coordinate, lanes: bool) -> str:
        dtype, place = op.buffer.type.dtype, flattened(op.at, op.buffer.type.shape)
        inside = (*op.inside, *nonempty(op.at))
        if not lanes:
            guard = self.holds(inside, coordinate)
            return self.register(self.element(op.buffer, place, coordinate, guard), dtype)
        still = self.holds([d for d in inside if not self.moves(d)], coordinate)
        varied = self.allowed([d for d in inside if self.moves(d)], coordinate)
        if not self.moves(place):
            return self.repeated(op.buffer, place, coordinate, still, varied)
        mask = self.both(self.mask(coordinate), varied, True)
        mask = self.both(mask, self.splat(still, "i1") if still else None, True)
        if linear(place, self.tile[-1].index) == 1 and not self.computed_in_lanes(place):
            return self.adjacent(op.buffer, place, coordinate, mask)
        return self.gathered(op.buffer, place, coordinate, mask)

    def element(self, buffer: Value, place: Dim, coordinate: Coordinate, guard: str | None) -> str:
        """One element as it is stored, 0 where not `guard`."""
        t, dtype = self.text, buffer.type.dtype
        stored, where = stored_type(dtype), self.address(buffer, place, coordinate)
        if guard is None:
            return t.value(f"load {stored}, ptr {where}, align {dtype.alignment}")
        where = t.value(f"select i1 {guard}, ptr {where}, ptr {self.nowhere()}")
        found = t.value(f"load {stored}, ptr {where}, align {dtype.alignment}")
        return t.value(f"select i1 {guard}, {stored} {found}, {stored} {zero(dtype)}")

    def nowhere(self) -> str:
        """A place that may be read or written instead of one outside a buffer."""
        if "nowhere" not in self.index:
            self.index["nowhere"] = self.text.reserve("i64")
        return self.index["nowhere"]

    def repeated(self, buffer: Value, place: Dim, coordinate: Coordinate, still: str | None, varied: str | None) -> str:
        """The same element in all lanes, 0 in those not `varied`."""
        stored, dtype = stored_type(buffer.type.dtype), buffer.type.dtype
        guard = self.both(still, self.anywhere(varied) if varied else None, False)
        found = self.splat(self.element(buffer, place, coordinate, guard), stored)
        if varied:
            vector = self.vector(stored)
            found = self.text.value(f"select {self.vector('i1')} {varied}, {vector} {found}, {vector} zeroinitializer")
        return self.register(found, dtype, True)

    def adjacent(self, buffer: Value, place: Dim, coordinate: Coordinate, mask: str | None) -> str:
        t, dtype = self.text, buffer.type.dtype
        where, vector = self.address(buffer, place, coordinate), self.vector(stored_type(dtype))
        if mask is None:
            return self.register(t.value(f"load {vector}, ptr {where}, align {dtype.alignment}"), dtype, True)
        call = f"@llvm.masked.load.{self.stored_suffix(dtype)}.p0(ptr align {dtype.alignment} {where}, {self.vector('i1')} {mask}"
        return self.register(t.value(f"call {vector} {call}, {vector} zeroinitializer)"), dtype, True)

    def gathered(self, buffer: Value, place: Dim, coordinate: Coordinate, mask: str | None) -> str:
        t, dtype = self.text, buffer.type.dtype
        vector, pointers = self.vector(stored_type(dtype)), self.vector("ptr")
        where = self.addresses(buffer, place, coordinate)
        name = f"@llvm.masked.gather.{self.stored_suffix(dtype)}.v{self.width}p0"
        allowed = f"{self.vector('i1')} {mask or 'splat (i1 true)'}"
        made = t.value(f"call {vector} {name}({pointers} align {dtype.alignment} {where}, {allowed}, {vector} zeroinitializer)")
        return self.register(made, dtype, True)

    def register(self, stored: str, dtype: DType, lanes: bool = False) -> str:
        """A loaded element; a bool becomes one bit."""
        if dtype is not DType.bool:
            return stored
        kind, none = (self.vector("i8"), "zeroinitializer") if lanes else ("i8", "0")
        return self.text.value(f"icmp ne {kind} {stored}, {none}")

    def stored_suffix(self, dtype: DType) -> str:
        return suffix(DType.u8 if dtype is DType.bool else dtype, self.width)

    # Stores

    def store(self, op: Store, coordinate: Coordinate, lanes: bool) -> None:
        t, dtype = self.text, op.buffer.type.dtype
        stored, place = stored_type(dtype), flattened(op.at, op.buffer.type.shape)
        name = self.operand(op.value, coordinate, lanes)
        if dtype is DType.bool:
            kind = self.type(dtype, lanes)
            name = t.value(f"zext {kind} {name} to {self.vector('i8') if lanes else 'i8'}")
        inside = (*op.inside, *nonempty(op.at))
        still = self.holds([d for d in inside if not lanes or not self.moves(d)], coordinate)
        if not lanes:
            where = self.address(op.buffer, place, coordinate)
            where = where if still is None else t.value(f"select i1 {still}, ptr {where}, ptr {self.nowhere()}")
            t.do(f"store {stored} {name}, ptr {where}, align {dtype.alignment}")
            return
        varied = self.both(self.mask(coordinate), self.allowed([d for d in inside if self.moves(d)], coordinate), True)
        mask, vector = self.both(varied, self.splat(still, "i1") if still else None, True), self.vector(stored)
        if linear(place, self.tile[-1].index) != 1:
            where, allowed = self.addresses(op.buffer, place, coordinate), mask or "splat (i1 true)"
            name = f"{vector} {name}, {self.vector('ptr')} align {dtype.alignment} {where}, {self.vector('i1')} {allowed}"
            t.do(f"call void @llvm.masked.scatter.{self.stored_suffix(dtype)}.v{self.width}p0({name})")
            return
        where = self.address(op.buffer, place, coordinate)
        if mask is None:
            t.do(f"store {vector} {name}, ptr {where}, align {dtype.alignment}")
            return
        if mask in self.single:  # LLVM makes a narrowed vector under such a mask a scalar store of the width before
            t.do(f"store {stored} {t.value(f'extractelement {vector} {name}, i64 0')}, ptr {where}, align {dtype.alignment}")
            return
        name = f"{vector} {name}, ptr align {dtype.alignment} {where}, {self.vector('i1')} {mask}"
        t.do(f"call void @llvm.masked.store.{self.stored_suffix(dtype)}.p0({name})")

    # Places

    def address(self, buffer: Value, place: Dim, coordinate: Coordinate) -> str:
        """The element's address at the first lane; what outer loops fix is added first, so that it can be hoisted."""
        terms = ordered(self.located(place, coordinate), self.index, self.term_depth)
        deepest = max((self.term_depth(m) for m, _ in terms), default=0)
        fixed = Polynomial({m: c for m, c in terms if self.term_depth(m) < deepest})
        moving = Polynomial({m: c for m, c in terms if self.term_depth(m) == deepest})
        where, stored = self.names[buffer, ()], stored_type(buffer.type.dtype)
        for step in (self.i64(fixed), self.i64(moving)):
            if step != "0":
                where = self.text.value(f"getelementptr {stored}, ptr {where}, i64 {step}")
        return where

    def addresses(self, buffer: Value, place: Dim, coordinate: Coordinate) -> str:
        offsets = self.lanes_of(place, coordinate)
        stored, base = stored_type(buffer.type.dtype), self.names[buffer, ()]
        return self.text.value(f"getelementptr {stored}, ptr {base}, {self.vector('i64')} {offsets}")

    # Guards

    def holds(self, inside: Sequence[Dim], coordinate: Coordinate) -> str | None:
        """Whether none of `inside`, the same in all lanes, is negative; None where there is nothing to ask."""
        found: str | None = None
        for d in inside:
            found = self.both(found, self.text.value(f"icmp sge i64 {self.scalar(d, coordinate)}, 0"), False)
        return found

    def allowed(self, inside: Sequence[Dim], coordinate: Coordinate) -> str | None:
        """The lanes at which none of `inside` is negative."""
        found: str | None = None
        for d in inside:
            one = self.text.value(f"icmp sge {self.vector('i64')} {self.lanes_of(d, coordinate)}, zeroinitializer")
            found = self.both(found, one, True)
        return found

    def inside(self, dims: Sequence[Dim], coordinate: Coordinate, lanes: bool) -> str:
        still = self.holds([d for d in dims if not lanes or not self.moves(d)], coordinate) or "true"
        if not lanes:
            return still
        varied = self.allowed([d for d in dims if self.moves(d)], coordinate)
        return self.both(self.splat(still, "i1"), varied, True) or ""

    # Checked indices

    def checked(self, op: Checked, coordinate: Coordinate, lanes: bool) -> str:
        """The index, or 0 after the failure is told; negative ones count from the end."""
        t, dtype, (bound,) = self.text, op.value.type.dtype, op.bound
        truth, type, none = (self.vector("i1"), self.vector("i64"), "zeroinitializer") if lanes else ("i1", "i64", "0")
        given = self.widened(self.operand(op.value, coordinate, lanes), dtype, lanes)
        most = self.lanes_of(bound, coordinate) if lanes else self.scalar(bound, coordinate)
        index = given
        if dtype.is_signed or dtype is DType.index:
            negative = t.value(f"icmp slt {type} {given}, {none}")
            index = t.value(f"select {truth} {negative}, {type} {t.value(f'add {type} {given}, {most}')}, {type} {given}")
        bad = t.value(f"icmp uge {type} {index}, {most}")
        mask = self.mask(coordinate) if lanes else None
        failed = self.both(bad, mask, lanes) or bad
        if op.inside:
            failed = self.both(failed, self.inside(op.inside, coordinate, lanes), lanes) or failed
        told = (op, coordinate, given, most)
        if lanes:
            t.when(self.anywhere(failed), (), (), lambda: self.tell_lane(*told, failed))
        else:
            t.when(failed, (), (), lambda: self.tell(*told, 0))
        return t.value(f"select {truth} {bad}, {type} {none}, {type} {index}")

    def numbered(self, op: Slot, coordinate: Coordinate, lanes: bool) -> str:
        """1 + the integer, or 0 where it is not below its bound."""
        truth, type = (self.vector("i1"), self.vector("i64")) if lanes else ("i1", "i64")
        zero, one = ("zeroinitializer", "splat (i64 1)") if lanes else ("0", "1")
        given = self.widened(self.operand(op.value, coordinate, lanes), op.value.type.dtype, lanes)
        bound = self.lanes_of(op.bound[0], coordinate) if lanes else self.scalar(op.bound[0], coordinate)
        there = self.text.value(f"icmp ult {type} {given}, {bound}")
        return self.text.value(f"select {truth} {there}, {type} {self.text.value(f'add {type} {given}, {one}')}, {type} {zero}")

    def widened(self, name: str, dtype: DType, lanes: bool) -> str:
        if scalar_type(dtype) == "i64":
            return name
        how, to = "sext" if dtype.is_signed else "zext", self.vector("i64") if lanes else "i64"
        return self.text.value(f"{how} {self.type(dtype, lanes)} {name} to {to}")

    def tell_lane(self, op: Checked, coordinate: Coordinate, given: str, most: str, failed: str) -> Sequence[str]:
        """The first lane that failed is told."""
        t, wide = self.text, f"i{max(self.width, 8)}"
        bits = t.value(f"bitcast {self.vector('i1')} {failed} to i{self.width}")
        bits = bits if wide == f"i{self.width}" else t.value(f"zext i{self.width} {bits} to {wide}")
        first = t.value(f"call {wide} @llvm.cttz.{wide}({wide} {bits}, i1 true)")
        name = first if wide == "i64" else t.value(f"zext {wide} {first} to i64")
        lane = Value(below(self.width), None, "lane")
        self.index[lane] = name
        one, bound = (t.value(f"extractelement {self.vector('i64')} {v}, i64 {name}") for v in (given, most))
        return self.tell(op, coordinate, one, bound, dim(lane))

    def tell(self, op: Checked, coordinate: Coordinate, given: str, most: str, lane: Dim) -> Sequence[str]:
        element = self.scalar(self.element_number(), coordinate, lane)
        where = f"i32 {self.sites[op]}, i64 %iteration, i64 {element}"
        self.text.do(f"call void {self.support.fail()}(ptr %error, i32 {Kind.INDEX.value}, {where}, i64 {given}, i64 {most})")
        return ()

    def element_number(self) -> Dim:
        """The output's element in row-major order, then the indices that no output element fixes."""
        known = {v: dim(v) if v in self.around else 0 for v in indices((self.position,))}
        place = substitute(self.position, lambda atom: known.get(atom, dim(atom)))
        for index in self.around:
            if index not in known:
                place = place * extent(index) + dim(index)
        return place


def position(func: Func) -> Dim:
    """Where the first store to a parameter puts its element."""
    stores = [op for op in walk(func.body) if isinstance(op, Store) and op.buffer in func.body.params]
    return flattened(stores[0].at, stores[0].buffer.type.shape) if stores else 0


def extent(index: Value) -> Dim:
    """How far an index goes at most, whatever the indices around it are."""
    size = most(index.type.below or 1)
    return substitute(size, {v: (v.type.below or 1) - 1 for v in indices((size,))})


def nonempty(at: Sequence[Dim]) -> tuple[Dim, ...]:
    """Not negative where the axes that checked indices speak of have an element to read."""
    bounds = [v.op.bound[0] for v in indices(at) if isinstance(v.op, Checked)]
    return tuple(dict.fromkeys(bound - 1 for bound in bounds if not at_least(bound, 1)))


def zero(dtype: DType) -> str:
    return literal(0, DType.u8 if dtype is DType.bool else dtype)


