"""Rebuilding functions: laws, inlining and value numbering in one walk, with explicit stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, get_args, get_type_hints

from flowc.ir.core import Block, Func, Namer, Op, Value, body, close, renamed, retyped, scope
from flowc.ir.dims import Dim, Size, substitute
from flowc.ir.types import Type

Found = Value | tuple[Value, ...] | None
Rule = Callable[[Any], Found]


class Rules:
    """Rewrite rules by the op class they match (read off their annotation); `trace` is told of each use."""

    def __init__(self, rules: Iterable[Rule], trace: Callable[[Rule, Op, Found], None] | None = None) -> None:
        self.by_op: dict[type[Op], list[Rule]] = {}
        self.trace = trace
        for rule in rules:
            hints = get_type_hints(rule)
            hints.pop("return", None)
            (matched,) = hints.values()
            for kind in get_args(matched) or (matched,):
                self.by_op.setdefault(kind, []).append(rule)
        self.of: dict[type[Op], tuple[Rule, ...]] = {}

    def __call__(self, op: Op) -> Found:
        kind = type(op)
        if kind not in self.of:
            self.of[kind] = tuple(r for base in kind.__mro__ for r in self.by_op.get(base, ()))
        for rule in self.of[kind]:
            found = rule(op)
            if found is not None:
                if self.trace:
                    self.trace(rule, op, found)
                return found
        return None


class Rewriter:
    """Values in their final form: `settled(v)` is `v` rebuilt by `rules` to a fixed point.

    Equal pure ops become one.  `known` says what some values become; they are
    not looked into.  `sizes` says what some named sizes become.
    """

    def __init__(
        self, rules: Callable[[Op], Found], known: dict[Value, Value] | None = None, sizes: Mapping[Size, Dim] | None = None
    ) -> None:
        self.rules = rules
        self.done: dict[Value, Value] = dict(known or {})
        self.becomes: dict[Value, Value] = {}
        self.numbered: dict[Any, Op] = {}
        self.sizes = sizes
        follow = renamed(lambda v: self.done.get(v, v))

        def fixed(d: Dim) -> Dim:
            return follow(substitute(d, sizes or {}))

        self.index: Callable[[Dim], Dim] = fixed if sizes else follow

    def settled(self, value: Value) -> Value:
        stack = [value]
        done, becomes = self.done, self.becomes
        while stack:
            top = stack[-1]
            if top in done:
                stack.pop()
            elif top in becomes:
                target = becomes[top]
                if target in done:
                    done[top] = done[target]
                else:
                    stack.append(target)
            elif top.op is None:
                done[top] = top
            elif missing := [v for v in top.op.uses if v not in done]:
                stack.extend(missing[::-1])
            else:
                self.settle(top.op)
        return done[value]

    def settle(self, old: Op) -> None:
        """Gives every value of `old`, whose operands are settled, its form or the value it becomes."""
        done = self.done
        same = not self.sizes and not old.fields_of["region"] and all(done[v] is v for v in old.uses)
        op = old if same else old.rebuild(done.__getitem__, self.within(old), self.index)
        if op.token is None:
            op = self.numbered.setdefault(key(op), op)
        first = op.values[0]
        if first not in done and first not in self.becomes:
            with scope(op.location, op.device, Namer(op.hint) if op.hint else None):
                found = self.rules(op)
            if found is not None and found is not first:
                targets = found if isinstance(found, tuple) else (found,)
                self.becomes.update((v, named(t, v.hint)) for v, t in zip(op.values, targets, strict=True))
            else:
                done.update((r, r) for r in op.values)
        if op is not old:
            self.becomes.update(zip(old.values, op.values, strict=False))

    def within(self, old: Op) -> Callable[[Block], Block]:
        """How the regions of `old` are rebuilt: whole, or with what does not depend on their parameters outside."""
        return self.isolated if old.isolated else self.steps if old.level == "graph" else self.block

    def block(self, old: Block, by_index: bool | None = None) -> Block:
        params = self.params(old)
        given = [self.done[v] for v in old.captured]
        roots = tuple(self.settled(r) for r in old.roots)
        return close(params, tuple(self.settled(r) for r in old.results), roots, given, by_index)

    def steps(self, old: Block) -> Block:
        return self.block(old, by_index=False)

    def isolated(self, old: Block) -> Block:
        params = self.params(old)
        given = [self.done[v] for v in old.captured]
        roots = tuple(self.settled(r) for r in old.roots)
        return body(params, tuple(self.settled(r) for r in old.results), roots, given)

    def params(self, old: Block) -> tuple[Value, ...]:
        """The block's parameters, over settled sizes."""
        params: list[Value] = []
        for p in old.params:
            type = retyped(p.type, self.index)
            self.done[p] = p if type is p.type else Value(type, None, p.hint)
            self.done[self.done[p]] = self.done[p]
            params.append(self.done[p])
        return tuple(params)


