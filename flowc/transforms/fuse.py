"""Tensor ops to kernels: a value is stored, kept as a row inside a kernel, or computed where it is read.

`groups` decides, from the index maps of the `at` definitions alone; `fuse`
substitutes.  A kernel runs over its outer axes once; what a stage needs only
per outer index is hoisted there by `close`, so stages need no rule of their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowc.ir.core import Block, Func, Module, Op, Value, body, close, indices, needed, renamed, retyped, walk
from flowc.ir.dims import Dim, Polynomial, Size, at_most, atoms, dim, most, product
from flowc.ir.rewrite import Found, Rewriter
from flowc.ir.types import below
from flowc.ops.accumulate import Accumulate
from flowc.ops.control import Scan
from flowc.ops.define import guarded
from flowc.ops.elementwise import Elementwise, where
from flowc.ops.kernel import PAIRS, Build, Inside, Kernel, Reduce, axes
from flowc.ops.tensor import Constant, Read, Tensor, is_constant, like
from flowc.transforms.elements import SIMPLER, element_of, said_by_index
from flowc.transforms.recurrences import recurrence
from flowc.transforms.scans import prepared

MOST_MEMBERS = 256  # of one kernel: what LLVM compiles in a tenth of a second
MOST_ACCESSES = 64  # ways one value is read in a kernel, each of which is code
ROW_BYTES = 65_536  # of a local buffer: what any thread's stack holds


@dataclass(frozen=True)
class Along:
    """An index that runs along a whole axis in a loop of `by`, which itself depends on `on`."""

    on: frozenset[Value]
    by: Op


Access = tuple[Dim | Along, ...]


@dataclass(eq=False)
class Group:
    """A kernel in the making: its root, how each member is read, and the axes all stages share."""

    root: Tensor
    axes: tuple[Value, ...]
    outer: frozenset[Value]
    reads: dict[Value, dict[Access, None]] = field(default_factory=lambda: defaultdict(dict))
    rows: list[Value] = field(default_factory=list[Value])
    contracts: bool = False

    def named(self, access: Access) -> frozenset[Value]:
        """The group's axes that an access names."""
        return frozenset(a for d in access if isinstance(d, Polynomial) for a in atoms(d) if a in self.axes)

    def within_row(self, d: Dim | Along) -> bool:
        """Whether an index runs within a row rather than stand where sizes, the shared axes and the steps of scans around put it."""
        if not isinstance(d, Polynomial):
            return isinstance(d, Along)
        fixed = (isinstance(a, Size) or a in self.outer or step_around(a) and a not in self.axes for a in atoms(d))
        return not all(fixed)


def step_around(atom: object) -> bool:
    """Whether the atom of an index is itself a loop index."""
    return isinstance(atom, Value) and atom.op is None


def fuse(module: Module) -> Module:
    """Every stored value becomes a kernel; the others disappear into their readers."""

    def one(fn: Func) -> Func:
        fn = prepared(fn)
        memory = {p: p for p in fn.body.params}
        results, roots = fused(fn.body, memory)
        return replace(fn, body=body(fn.body.params, results, roots), level="kernel")

    return module.map(one)


