"""Blocks and their statements: names are bound, states written, conditions checked, devices chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from flowc.errors import Note, did_you_mean
from flowc.ir.core import Namer, Value, scope
from flowc.ir.dims import Polynomial
from flowc.ir.types import DType, Type
from flowc.lang import ast
from flowc.lang.elaborate import attributes, check_grad, definitions, lookup, types
from flowc.lang.elaborate.context import Bound, Frame, Outcome, TestCheck, Write
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.sizes import Unclear
from flowc.lang.elaborate.units import place
from flowc.lang.elaborate.values import WRONG, Denotation, Listed, Several, Wrong, describe, is_weak
from flowc.ops.call import built_ins, call, infix
from flowc.ops.control import Assert
from flowc.ops.literal import weak_dtype
from flowc.ops.tensor import Tensor


def run(frame: Frame, block: ast.Block) -> Outcome:
    """Elaborates a block's statements in order; each mistake is told, and the next statement goes on."""
    outcome = Outcome()
    for statement in block.statements:
        if outcome.kind:
            end = "return" if outcome.kind == "return" else "yield"
            frame.report.add(Mistake(f"{end} ends the block, and this stands after it", statement.span))
            break
        try:
            outcome = _statement(frame, statement)
            frame.check()
        except Mistake as mistake:
            frame.report.add(mistake)
            _bind_wrong(frame, statement)
            outcome = _wrong_end(statement)
            frame.build.looked = len(frame.build.made)
        except Unclear:
            _bind_wrong(frame, statement)
            outcome = _wrong_end(statement)
    return outcome


def _statement(frame: Frame, statement: ast.Statement) -> Outcome:
    attributes.checked(statement)
    match statement:
        case ast.Bind():
            _bind(frame, statement)
        case ast.Define():
            _define(frame, statement)
        case ast.Write():
            _write(frame, statement)
        case ast.Assert():
            _assert(frame, statement)
        case ast.On(device, body):
            return run(frame.within(device=device_text(frame, device)), body)
        case ast.Evaluate(value):
            _evaluate(frame, value)
        case ast.Return(values):
            at = frame.returning or frame
            target = [n.target for n in at.namers] or ["result"]
            namers = at.namers or tuple(Namer(t) for t in target)
            inner = frame.within(namers=namers, targets=at.targets, lone=_calls(frame, values) == 1)
            return _ending(inner, "return", values, statement)
        case ast.Yield(values, emitted):
            at = frame.within(targets=(), lone=_calls(frame, (values, emitted)) == 1)
            outcome = _ending(at, "yield", values, statement)
            given = tuple(at.evaluate(at, value) for value in emitted)
            return replace(outcome, emitted=given, emitted_places=tuple(value.span for value in emitted))
    return Outcome()


def _wrong_end(statement: ast.Statement) -> Outcome:
    match statement:
        case ast.Return(values):
            return Outcome((WRONG,) * len(values), "return", statement.span, tuple(v.span for v in values))
        case ast.Yield(values, emitted):
            places = tuple(v.span for v in values), tuple(v.span for v in emitted)
            return Outcome((WRONG,) * len(values), "yield", statement.span, places[0], (WRONG,) * len(emitted), places[1])
        case _:
            return Outcome()


def _ending(frame: Frame, kind: str, values: tuple[ast.Expression, ...], statement: ast.Statement) -> Outcome:
    """What a block gives: each value under the name it is bound to."""
    found: list[Denotation] = []
    for n, value in enumerate(values):
        at = frame if len(values) == 1 else frame.given(n)
        begin = len(frame.build.made)
        x = at.evaluate(at, value)
        found.append(named(at, x, at.targets[0], begin) if kind == "return" and len(at.targets) == 1 else x)
    return Outcome(tuple(found), kind, statement.span, tuple(v.span for v in values))


def _bind(frame: Frame, statement: ast.Bind) -> None:
    names = [t.name for t in statement.targets]
    for name in names:
        fresh(frame, name)
    given = attributes.given_name(statement)
    if given is not None and len(names) > 1:
        raise Mistake("@name names one value, and this statement binds several", statement.attributes[0].span)
    targets = tuple(frame.prefix + (given or n.text) for n in names)
    inner = frame.within(
        namers=tuple(Namer(t) for t in targets), targets=targets, lone=_calls(frame, statement.value) == 1, returning=frame.returning
    )
    begin = len(frame.build.made)
    x = attributes.value(inner, statement, lambda at: at.evaluate(at, statement.value))
    values = _unpacked(x, statement)
    for n, (target, value) in enumerate(zip(statement.targets, values, strict=True)):
        if target.type is not None:
            pattern = types.pattern(frame, target.type)
            value = types.fitted(inner.given(n), value, pattern, target.name.text, statement.value.span, frame.rest)
        if isinstance(value, Listed):
            value = types.strong(inner.given(n), value, statement.value.span)
        bind(frame, target.name, named(inner.given(n), value, targets[n], begin), "value")