def named(value: Value, hint: str) -> Value:
    """`value` under the user's name for what it replaces."""
    op = value.op
    inner = op is not None and op.hint.startswith(hint + ".")
    if not hint or op is None or (op.hint and not inner) or len(op.results) != 1 or op.token is not None:
        return value
    return replace(op, hints=(hint,)).result


def rewrite(fn: Func, rules: Callable[[Op], Found], same: Mapping[Value, Value] | None = None) -> Func:
    """`fn` with each op replaced by what `rules` makes of it, to a fixed point; unreachable ops vanish.

    `same` says which values are another's.
    """
    rewriter = Rewriter(rules)
    rewriter.becomes.update(same or {})
    roots = tuple(rewriter.settled(r) for r in fn.body.roots)
    results = tuple(rewriter.settled(r) for r in fn.body.results)
    return replace(fn, body=body(fn.body.params, results, roots))


def key(op: Op, inner: dict[Value, Any] | None = None) -> Any:
    """What equal ops have in common; region parameters and region values count by position."""
    names = inner or {}
    fields: list[Any] = [type(op), op.device, op.location if op.fails else None]
    index = renamed(lambda v: names.get(v, v)) if names else None
    for name, kind in op.form.items():
        field = getattr(op, name)
        match kind:
            case "operand":
                fields.append(names.get(field, field))
            case "group":
                fields.append(tuple(names.get(v, v) for v in field))
            case "dims":
                fields.append(tuple(map(index, field)) if index else field)
            case "type":
                fields.append(retyped(field, index) if index else field)
            case "types":
                fields.append(tuple(retyped(t, index) for t in field) if index else field)
            case "region":
                fields.append(block_key(field, names))
            case _:
                fields.append(field.hex() if isinstance(field, float) else field)  # -0.0 is not 0.0
    return tuple(fields)


def block_key(block: Block, outer: dict[Value, Any]) -> Any:
    """What equal blocks have in common; values in `outer` count as what they stand for there."""
    names = dict(outer)
    index = renamed(lambda v: names.get(v, v))
    parts: list[Any] = []
    for p in block.params:
        type = retyped(p.type, index)
        parts.append(type)
        names[p] = _place(len(names), type)
    for op in block.ops:
        parts.append(key(op, names))
        for r in op.values:
            names[r] = _place(len(names), retyped(r.type, index)) if r.type.below is not None else ("value", len(names))
    return (*parts, tuple(names.get(r, r) for r in block.results))


def standing_for(values: Iterable[Value]) -> dict[Value, Any]:
    """What values from outside count as in the key of a block: their position and type."""
    names: dict[Value, Any] = {}
    index = renamed(lambda v: names.get(v, v))
    for n, v in enumerate(values):
        type = retyped(v.type, index)
        names[v] = ("input", n, type) if type.below is None else _place(n, type)
    return names


@cache
def _place(position: int, type: Type) -> Value:
    """The value that stands for a region parameter in keys; only its position and type count."""
    return Value(type, None, f"p{position}")