def fused(block: Block, memory: dict[Value, Value]) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The results and roots of `block` in kernels; `memory` says what stored values became and grows."""
    formed = groups(block)
    used = {*block.results}.union(*(op.uses for op in block.ops))
    for op in block.ops:
        if op in formed:
            memory[op.results[0]] = kernel(formed[op], memory)
        elif isinstance(op, Scan) and (became := recurrence(op, memory, used)) is not None:
            memory.update(became)
        elif not said_by_index(op):
            made = of_elements(op, memory) if isinstance(op, Accumulate) else rebuilt(op, memory)
            memory.update(zip(op.values, made.values, strict=True))
    return tuple(memory[r] for r in block.results), tuple(memory[r] for r in block.roots)


def rebuilt(op: Op, memory: dict[Value, Value]) -> Op:
    return op.rebuild(memory.__getitem__, lambda region: inside(region, memory), renamed(lambda v: memory.get(v, v)))


def inside(region: Block, memory: dict[Value, Value]) -> Block:
    index = renamed(lambda v: memory.get(v, v))
    params = {p: replace(p, type=retyped(p.type, index)) for p in region.params}
    results, roots = fused(region, memory | params)
    return body(tuple(params.values()), results, roots, memory.values())


def of_elements(op: Accumulate, memory: dict[Value, Value]) -> Accumulate:
    """The op over stored values, what only moves their elements said by index."""

    def inline(op: Op) -> Found:
        if not isinstance(op, Read) or not said_by_index(op.tensor.op):
            return SIMPLER(op)
        return guarded(element_of(op.tensor.op, op.at), op.inside)

    given = {v: memory[v] for v in needs(op)}
    again = Rewriter(inline, {**given, **{v: v for v in given.values()}})
    params = again.params(op.body)
    region = body(params, tuple(map(again.settled, op.body.results)), (), given.values())
    return replace(op, init=memory[op.init], body=region)


def needs(op: Op) -> list[Value]:
    """What an op whose elements are not said by index needs stored."""
    if not isinstance(op, Accumulate):
        return [*op.operands, *(v for v in op.uses if not isinstance(v.op, Constant))]
    found, todo = dict.fromkeys((op.init,)), list(op.uses[1:])
    while todo:
        v = todo.pop()
        if said_by_index(v.op) and v.op.moves:
            todo += v.op.uses
        else:
            found[v] = None
    return [*found]


def needs_inside(region: Block) -> list[Value]:
    """What such ops within a region need."""
    ops = [op for op in walk(region) if not said_by_index(op)]
    return [v for op in ops for v in (needs(op) if isinstance(op, Accumulate) else op.operands)]


def groups(block: Block) -> dict[Op, Group]:
    """The stored values' ops, each with the values computed in its kernel."""
    formed: dict[Op, Group] = {}
    readers: dict[Value, list[Group]] = defaultdict(list)
    opaque = [op for op in block.ops if not said_by_index(op)]
    stored = {*block.results}.union(
        *map(needs, opaque),
        *(needs_inside(region) for op in opaque if not isinstance(op, Accumulate) for region in op.regions),
        *(region.results for op in walk(block) for region in op.regions if not said_by_index(op)),
    )
    used = Counter(v for op in block.ops for v in op.uses)
    for op in reversed(block.ops):
        if not said_by_index(op):
            continue
        homes = list(dict.fromkeys(readers[op.result]))
        full = any(g.contracts for g in homes) and ends_a_contraction(op, used)
        if op.result in stored or not (op.moves or len(homes) == 1) or full or not all(admits(g, op) for g in homes):
            homes = [formed.setdefault(op, started(op))]
        for group in homes:
            spread(group, op)
            for operand in dict.fromkeys(op.operands):
                readers[operand].append(group)
    return formed


def ends_a_contraction(op: Tensor, used: Mapping[Value, int]) -> bool:
    """Whether a contraction that nothing else reads could be in the kernel of `op`, as in a sum of many: its kernel is better its own."""
    if not isinstance(op, Elementwise):
        return False
    alone = (v.op for v in op.operands if used[v] == 1 and said_by_index(v.op))
    return any((found := reduction(o)) is not None and found.fold in PAIRS for o in alone)


def started(op: Tensor) -> Group:
    own = axes(op.results[0].type.shape)
    group = Group(op, own, frozenset(a for a in own if a.type.below != 1))
    group.reads[op.results[0]][tuple(map(dim, own))] = None
    admits(group, op)
    return group


