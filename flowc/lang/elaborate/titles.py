"""Names of derivatives where a function differentiates several losses: `d.<loss>.v` rather than `d.v`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from flowc.ir.core import Block, Op, Value, body, needed, renamed, retyped
from flowc.lang import ast
from flowc.lang.elaborate.units import Unit

DERIVATIVES = ("grad", "vjp", "jvp")


def several_losses(unit: Unit, block: ast.Block) -> bool:
    """Whether a block, with the functions it calls, takes derivatives of more than one thing."""
    return len({(id(u), call.arguments[0].value.span.text) for u, call in _derivatives(unit, block) if call.arguments}) > 1


def _derivatives(unit: Unit, block: ast.Block) -> Iterator[tuple[Unit, ast.Call]]:
    seen: dict[int, None] = {}
    todo: list[tuple[Unit, Any]] = [(unit, block)]
    while todo:
        at, node = todo.pop()
        if isinstance(node, tuple):
            todo += [(at, item) for item in node]  # pyright: ignore[reportUnknownVariableType]
            continue
        if not isinstance(node, ast.Node):
            continue
        if isinstance(node, ast.Call):
            found = _function(at, node.function)
            if found is None and isinstance(node.function, ast.Name) and node.function.text in DERIVATIVES:
                yield at, node
            elif found is not None and id(found[1]) not in seen:
                seen[id(found[1])] = None
                todo.append((found[0], found[1].body))
        todo += [(at, getattr(node, f.name)) for f in fields(node) if f.name != "span"]


def _function(unit: Unit, node: ast.Expression) -> tuple[Unit, ast.Fn | ast.Graph] | None:
    """The function of a file that is called."""
    match node:
        case ast.Name(text) if text in unit.functions:
            return unit, unit.functions[text]
        case ast.Field(ast.Name(head), name) if isinstance(inner := unit.imports.get(head), Unit) and name.text in inner.functions:
            return inner, inner.functions[name.text]
        case _:
            return None


def titled(results: Sequence[Value], made: Sequence[Op], loss: str) -> tuple[Value, ...]:
    """The results, with the ops that were made for them named after the loss."""
    names = _Names({op for op in made if any(h.startswith("d.") for h in op.hints)}, f"d.{loss}.")
    return tuple(map(names.of, results))


class _Names:
    """Values and what they are with other names: those of `own`, and all that uses one."""

    def __init__(self, own: Collection[Op], prefix: str) -> None:
        self.own, self.prefix = own, prefix
        self.known: dict[Value, Value] = {}
        self.index = renamed(lambda v: self.known.get(v, v))

    def of(self, value: Value) -> Value:
        for v in needed((value,), self.known):
            if v.op is None:
                self.known[v] = v
            elif v is v.op.values[0]:
                self.known.update(zip(v.op.values, self.op(v.op).values, strict=True))
        return self.known[value]

    def op(self, op: Op) -> Op:
        same = all(self.known[v] is v for v in op.uses) and not any(self.changes(r) for r in op.regions)
        made = op if same else op.rebuild(self.known.__getitem__, self.block, self.index)
        if op not in self.own:
            return made
        hints = tuple(self.prefix + h.removeprefix("d.") if h.startswith("d.") else h for h in op.hints)
        return replace(made, hints=hints)

    def changes(self, block: Block) -> bool:
        return any(op in self.own or any(self.changes(r) for r in op.regions) for op in block.ops)

    def block(self, old: Block) -> Block:
        params: list[Value] = []
        for p in old.params:
            type = retyped(p.type, self.index)
            self.known[p] = p if type is p.type else Value(type, None, p.hint)
            params.append(self.known[p])
        given = [self.known[v] for v in old.captured]
        results = tuple(map(self.of, old.results))
        return body(tuple(params), results, tuple(map(self.of, old.roots)), given)
