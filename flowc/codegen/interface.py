"""What a planned module offers its callers: C functions and their parameters, the state block, weights, places of failures."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

from flowc.codegen.cost import cost
from flowc.codegen.signature import Found, Port, Signature, described, reads
from flowc.codegen.sites import Sites, graphs, sites
from flowc.codegen.weights import Weights, weights
from flowc.errors import CompileError, Diagnostic
from flowc.ir.core import Func, Module, State, indices, walk
from flowc.ir.dims import Dim, Size, dim, product
from flowc.ir.printer import sizes
from flowc.ops.plan import Launch, StoreSize, View, WeightData
from flowc.transforms.commit import state_offsets
from flowc_runtime.signature import FORMAT

INIT = "init"
PLACES = ("inside", "separate", "table")


@dataclass(frozen=True)
class Placed:
    """A state, the byte at which it lies in the state block, and whether init writes its first value."""

    state: State
    offset: int
    initialised: bool

    @property
    def bytes(self) -> int:
        size = self.state.type.dtype.bytes(product(self.state.type.shape))
        assert isinstance(size, int)
        return size


@dataclass(frozen=True)
class Interface:
    """Everything that is declared; `init` is the graph that writes every state's first value."""

    prefix: str
    graphs: tuple[Signature, ...]
    init: Signature | None
    workspaces: dict[str, Dim]  # bytes, by symbol
    states: tuple[Placed, ...]
    state_bytes: int
    sites: Sites
    weights: Weights
    place: str  # of the weights

    @property
    def all(self) -> tuple[Signature, ...]:
        """The graphs, init last."""
        return self.graphs + ((self.init,) if self.init else ())


def interface(module: Module, place: str = "inside") -> Interface:
    """The interface of a planned module, with its weights inside, separate or in a table; raises `CompileError` where names clash in C."""
    if place not in PLACES:
        raise ValueError(f"weights are {', '.join(PLACES)}, not {place}")
    prefix, held = identifier(module.name), weights(module)
    made = [(fn, _signature(fn, module, prefix, place == "separate" and bool(held.blobs))) for fn in graphs(module)]
    inits = [s for fn, s in made if fn.name == INIT and module.states]
    offsets, total = state_offsets(module.states)
    first = [fn for fn, s in made if s in inits]
    written = {op.hint for fn in first for op in fn.body.ops if isinstance(op, View) and op.buffer is fn.body.params[0]}
    found = Interface(
        prefix,
        tuple(s for _, s in made if s not in inits),
        inits[0] if inits else None,
        {s.symbol: fn.body.params[-1].type.shape[0] for fn, s in made},
        tuple(Placed(s, offsets[s.name], s.name in written) for s in module.states),
        total,
        sites(module),
        held,
        place,
    )
    _distinct(found, {s.name: fn for fn, s in made})
    return found


def identifier(name: str) -> str:
    """The name as a C identifier."""
    text = re.sub(r"\W|[^\x00-\x7f]", "_", name)
    return text if text and not text[0].isdigit() else f"_{text}"


def symbols(found: Interface) -> dict[str, str]:
    """Every exported symbol, and what it is."""
    names = [(s.symbol, f"graph {s.name}") for s in found.all]
    names += [(f"{s.symbol}_workspace", f"the workspace of graph {s.name}") for s in found.all]
    fixed = {"site": "places of failures", "signature": "the description"}
    if found.states:
        fixed["state_bytes"] = "the size of the state"
    if found.place == "table" and found.weights.blobs:
        fixed["weights"] = "the table of weights"
    taken: dict[str, str] = {}
    for symbol, what in [*names, *((f"{found.prefix}_{n}", w) for n, w in fixed.items())]:
        if symbol in taken:
            raise KeyError(symbol, taken[symbol], what)
        taken[symbol] = what
    return taken


def _distinct(found: Interface, funcs: dict[str, Func]) -> None:
    try:
        symbols(found)
    except KeyError as clash:
        symbol, one, other = clash.args
        graph = next((s for s in found.all if s.symbol in (symbol, symbol.removesuffix("_workspace"))), found.all[0])
        message = f"{one} and {other} would both be {symbol} in C"
        raise CompileError([Diagnostic(message, funcs[graph.name].location, help="give the graph another name")]) from None


def _signature(fn: Func, module: Module, prefix: str, separate: bool) -> Signature:
    """What the C function of a planned graph takes."""
    results = set(fn.body.results)
    params = fn.body.params[bool(module.states) : -1]
    inputs = tuple(Port(p.hint, p.type.dtype, p.type.shape) for p in params if p not in results)
    told = [op for op in fn.body.ops if isinstance(op, StoreSize)]
    outs = [r for r in fn.body.results if all(r is not op.buffer for op in told)]
    named = sizes(fn)
    found: list[Found] = []
    shapes = {r: list(r.type.shape) for r in outs}
    for op in told:
        size = Size(_unique(op.buffer.hint, [*(s.name for s in named), *(f.size.name for f in found)]), 0)
        found.append(Found(size, outs.index(op.of), shapes[op.of][op.axis]))
        shapes[op.of][op.axis] = dim(size)
    outputs = tuple(Port(r.hint, r.type.dtype, tuple(shapes[r])) for r in outs)
    uses = fn.name != INIT or any(isinstance(op, WeightData) for op in walk(fn.body))
    symbol = f"{prefix}_{identifier(fn.name)}"
    stateful = bool(module.states)
    return Signature(fn.name, symbol, tuple(named), inputs, outputs, tuple(found), stateful, separate and uses, _work(fn, module))


def _work(fn: Func, module: Module) -> Dim | None:
    """About how many element operations the launches take, those of a loop once; None where only the run knows."""
    kernels = {f.name: f for f in module.funcs}
    launches = Counter(str(op.kernel) for op in walk(fn.body) if isinstance(op, Launch))
    total: Dim = 0
    for name, count in launches.items():
        total = total + cost(kernels[name]).work * count
    return None if any(indices((total,))) else total


def _unique(name: str, taken: list[str]) -> str:
    return name if name not in taken else next(f"{name}{n}" for n in range(2, len(taken) + 3) if f"{name}{n}" not in taken)


def description(found: Interface) -> str:
    """The JSON that a library carries and `flowc_runtime` reads; graphs whose sizes their inputs do not give are for C alone."""
    state = [
        {
            "name": p.state.name,
            "dtype": p.state.type.dtype.value,
            "shape": [str(d) for d in p.state.type.shape],
            "offset": p.offset,
            "bytes": p.bytes,
            "trainable": p.state.kind == "param",
            "initialised": p.initialised,
        }
        for p in found.states
    ]
    told = {
        "flowc": FORMAT,
        "prefix": found.prefix,
        "graphs": [described(s) for s in found.graphs if readable(s)],
        "state": state,
        "sites": list(found.sites.texts),
        "weights": found.weights.bytes if found.place == "separate" else 0,
        "init_weights": found.init is not None and found.init.weights,
    }
    return json.dumps(told, ensure_ascii=True, separators=(",", ":"))


def readable(signature: Signature) -> bool:
    """Whether the shapes of a graph's inputs give all its sizes, so that Python can call it."""
    try:
        reads(signature)
    except ValueError:
        return False
    return True