def admits(group: Group, op: Op) -> bool:
    """Whether `op` may be computed inside `group`; notes the axes its stages then share.

    - What is read in too many ways may not: joining a tensor with itself again and again doubles them each time.
    - What only moves elements may otherwise always.
    - Arithmetic may not be repeated: an index along a reduction is allowed only
      where that reduction depends on no axis the access lacks.
    - A reduction, and a costly value read in two ways, must leave a common outer
      axis, which all stages then share; the costly value becomes a row buffer.
    - A reduction whose extent varies with an axis of its own stays alone: lanes share an extent.
    - A contraction stays the only one, over all axes, and keeps its tile: what it multiplies is read from memory.
    """
    value, root = op.results[0], group.root
    accesses = list(group.reads[value])
    if op is not root and op.operands and len(accesses) > MOST_ACCESSES:
        return False
    if isinstance(op, Tensor) and op.moves:
        return True
    if len(group.reads) > MOST_MEMBERS and op is not root or any(map(in_a_chain, accesses)):
        return False
    every = frozenset(a for a in group.axes if a.type.below != 1)
    if any(not d.on <= group.named(access) for access in accesses for d in access if isinstance(d, Along)):
        return False
    reduces = reduction(op)
    if reduces is not None and op is not root and any(v.op is None for p in reduces.body.params for v in indices((p.type.below or 0,))):
        return False
    dear = reduces is not None or getattr(op, "costly", False)
    shared = group.outer
    if reduces or len(accesses) > 1 and dear:
        for access in accesses:
            shared = shared & group.named(access)
        shared = prefix(group.axes, shared)
    if reduces is not None and reduces.fold in PAIRS:
        if group.contracts or shared != every or len(accesses) > 1:
            return False
        group.contracts = True
    if shared != every and (group.contracts or not shared):
        return op is root and not group.contracts
    group.outer = shared
    if len(accesses) > 1 and dear:
        if not fits_a_row(group, value) or not one_row(group, accesses):
            return reduces is None
        group.rows.append(value)
        access = accesses[0]
        group.reads[value] = {tuple(Along(shared, op) if group.within_row(d) else d for d in access): None}
    return True


def in_a_chain(access: Access) -> bool:
    """Whether a contraction with a free axis multiplies what is read there."""
    loops = (reduction(d.by) for d in access if isinstance(d, Along))
    return any(found is not None and found.fold == "dot" for found in loops)


def fits_a_row(group: Group, value: Value) -> bool:
    """Whether the axes of `value` that the stages do not share are provably few enough for a local buffer."""
    access = next(iter(group.reads[value]))
    inner = [n for n, d in zip(value.type.shape, access, strict=True) if group.within_row(d)]
    return at_most(value.type.dtype.bytes(product(map(most, inner))), ROW_BYTES)


def one_row(group: Group, accesses: list[Access]) -> bool:
    """Whether all accesses are into the same row: along each axis they run within it, or stand at the same outer index."""
    return all(all(map(group.within_row, ds)) or all(d == ds[0] for d in ds) for ds in zip(*accesses, strict=True))


def spread(group: Group, op: Tensor) -> None:
    """Adds how `op`'s operands are read, from its own accesses and its `at`."""
    for access in list(group.reads[op.results[0]]):  # an index may itself be read from the op
        free = [Value(below(n), None, "a") for n in op.results[0].type.shape]
        at = tuple(dim(f) if isinstance(a, Along) else a for f, a in zip(free, access, strict=True))
        along = {f: a for f, a in zip(free, access, strict=True) if isinstance(a, Along)}
        for element, inside in reads(op.at(*at), frozenset()):
            on = group.named(access)
            group.reads[element.tensor][tuple(canonical(d, along, inside, Along(on, op)) for d in element.at)] = None


def reads(value: Value, inside: frozenset[Value]) -> list[tuple[Read, frozenset[Value]]]:
    """The reads `value` reaches, with the reduction indices around each."""
    found: list[tuple[Read, frozenset[Value]]] = []
    seen: set[Value] = set()
    todo = [(value, inside)]
    while todo:
        v, around = todo.pop()
        if v in seen or v.op is None:
            continue
        seen.add(v)
        if isinstance(v.op, Read):
            found.append((v.op, around))
        todo += [(u, around) for u in (() if isinstance(v.op, Read) else v.op.operands)]
        todo += [(u, around) for dims in v.op.of_kind("dims").values() for u in indices(dims)]
        for region in v.op.regions:
            todo += [(u, around) for p in region.params for u in indices((p.type.below or 0,))]
            todo += [(r, around | set(region.params)) for r in region.results]
    return found[::-1]


def canonical(d: Dim, along: dict[Value, Along], inside: frozenset[Value], here: Along) -> Dim | Along:
    """The index as a group sees it: reduction indices are known by their op."""
    if isinstance(d, Polynomial):
        for atom in atoms(d):
            if atom in along:
                return along[atom]
            if atom in inside:
                return here
    return d


def prefix(axes: tuple[Value, ...], shared: frozenset[Value]) -> frozenset[Value]:
    """The longest run of leading axes in `shared` (axes of length 1 aside)."""
    kept: list[Value] = []
    for a in axes:
        if a not in shared and a.type.below != 1:
            break
        kept.append(a)
    return frozenset(a for a in kept if a.type.below != 1)


