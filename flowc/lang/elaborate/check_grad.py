"""check_grad: a function's derivative as results of the test, and the function in f64 that gives its difference quotients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowc.derivatives.reverse import pullback
from flowc.errors import did_you_mean
from flowc.ir.core import Func, Value, func
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import DType
from flowc.lang import ast
from flowc.lang.elaborate import calls, derivatives, lookup, types
from flowc.lang.elaborate.context import Bound, Frame, GradientCheck, Names, Region
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.values import Denotation, Listed, Several, Wrong, describe, is_weak, known_number, type_of
from flowc.lang.widen import widened
from flowc.ops.elementwise import add, cast, mul
from flowc.ops.literal import literal
from flowc.ops.random import Uniform
from flowc.ops.reduce import Sum
from flowc.source import Span

WITHIN = 1e-3
FORM = "check_grad(f, x, within=1e-3)"


def check_grad(frame: Frame, node: ast.Call) -> None:
    """`check_grad(f, x, within=1e-3)` in a test: f is called with the arguments, and differentiated by those that are floats."""
    if frame.build.compared is None or frame.calls or frame.region.kind != "function":
        raise Mistake("check_grad compares in a test, in a statement of its own", node.span, help=FORM)
    called, given, within = _parts(frame, node)
    values = [frame.value(a.value) for a in given]
    if any(isinstance(x, Wrong) for x in values):
        return
    formals = [_formal(_formals(frame, called), n, a) for n, a in enumerate(given)]
    lists = [isinstance(x, Listed) and _takes_floats(f) for x, f in zip(values, formals, strict=True)]
    numbers = not any(lists) and not any(map(_is_float, values))  # else those written out may be attributes
    values = [_value(frame, x, a, f, numbers) for x, a, f in zip(values, given, formals, strict=True)]
    names = Names(frame.names)
    arguments: dict[Value, Value] = {}  # by the parameter that stands for it
    for n, (x, a) in enumerate(zip(values, given, strict=True)):
        stands: Denotation = x
        if isinstance(x, Value) and x.type.dtype.is_float:
            formal = formals[n]
            stands = Value(x.type, None, formal.name.text if formal else "")
            arguments[stands] = x
        names.here[f"argument {n}"] = Bound(stands, a.value.span, "value")
    if not arguments:
        raise Mistake("check_grad differentiates by the arguments that are floats, and here is none", node.span)
    renamed = tuple(ast.Argument(a.name, ast.Name(f"argument {n}", span=a.value.span), span=a.span) for n, a in enumerate(given))
    region = Region("function", len(frame.build.made))
    inner = frame.within(region=region, names=names)
    found = calls.called(inner, ast.Call(called, renamed, span=node.span))
    items = found.items if isinstance(found, Several) else (found,)
    if any(isinstance(x, Wrong) for x in items):
        return
    ys = [types.tensor(inner, x, node.span) for x in items if _is_float(x)]
    if not ys:
        raise Mistake(f"{types.source_text(called)} gives no floats: it has no derivative", called.span)
    seeds = {y: _seed(inner, y, n, node.span) for n, y in enumerate(ys)}
    params = list(arguments)
    parts = derivatives.made(inner, node, lambda: pullback(seeds, params))
    loss = frame.make(node.span, lambda: _weighted(seeds))
    inner.check()
    again = Rewriter(lambda _: None, dict(arguments))
    with frame.making(node.span):
        results = [again.settled(d) for d in parts]
        frame.region.roots += [again.settled(r) for r in region.roots]
    compared = frame.build.compared
    at = len(compared)
    compared += [*arguments.values(), *results]
    frame.build.tests.append(
        GradientCheck(
            _in_f64(params, loss), tuple(range(at, at + len(params))), tuple(range(at + len(params), len(compared))),
            types.source_text(called), within, node.span,
        )
    )  # fmt: skip


def _formals(frame: Frame, called: ast.Expression) -> tuple[ast.Formal, ...]:
    chain = lookup.dotted(called)
    found = calls.function_of(frame, (called.text,) if isinstance(called, ast.Name) else (chain[0].text, *chain[1]) if chain else ())
    return () if found is None else tuple(found[1].formals)


def _formal(formals: Sequence[ast.Formal], n: int, argument: ast.Argument) -> ast.Formal | None:
    """The formal that an argument is for."""
    if argument.name is None:
        return formals[n] if n < len(formals) else None
    return next((f for f in formals if f.name.text == argument.name.text), None)


def _value(frame: Frame, x: Denotation, argument: ast.Argument, formal: ast.Formal | None, numbers: bool) -> Denotation:
    """The argument; a list, and with `numbers` a number for a formal of floats, as a value of the formal's dtype."""
    wanted = isinstance(x, Listed) or numbers and is_weak(x) and _takes_floats(formal)
    return types.strong(frame, x, argument.value.span, _dtype(formal)) if wanted else x


def _takes_floats(formal: ast.Formal | None) -> bool:
    dtype = _dtype(formal)
    return dtype is not None and dtype.is_float


def _dtype(formal: ast.Formal | None) -> DType | None:
    """The dtype a formal declares; None where it is a parameter."""
    return next((d for d in DType if formal is not None and d.value == formal.type.dtype.text), None)


def _in_f64(params: Sequence[Value], loss: Value) -> Func:
    return widened(func("check_grad", tuple(params), (loss,)))


def _parts(frame: Frame, node: ast.Call) -> tuple[ast.Expression, tuple[ast.Argument, ...], float]:
    """The function, its arguments, and how near the two are to be."""
    if not node.arguments or node.arguments[0].name is not None:
        raise Mistake("check_grad lacks the function", node.span, help=FORM)
    called = node.arguments[0].value
    chain = lookup.dotted(called)
    known = isinstance(called, ast.Name) and called.text in frame.unit.functions
    if not known and (chain is None or chain[0].text not in frame.unit.imports):
        near = did_you_mean(called.text, frame.unit.functions) if isinstance(called, ast.Name) else ""
        text = f"check_grad takes a function or graph of a file first, and {types.source_text(called)} is none"
        raise Mistake(text, called.span, help=near or FORM)
    own = [a for a in node.arguments if a.name is not None and a.name.text == "within"]
    given = tuple(a for a in node.arguments[1:] if a not in own)
    if not own:
        return called, given, WITHIN
    x = frame.value(own[0].value)
    within = known_number(x)
    if isinstance(x, Wrong) or within is None or isinstance(within, bool) or within < 0:
        raise Mistake(f"within of check_grad is a number from 0 on, not {describe(x)}", own[0].value.span, help=FORM)
    return called, given, float(within)


def _is_float(x: Denotation) -> bool:
    type = type_of(x)
    return type is not None and type.dtype.is_float


def _seed(frame: Frame, y: Value, n: int, span: Span) -> Value:
    """The same numbers from -1 to 1 at every run, of the type of y; 1 for a scalar."""
    dtype = y.type.dtype
    if not y.type.rank:
        return frame.make(span, lambda: literal(1, dtype))
    drawn = replace(y.type, dtype=DType.f32)
    return frame.make(span, lambda: cast(Uniform.make(drawn.dtype, drawn.shape, literal(n, DType.i64), -1, 1), dtype))


def _weighted(seeds: dict[Value, Value]) -> Value:
    """The sum of seed * y over all."""
    parts = [mul(y, seed) for y, seed in seeds.items()]
    sums = [cast(Sum(p, tuple(range(p.type.rank))).result if p.type.rank else p, DType.f64) for p in parts]
    total = sums[0]
    for s in sums[1:]:
        total = add(total, s)
    return total