def _unpacked(x: Denotation, statement: ast.Bind) -> tuple[Denotation, ...]:
    count = len(statement.targets)
    if isinstance(x, Wrong):
        return (WRONG,) * count
    values = x.items if isinstance(x, Several) else (x,)
    if len(values) != count:
        names = ", ".join(t.name.text for t in statement.targets)
        given = f"{describe(x)}" if isinstance(x, Several) else "one value"
        raise Mistake(f"{names}: {count} name{'s' * (count > 1)} for {given}", statement.value.span)
    return values


def named(frame: Frame, x: Denotation, name: str, begin: int) -> Denotation:
    """x under the name of its statement, where the op that made it has none of the file's."""
    if not isinstance(x, Value) or not isinstance(x.op, Tensor) or x in frame.build.bound or x in frame.build.shared.values():
        return x
    if x.op.hint == name or not any(x.op is op for op in frame.build.made[begin:]):
        return x
    if not any(x.op.hint.startswith(n.target + ".") for n in frame.namers):
        return x
    with scope(made=frame.build.made):
        return replace(x.op, hints=(name,)).result


def bind(frame: Frame, name: ast.Name, x: Denotation, kind: str) -> None:
    if isinstance(x, Value):
        frame.build.bound[x] = None
    frame.names.here[name.text] = Bound(x, name.span, kind)


def fresh(frame: Frame, name: ast.Name) -> None:
    """Raises `Mistake` where a name is bound already in its block, or is a value of the file."""
    known = frame.names.here.get(name.text)
    if known is not None and known.kind not in ("result",):
        notes = (Note(f"{name.text} is bound here first", known.span),) if known.span is not None else ()
        raise Mistake(f"{name.text} is bound twice: a name stands for one value", name.span, notes)
    if name.text in frame.unit.values:
        item = frame.unit.values[name.text]
        help = f"write `{name.text} := ...` to change it" if isinstance(item, ast.Param | ast.State) else "give it another name"
        note = Note(f"{name.text} is declared here", place(item, name.text))
        raise Mistake(f"{name.text} is a {type(item).__name__.lower()} of the file", name.span, (note,), help)


def _bind_wrong(frame: Frame, statement: ast.Statement) -> None:
    """Names that a wrong statement binds are wrong, unless they are bound already."""
    names: list[ast.Name] = []
    match statement:
        case ast.Bind(targets):
            names = [t.name for t in targets]
        case ast.Define(name):
            names = [name]
        case _:
            pass
    for name in names:
        frame.names.here.setdefault(name.text, Bound(WRONG, name.span, "value"))


def _define(frame: Frame, statement: ast.Define) -> None:
    fresh(frame, statement.name)
    target = frame.prefix + (attributes.given_name(statement) or statement.name.text)
    inner = frame.within(namers=(Namer(target),), targets=(target,), lone=_calls(frame, statement.value) == 1)
    begin = len(frame.build.made)
    value = attributes.value(inner, statement, lambda at: definitions.defined(at, statement))
    bind(frame, statement.name, named(inner, value, target, begin), "value")


def _write(frame: Frame, statement: ast.Write) -> None:
    name = statement.name.text
    item = frame.unit.values.get(name)
    if not isinstance(item, ast.Param | ast.State):
        states = [s.name.text for s in frame.unit.states()]
        what = (
            f"{name} is no param or state"
            if item is not None or frame.names.get(name) is not None
            else f"there is no param or state {name}"
        )
        raise Mistake(what, statement.name.span, help=did_you_mean(name, states) or ":= writes what outlives the run; `=` binds a name")
    if frame.reading is not None:
        raise Mistake("a definition by index writes no state", statement.span)
    if frame.build.compared is not None and not frame.calls:
        raise Mistake("a test writes no state", statement.span)
    if frame.looping:
        help = f"carry the value, and write it after the {frame.looping}"
        raise Mistake(f"{name} is written in a {frame.looping}", statement.span, help=help)
    key = f"{frame.unit.path}{name}"
    if frame.region.kind == "if":
        lookup.state(frame, frame.unit, item, statement.span)  # what it is where the other side runs
    inner = frame.within(namers=(Namer(key),), targets=(), lone=_calls(frame, statement.value) == 1)
    pattern = types.pattern(lookup.file_frame(frame, frame.unit), item.type)
    value = types.fitted(inner, inner.evaluate(inner, statement.value), pattern, name, statement.value.span)
    if isinstance(value, Value):
        frame.write(key, Write(value, statement.span, frame.calls[0][1] if frame.calls else None))