def reduction(op: Op) -> Reduce | None:
    """The reduction in the element of `op`."""
    if not isinstance(op, Tensor) or isinstance(op, Elementwise) or op.moves:
        return None
    todo = [op.at(*(dim(Value(below(n), None, "a")) for n in op.result.type.shape))]
    seen: set[Value] = set()
    while todo:
        value = todo.pop()
        found = value.op
        if isinstance(found, Reduce):
            return found
        if value not in seen:
            seen.add(value)
            todo += found.operands if found is not None and not isinstance(found, Read) else ()
    return None


def kernel(group: Group, memory: dict[Value, Value]) -> Value:
    """The kernel of `group`: rows first, then the element, all over the outer axes."""
    index = renamed(lambda v: memory.get(v, v))
    stored = {a: replace(a, type=retyped(a.type, index)) for a in group.axes}
    shared = max((n for n, a in enumerate(group.axes, 1) if a in group.outer), default=0)
    inner = tuple(stored[a] for a in group.axes[shared:])
    if all(a.type.below == 1 for a in inner):
        inner = ()
    outer = tuple(a for a in stored.values() if a not in inner)
    local: dict[Value, tuple[Value, tuple[int, ...]]] = {}  # a row buffer and the axes it has; with none, it is the element itself

    def inline(op: Op) -> Found:
        if not isinstance(op, Read):
            return SIMPLER(op)
        if op.tensor in local:
            row, own = local[op.tensor]
            return Read(row, tuple(op.at[a] for a in own), op.inside).result if own else guarded(row, op.inside)
        source = op.tensor.op
        if source is None or not said_by_index(source):
            return None
        element = element_of(source, op.at)
        lost = dropped(op.at, element, source)
        return guarded(checking(element, lost) if lost else element, op.inside)

    known = {v: v if isinstance(v.op, Constant) else memory.get(v, v) for v in group.reads}
    spoken = [v for a in group.reads for v in (*indices(a.type.shape), *(a.op.uses if a.op is not None else ()))]
    sizes = {v: memory[v] for v in spoken if v.type.below is not None and v in memory}
    final = {v: v for v in (*stored.values(), *known.values(), *sizes.values())}
    rewriter = Rewriter(inline, known | sizes | stored | final)
    for row in group.rows[::-1]:
        assert isinstance(row.op, Tensor)
        access = next(iter(group.reads[row]))
        own = tuple(n for n, d in enumerate(access) if group.within_row(d))
        fresh = axes(tuple(map(index, row.type.shape)))
        params = {n: fresh[n] for n in own}
        at = tuple(dim(params[n]) if n in params or isinstance(d, Along) else d for n, d in enumerate(access))
        rewriter.done.update((p, p) for p in params.values())
        element = rewriter.settled(element_of(row.op, at))
        held = Build(close(tuple(params.values()), (element,)), hints=(row.hint or row.op.name,)).result if own else element
        rewriter.done[held], local[row] = held, (held, own)
    root = group.root
    element = rewriter.settled(element_of(root, tuple(map(dim, group.axes))))
    if inner and outer:
        element = Build(close(inner, (element,))).result
    held = (v for v in known.values() if not isinstance(v.op, Constant))
    made = body(outer or inner, (element,), (), (*held, *sizes.values()))
    result = Kernel(made, hints=(root.hint or root.name,), location=root.location, device=root.device).result
    assert result.type == retyped(root.result.type, index), f"{root.result.type} became {result.type}"
    return result


def checking(element: Value, checked: tuple[Dim, ...]) -> Value:
    """`element`, behind a guard of checked indices, which always holds and keeps their checks."""
    return where(Inside(checked).result, element, like(element, 1 if is_constant(element, 0) else 0))


def dropped(at: tuple[Dim, ...], element: Value, op: Tensor) -> tuple[Dim, ...]:
    """The checked indices in `at` that the element of `op` does not depend on."""
    checked = [v for v in dict.fromkeys(indices(at)) if v.op is not None and v.op.fails]
    if not checked:
        return ()
    reached = dict.fromkeys(op.operands, True)
    for v in needed((element,), reached):
        reached[v] = True
    return tuple(dim(v) for v in checked if v not in reached)
