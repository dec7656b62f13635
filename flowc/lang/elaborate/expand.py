"""Functions of a file, expanded where they are called: parameters found by unification, results of the stated types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowc.errors import Note, counted, did_you_mean
from flowc.ir.core import Namer, Value
from flowc.ir.dims import Dim, at_least, dim
from flowc.lang import ast
from flowc.lang.elaborate import by_hand, lookup, types
from flowc.lang.elaborate.context import Bound, Frame, Names, Outcome
from flowc.lang.elaborate.ranges import open_index
from flowc.lang.elaborate.report import MAX_CALLS, Mistake
from flowc.lang.elaborate.types import Given
from flowc.lang.elaborate.units import Unit, place
from flowc.lang.elaborate.values import WRONG, Denotation, Several, Wrong, describe, dim_text, known_dim
from flowc.source import Span

Function = ast.Fn | ast.Graph


def expanded(frame: Frame, unit: Unit, decl: Function, name: str, node: ast.Call) -> Denotation:
    """The results of calling a function of a file."""
    if any(called is decl for called, _ in frame.calls):
        note = Note(f"{name} is declared here", decl.name.span)
        raise Mistake(f"{name} calls itself", node.span, (note,), "functions are expanded where they are called: repeat with loop or scan")
    if len(frame.calls) >= MAX_CALLS:
        raise frame.report.refuse(f"more than {MAX_CALLS} calls within calls", node.span)
    inner = _named(frame, name, node)
    given = _bound(frame, inner, unit, decl, name, node)
    if any(isinstance(x, Wrong) for x, _ in given.values()):
        return WRONG
    frame.report.expanded[id(decl)] = None
    callee = signature(inner, unit, decl, name, given)
    outcome = callee.run(callee, decl.body)
    results = results_of(callee, decl, outcome)
    if isinstance(decl, ast.Fn) and decl.derivative is not None:
        results = by_hand.with_derivative(callee, decl, name, decl.derivative, results, node.span)
    return results[0] if len(results) == 1 else Several(tuple(results))


def _named(frame: Frame, name: str, node: ast.Call) -> Frame:
    """The frame whose names begin with what the calling statement binds, and with the function where it calls more than one."""
    calls = (*frame.calls, (node, node.span))
    if not frame.namers:
        return frame.within(calls=calls)
    target = frame.namers[0].target
    if frame.lone:
        return frame.within(calls=calls, prefix=f"{target}.")
    own = frame.namers[0](name)
    return frame.within(calls=calls, prefix=f"{own}.", namers=(Namer(own),), targets=())


Arguments = Mapping[str, tuple[Denotation, Span]]


def _bound(frame: Frame, inner: Frame, unit: Unit, decl: Function, name: str, node: ast.Call) -> Arguments:
    """The arguments by formal, defaults where they are left out."""
    formals = {f.name.text: f for f in decl.formals}
    note = Note(f"{name} is declared here", decl.name.span)
    found: dict[str, tuple[Denotation, Span]] = {}
    positional = [a for a in node.arguments if a.name is None]
    if len(positional) > len(formals):
        raise Mistake(f"{name} takes {counted(len(formals), 'argument')}, not {len(positional)}", positional[len(formals)].span, (note,))
    for formal, argument in zip(formals, positional, strict=False):
        found[formal] = frame.value(argument.value), argument.value.span
    for argument in node.arguments:
        if argument.name is None:
            continue
        key = argument.name.text
        if key not in formals:
            raise Mistake(f"{name} has no argument {key}", argument.name.span, (note,), did_you_mean(key, formals))
        if key in found:
            raise Mistake(f"{name} is given {key} twice", argument.name.span, (Note("it is given here first", found[key][1]),))
        found[key] = frame.value(argument.value), argument.value.span
    for key, formal in formals.items():
        if key not in found and formal.default is not None:
            at = lookup.file_frame(inner, unit)
            found[key] = at.evaluate(at, formal.default), formal.default.span
    lacking = [key for key in formals if key not in found]
    if lacking:
        raise Mistake(f"{name} lacks {' and '.join(lacking)}", node.span, (note,))
    return {key: found[key] for key in formals}


def signature(frame: Frame, unit: Unit, decl: Function, name: str, given: Arguments) -> Frame:
    """The frame of the body: sizes, dtypes and arguments have their names."""
    open_sizes, open_dtypes = _parameters(frame, unit, decl)
    names = Names()
    for text, index in open_sizes.items():
        names.here[text] = Bound(dim(index), decl.name.span, "size")
    for key, (argument, span) in given.items():
        if known_dim(argument) is not None and not isinstance(argument, Wrong):
            names.here[key] = Bound(argument, span, "formal")
    own: Mapping[str, Dim] | None = frame.sizes if unit is frame.unit and not isinstance(decl, ast.Graph) else {}
    at = frame.within(unit=unit, names=names, sizes=own, reading=frame.reading, returning=None, rest=None, initial=None)
    _sized_by_constants(decl, name, given, names)
    patterns = {f.name.text: types.pattern(at, f.type, open_dtypes) for f in decl.formals}
    unified = types.unify(at.within(names=frame.names), name, [Given(k, patterns[k], *given[k]) for k in patterns])
    found = {text: unified.sizes[index] for text, index in open_sizes.items() if index in unified.sizes}
    generics = [g.text for g in decl.generics] if isinstance(decl, ast.Fn) else []
    of_file = {text: d for text, d in found.items() if isinstance(unit.values.get(text), ast.Dim) and text not in generics}
    sizes = own if own is None else {**own, **of_file}
    body = Names()
    for text, d in found.items():
        body.here[text] = Bound(d, decl.name.span, "size")
    for text, dtype in unified.dtypes.items():
        body.here[text] = Bound(dtype, decl.name.span, "dtype")
    for formal in decl.formals:
        body.here[formal.name.text] = Bound(unified.arguments[formal.name.text], formal.name.span, "formal")
    callee = at.within(names=body, sizes=sizes, rest=unified.rest, calls=(*frame.calls[:-1], (decl, frame.calls[-1][1])), returning=frame)
    _in_range(callee, unit, name, of_file)
    return callee


def _parameters(frame: Frame, unit: Unit, decl: Function) -> tuple[dict[str, Value], dict[str, str]]:
    """The sizes and dtypes of a signature that the arguments say."""
    generics = [g.text for g in decl.generics] if isinstance(decl, ast.Fn) else []
    signature_types = [*(f.type for f in decl.formals), *(r.type for r in decl.results)]
    dtypes = {t.dtype.text: t.dtype.text for t in signature_types if types.is_dtype_parameter(t.dtype.text, generics)}
    sizes: dict[str, Value] = {}
    for name in (*generics, *_size_names(unit, frame, decl, signature_types)):
        if name not in dtypes:
            sizes.setdefault(name, open_index(name))
    return sizes, dtypes


def _size_names(unit: Unit, frame: Frame, decl: Function, signature_types: Sequence[ast.Type]) -> Iterator[str]:
    """Names in shapes that are parameters: undeclared ones, and sizes of the file where the call says what they are."""
    formals = [f.name.text for f in decl.formals]
    free = unit is not frame.unit or isinstance(decl, ast.Graph) or frame.sizes is not None
    for type in signature_types:
        for name in types.names_in(type):
            item = unit.values.get(name.text)
            if name.text in formals or name.text in lookup.CONSTANTS:
                continue
            known = frame.sizes is not None and unit is frame.unit and not isinstance(decl, ast.Graph) and name.text in frame.sizes
            if item is None or isinstance(item, ast.Dim) and free and not known:
                yield name.text


def _sized_by_constants(decl: Function, name: str, given: Arguments, names: Names) -> None:
    """A formal that a shape speaks of is known while compiling."""
    for type in (*(f.type for f in decl.formals), *(r.type for r in decl.results)):
        for used in types.names_in(type):
            if used.text in given and used.text not in names.here:
                argument, span = given[used.text]
                note = Note(f"{used.text} is a size here", used.span)
                raise Mistake(f"{used.text} of {name} must be known when compiling, and this is {describe(argument)}", span, (note,))


def _in_range(frame: Frame, unit: Unit, name: str, found: Mapping[str, Dim]) -> None:
    """Sizes of the file have their declared ranges."""
    for text, d in found.items():
        item = unit.values[text]
        assert isinstance(item, ast.Dim)
        size = lookup.named_size(frame, unit, item, text)
        call = frame.calls[-1][1]
        if at_least(size.low - d, 1) or size.high is not None and at_least(d - size.high, 1):
            stated = f"{size.low}..{'' if size.high is None else size.high}"
            raise Mistake(f"{text} of {name} is {dim_text(d)}", call, (Note(f"{text} is declared {stated}", place(item, text)),))
        frame.require_at_least(d, size.low, call)
        if size.high is not None:
            frame.require_at_least(size.high - d, 0, call)


def results_of(frame: Frame, decl: Function | ast.Derivative, outcome: Outcome) -> list[Denotation]:
    """What a body returns, or binds to the named results, as values of the stated types."""
    name = decl.name.text if not isinstance(decl, ast.Derivative) else "derivative"
    if outcome.kind == "yield":
        raise Mistake("yield is for if, loop and scan; a function returns", outcome.span, help="write `return`")
    if outcome.values is not None:
        values, spans = list(outcome.values), list(outcome.places)
        if any(isinstance(x, Wrong) for x in values):
            return [WRONG] * len(decl.results)
        if len(values) == 1 and isinstance(values[0], Several):
            values, spans = list(values[0].items), spans * len(values[0].items)
        if len(values) != len(decl.results):
            note = Note(f"{name} declares {len(decl.results)}", decl.results[0].span if decl.results else decl.span)
            raise Mistake(f"{name} returns {counted(len(values), 'value')}", outcome.span, (note,))
    else:
        values, spans = _bound_results(frame, decl, name)
    fitted: list[Denotation] = []
    for n, (result, x, span) in enumerate(zip(decl.results, values, spans, strict=True)):
        what = result.name.text if result.name is not None else f"result {n + 1} of {name}" if len(values) > 1 else f"the result of {name}"
        try:
            fitted.append(types.fitted(frame.given(n), x, types.pattern(frame, result.type), what, span, frame.rest))
        except Mistake as mistake:
            frame.report.add(mistake)
            fitted.append(WRONG)
    return fitted


def _bound_results(frame: Frame, decl: Function | ast.Derivative, name: str) -> tuple[list[Denotation], list[Span]]:
    values: list[Denotation] = []
    spans: list[Span] = []
    for result in decl.results:
        if result.name is None:
            raise Mistake(
                f"{name} returns nothing", decl.body.span, (Note("its result is declared here", result.span),), "end it with `return`"
            )
        bound = frame.names.here.get(result.name.text)
        if bound is None or bound.kind in ("formal", "input", "size", "dtype"):
            raise Mistake(
                f"{name} does not bind its result {result.name.text}",
                result.name.span,
                help=did_you_mean(result.name.text, frame.names.here),
            )
        values.append(bound.denotation)
        spans.append(bound.span or result.span)
    return values, spans


def checks_alone(decl: ast.Fn) -> bool:
    """Whether a function that nothing calls can be elaborated for its errors: its dtypes are known, no formal need be constant."""
    generics = [g.text for g in decl.generics]
    written = [*(f.type for f in decl.formals), *(r.type for r in decl.results)]
    if any(types.is_dtype_parameter(t.dtype.text, generics) for t in written):
        return False
    return not any(f.type.dtype.text in ("i32", "i64", "bool", "u8") and not f.type.shape for f in decl.formals)