def _assert(frame: Frame, statement: ast.Assert) -> None:
    if frame.reading is not None:
        raise Mistake("a definition by index asserts nothing", statement.span, help="assert of the whole tensor, in a statement of its own")
    inner = frame.within(namers=(Namer(frame.prefix + "assert"),), targets=(), lone=_calls(frame, statement.condition) == 1)
    message = statement.message.value if statement.message is not None else ""
    if frame.build.compared is not None and not frame.calls:
        _compare(inner, statement, message)
        return
    condition = _condition(inner, statement)
    if condition is None:
        return
    told = message or types.source_text(statement.condition)
    with frame.making(statement.span):
        check = Assert(condition, told, location=statement.span)
    assert check.token is not None
    frame.region.roots.append(check.token)


def _condition(frame: Frame, statement: ast.Assert) -> Value | None:
    """The bool scalar that an assert of a run wants; None where it is wrong."""
    span = statement.condition.span
    if statement.within is None:
        x = frame.value(statement.condition)
    else:
        sides = _sides(frame, statement)
        if sides is None:
            return None
        a, b, tolerance = sides
        x = frame.make(span, lambda: _near(a, b, tolerance))
    if isinstance(x, Wrong):
        return None
    value = types.tensor(frame, x, span)
    if value.type.dtype is not DType.bool:
        raise Mistake(f"assert takes bool, not {describe(value)}", span)
    return value if value.type == Type(DType.bool) else frame.make(span, lambda: _call("all", value))


def _sides(frame: Frame, statement: ast.Assert) -> tuple[Value, Value, Value] | None:
    """Both sides of `a == b within t`, and t, in one dtype."""
    condition = statement.condition
    assert statement.within is not None
    if not (isinstance(condition, ast.Binary) and condition.operator == "=="):
        raise Mistake("within compares two sides: `assert a == b within 1e-6`", condition.span)
    xs = [frame.value(condition.left), frame.value(condition.right), frame.value(statement.within)]
    if any(isinstance(x, Wrong) for x in xs):
        return None
    spans = [condition.left.span, condition.right.span, statement.within.span]
    strong = next((x.type.dtype for x in xs if isinstance(x, Value)), DType.f64)
    a, b, t = (
        types.strong(frame, x, span, strong if is_weak(x) or isinstance(x, Listed) else None) for x, span in zip(xs, spans, strict=True)
    )
    assert isinstance(a, Value) and isinstance(b, Value) and isinstance(t, Value)
    if a.type.dtype is not b.type.dtype:
        raise Mistake(
            f"== of {describe(a)} and {describe(b)}: elements do not mix",
            condition.span,
            help=f"convert one side: `... as {a.type.dtype.value}`",
        )
    if t.type != a.type.element:
        raise Mistake(f"within takes a scalar of {a.type.dtype.value}, not {describe(t)}", statement.within.span)
    return a, b, t


def _near(a: Value, b: Value, tolerance: Value) -> Value:
    """Whether |a - b| <= tolerance * max(1, |b|) everywhere."""
    distance = _call("abs", _operator("-", a, b))
    scale = _call("maximum", 1, _call("abs", b))
    return _call("all", _operator("<=", distance, _operator("*", tolerance, scale)))


def _call(name: str, *args: Any) -> Value:
    result = call(built_ins()[name], args, {})
    assert isinstance(result, Value)
    return result


def _operator(symbol: str, *args: Any) -> Value:
    result = call(infix(symbol), args, {})
    assert isinstance(result, Value)
    return result


