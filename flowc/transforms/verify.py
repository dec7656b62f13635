"""What must hold of a module at each level; run after every stage in tests, and on IR text from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from flowc.errors import CompileError, Diagnostic, OpError, counted
from flowc.ir.core import Block, Func, Module, Op, Value, indices, walk
from flowc.ir.dims import Dim, at_least, show
from flowc.ir.types import Type
from flowc.ops.accumulate import Accumulate
from flowc.ops.control import StateRead, StateWrite
from flowc.ops.define import Define
from flowc.ops.kernel import Build, Checked, Kernel, Reduce
from flowc.ops.loops import Load, Store
from flowc.ops.plan import Call, Launch
from flowc.ops.tensor import Read

# A level's functions hold its own ops and those of the levels named here.
HOLDS = {
    "graph": ("graph",),
    "kernel": ("graph", "kernel"),
    "loops": ("graph", "kernel", "loops", "plan"),
    "plan": ("plan",),
}
SOME = 20  # problems told at most


def verify(module: Module) -> Module:
    """`module` itself; raises one `CompileError` with everything that is wrong in it."""
    checker = _Checker(module)
    for fn in module.funcs:
        checker.func(fn)
    if checker.found:
        raise CompileError(tuple(checker.found[:SOME]))
    return module


@dataclass
class _Checker:
    module: Module
    found: list[Diagnostic] = field(default_factory=list[Diagnostic])
    fn: Func | None = None

    def func(self, fn: Func) -> None:
        self.fn = fn
        if fn.outputs and len(fn.outputs) != len(fn.body.results):
            self.wrong(f"{fn.name} names {len(fn.outputs)} results and returns {len(fn.body.results)}")
        if fn.level not in HOLDS:
            self.wrong(f"there is no level {fn.level}")
            return
        self.block(fn.body, set())
        self.calls(fn)
        self.states(fn)

    def block(self, block: Block, outer: set[Value]) -> None:
        """Regions are visited with a stack: each block with what is visible where it begins."""
        stack: list[tuple[Block, set[Value], int, Op | None]] = [(block, set(outer), 0, None)]
        while stack:
            block, visible, at, owner = stack.pop()
            if at == 0:
                for p in block.params:
                    self.visible(p.type.dims, visible, owner)
                    visible.add(p)
            if at < len(block.ops):
                op = block.ops[at]
                self.op(op, visible, owner)
                stack.append((block, visible, at + 1, owner))
                stack.extend((region, set(visible), 0, op) for region in op.regions[::-1])
                visible.update(op.values)
                continue
            for r in block.results:
                if r not in visible:
                    self.wrong(f"{r} is handed back where it is not defined", owner)

    def op(self, op: Op, visible: set[Value], owner: Op | None) -> None:
        assert self.fn is not None
        of_element = op.level == "kernel" and (isinstance(owner, Define | Accumulate) or owner is not None and owner.level == "kernel")
        if op.level != "any" and op.level not in HOLDS[self.fn.level] and not of_element:
            self.wrong(f"{op.name} is an op of level {op.level}, in a function of level {self.fn.level}", op)
        for v in op.operands:
            if v not in visible:
                self.wrong(f"{op.name} uses {v}, which is not defined before it", op)
        self.visible([d for ds in op.of_kind("dims").values() for d in ds], visible, op)
        try:
            again = op.infer()
        except OpError as error:
            self.wrong(str(error), op)
            return
        if again != tuple(r.type for r in op.results):
            self.wrong(f"{op.name} has results of other types than its operands give", op)
        for problem in _problems(op):
            if not (isinstance(op, Read) and _empty(visible)):  # where an axis has no index, nothing is read
                self.wrong(problem, op)

    def visible(self, dims: Iterable[Dim], known: set[Value], op: Op | None) -> None:
        for v in indices(dims):
            if v not in known:
                self.wrong(f"the index {v} is not defined here", op)

    def calls(self, fn: Func) -> None:
        """Calls and launches name a kernel of the module and pass what it takes."""
        kernels = {f.name: f for f in self.module.funcs}
        for op in walk(fn.body):
            if not isinstance(op, Call | Launch):
                continue
            kernel = kernels.get(op.kernel)
            if kernel is None:
                self.wrong(f"there is no kernel @{op.kernel}", op)
                continue
            given = op.buffers if isinstance(op, Launch) else (*op.inputs, *op.results)
            if len(given) != len(kernel.body.params):
                self.wrong(f"@{op.kernel} takes {len(kernel.body.params)} buffers, not {len(given)}", op)
            for value, param in zip(given, kernel.body.params, strict=False):
                if value.type.dtype is not param.type.dtype or value.type.rank < param.type.rank:
                    self.wrong(f"{param} of @{op.kernel} is {param.type}, not {value.type}", op)

    def states(self, fn: Func) -> None:
        """What is read of a state and written to it is of its type."""
        declared = {s.name: s.type for s in self.module.states}
        for op in walk(fn.body):
            if not isinstance(op, StateRead | StateWrite):
                continue
            type = op.type if isinstance(op, StateRead) else op.value.type
            if op.symbol not in declared:
                self.wrong(f"there is no state @{op.symbol}", op)
            elif type != declared[op.symbol]:
                self.wrong(f"the state @{op.symbol} is {declared[op.symbol]}, not {type}", op)

    def wrong(self, message: str, op: Op | None = None) -> None:
        place = op.location if op is not None else None
        self.found.append(Diagnostic(message, place if place is not None else self.fn.location if self.fn else None))


def _empty(visible: set[Value]) -> bool:
    """Whether one of the indices around provably has no value."""
    return any(v.type.below is not None and at_least(-v.type.below, 0) for v in visible)


def _problems(op: Op) -> Iterator[str]:
    match op:
        case Read(tensor, at, inside) if not inside:
            yield from _outside(tensor.type, at)
        case Load(buffer, at, inside) if not inside:
            if len(at) != buffer.type.rank:
                yield f"{buffer.type} has {counted(buffer.type.rank, 'axis')}, and is read at {len(at)}"
        case Store(value, buffer, at, _):
            if len(at) != buffer.type.rank:
                yield f"{buffer.type} has {counted(buffer.type.rank, 'axis')}, and is written at {len(at)}"
            if value.type.dtype is not buffer.type.dtype:
                yield f"{value.type} stored into {buffer.type}"
        case Build(body) | Kernel(body) | Reduce(_, body):
            if other := next((p for p in body.params if p.type.below is None), None):
                yield f"{op.name} runs over indices, and {other} is {other.type}"
        case Checked(value):
            if not value.type.dtype.is_integer or value.type.rank:
                yield f"an index is an integer scalar, not {value.type}"
        case _:
            pass


def _outside(type: Type, at: tuple[Dim, ...]) -> Iterator[str]:
    """Indices that are provably never within the tensor."""
    if any(at_least(-n, 0) for n in type.shape):
        return  # where nothing can be read, an axis around is empty too
    for n, d in zip(type.shape, at, strict=True):
        if at_least(d - n, 0):
            yield f"the index {show(d, False, str)} is never below {show(n)}"
        elif at_least(-d, 1):
            yield f"the index {show(d, False, str)} is always below 0"