def _compare(frame: Frame, statement: ast.Assert, message: str) -> None:
    """An assert of a test: what it compares are results of the test's function, so that a failure can show them."""
    compared = frame.build.compared
    assert compared is not None
    condition, span = statement.condition, statement.span
    if statement.within is not None:
        sides = _sides(frame, statement)
        if sides is not None:
            at = len(compared)
            compared.extend(sides)
            frame.build.tests.append(TestCheck(at, at + 1, "==", at + 2, message, span))
        return
    if isinstance(condition, ast.Binary) and condition.operator in ("==", "!=", "<", "<=", ">", ">="):
        x, y = frame.value(condition.left), frame.value(condition.right)
        if isinstance(x, Wrong) or isinstance(y, Wrong):
            return
        numbers = [v for v in (x, y) if isinstance(v, bool | int | float | Polynomial)]
        dtype = weak_dtype(numbers) if len(numbers) == 2 else next((v.type.dtype for v in (x, y) if isinstance(v, Value)), None)
        a, b = (types.tensor(frame, types.strong(frame, v, condition.span, dtype), condition.span) for v in (x, y))
        frame.make(condition.span, lambda: _operator(condition.operator, a, b))
        frame.build.tests.append(TestCheck(len(compared), len(compared) + 1, condition.operator, None, message, span))
        compared.extend((a, b))
        return
    x = frame.value(condition)
    if isinstance(x, Wrong):
        return
    value = types.tensor(frame, x, condition.span)
    if value.type.dtype is not DType.bool:
        raise Mistake(f"assert takes bool, not {describe(value)}", condition.span)
    frame.build.tests.append(TestCheck(len(compared), None, "", None, message, span))
    compared.append(value)


def _evaluate(frame: Frame, value: ast.Expression) -> None:
    """An expression that stands alone: a call or a condition, for what it writes and asserts."""
    name = value.function.text if isinstance(value, ast.Call) and isinstance(value.function, ast.Name) else "value"
    inner = frame.within(namers=(Namer(frame.prefix + name),), targets=(), lone=_calls(frame, value) == 1)
    if isinstance(value, ast.Call) and name == "check_grad" and name not in frame.unit.functions:
        return check_grad.check_grad(inner, value)
    before = len(frame.region.roots), len(frame.region.writes), len(frame.build.tests)
    x = inner.evaluate(inner, value)
    after = len(frame.region.roots), len(frame.region.writes), len(frame.build.tests)
    if before == after and not isinstance(x, Wrong):
        raise Mistake("this statement has no effect", value.span, help="bind its value to a name")


def device_text(frame: Frame, name: ast.Name) -> str:
    """The device that `on name` means, as the IR has it: `cuda(0)`."""
    item = frame.unit.values.get(name.text)
    if not isinstance(item, ast.Device):
        devices = [n for n, d in frame.unit.values.items() if isinstance(d, ast.Device)]
        raise Mistake(f"there is no device {name.text}", name.span, help=did_you_mean(name.text, devices))
    return device_of(item)


def device_of(item: ast.Device) -> str:
    if item.kind.text not in ("cpu", "cuda"):
        raise Mistake(f"there is no kind of device {item.kind.text}", item.kind.span, help="the kinds are cpu and cuda")
    parts: list[str] = []
    for argument in item.arguments:
        if not isinstance(argument.value, ast.Integer):
            raise Mistake("a device is told by numbers: `cuda(0)`, `cpu(1, threads=2)`", argument.span)
        known = (
            argument.name is None and not parts or argument.name is not None and argument.name.text == "threads" and item.kind.text == "cpu"
        )
        if not known:
            raise Mistake(f"{item.kind.text} takes its number{' and threads=' if item.kind.text == 'cpu' else ''}", argument.span)
        parts.append(f"{argument.name.text}={argument.value.value}" if argument.name is not None else str(argument.value.value))
    return f"{item.kind.text}({', '.join(parts or ['0'])})"


def _calls(frame: Frame, node: Any) -> int:
    """How many functions of files an expression calls, blocks inside it not counted."""
    return sum(1 for _ in _called(frame, node))


def _called(frame: Frame, node: Any) -> Iterator[ast.Call]:
    todo: list[Any] = [node]
    while todo:
        at = todo.pop()
        if isinstance(at, ast.Call):
            function = at.function
            chain = lookup.dotted(function)
            if (
                isinstance(function, ast.Name)
                and function.text in frame.unit.functions
                or chain is not None
                and chain[0].text in frame.unit.imports
            ):
                yield at
        if isinstance(at, tuple):
            todo += at
        elif isinstance(at, ast.Node) and not isinstance(at, ast.Block):
            todo += [getattr(at, f.name) for f in fields(at) if f.name != "span"]
