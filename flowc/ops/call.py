"""Calling built-in functions: which there are, what they take, and how arguments become operands.

An argument is a `Value`, a number without a dtype (bool, int, float, or a size,
which is a `Polynomial`), a text, a dtype, None, or a list of these.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType, UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from flowc.errors import OpError, counted, did_you_mean
from flowc.ir.core import COMMON, Value
from flowc.ir.dims import Dim, Polynomial, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Kind, Weak
from flowc.ops.catalog import catalog
from flowc.ops.literal import listed, literal, settled, weak_dtype, weak_text
from flowc.ops.named import NAMED
from flowc.ops.tensor import BuiltIn, Function, SizeValue, Tensor, number

Argument: TypeAlias = "Value | Weak | str | DType | list[Argument] | tuple[Argument, ...] | None"
Place = int | str  # which argument: its position among the positional ones, or its name
T = TypeVar("T")
REQUIRED = inspect.Parameter.empty


class ArgumentError(OpError):
    """A call that does not fit; `argument` says which argument is at fault, None for one that is missing."""

    def __init__(self, message: str, argument: Place | None, help: str = "") -> None:
        super().__init__(message, help=help)
        self.argument = argument


@dataclass(frozen=True)
class Parameter:
    """A formal of a built-in: `default` is `REQUIRED` where there is none, `dtype` what a number becomes where that is fixed."""

    name: str
    kind: Kind
    default: Any = REQUIRED
    optional: bool = False  # None is accepted
    named: bool = False  # by keyword only
    dtype: DType | None = None
    variadic: bool = False  # takes all further arguments without a name


@cache
def built_ins() -> Mapping[str, type[BuiltIn]]:
    """Every built-in function by name and alias, in order of name."""
    found = [op for op in catalog().values() if issubclass(op, Tensor) and op.public]
    named = {name: cls for cls in (*found, *Function.__subclasses__()) for name in (cls.name, *cls.aliases)}
    return MappingProxyType(dict(sorted(named.items())))


def missing() -> Mapping[str, str]:
    """The signatures of the functions that the language names and that are not there, by name, in order of name."""
    return {name: NAMED[name] for name in sorted(NAMED) if name not in built_ins()}


@cache
def infix(symbol: str) -> type[BuiltIn]:
    """The built-in that a binary operator means; raises `KeyError` for no operator."""
    return {cls.infix: cls for cls in built_ins().values() if cls.infix}[symbol]


@cache
def parameters(cls: type[BuiltIn]) -> tuple[Parameter, ...]:
    """What the built-in takes: the signature of its `make`, or its fields where that is inherited."""
    return tuple(_fields(cls) if _inherits_make(cls) else _formals(cls))


def _inherits_make(cls: type[BuiltIn]) -> bool:
    return cls.make.__func__ is Tensor.make.__func__  # type: ignore[attr-defined]


def _formals(cls: type[BuiltIn]) -> Iterator[Parameter]:
    hints = get_type_hints(cls.make, include_extras=True)
    for p in inspect.signature(cls.make).parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            yield Parameter(p.name, Kind.tensors, variadic=True)
        else:
            yield _parameter(p.name, hints[p.name], p.default, p.kind is p.KEYWORD_ONLY)


def _fields(cls: type[BuiltIn]) -> Iterator[Parameter]:
    assert issubclass(cls, Tensor)
    hints = get_type_hints(cls, include_extras=True)
    for name in cls.form:
        if name not in COMMON:
            yield _parameter(name, hints[name], cls.defaults.get(name, REQUIRED), False)


def _parameter(name: str, hint: Any, default: Any, named: bool) -> Parameter:
    kinds = {
        Value: Kind.tensor, tuple[Value, ...]: Kind.tensors, tuple[Dim, ...]: Kind.shape, DType: Kind.dtype,
        bool: Kind.bool, int: Kind.axis, float: Kind.number, str: Kind.text,
    }  # fmt: skip
    optional = default is None
    if get_origin(hint) in (Union, UnionType):
        choices = [h for h in get_args(hint) if h is not type(None)]
        optional = optional or len(choices) < len(get_args(hint))
        (hint,) = choices
    if get_origin(hint) is Annotated:
        _, kind, *dtype = get_args(hint)
        return Parameter(name, kind, default, optional, named, *dtype)
    return Parameter(name, kinds[hint], default, optional, named)


def call(cls: type[BuiltIn], positional: Sequence[Argument], keyword: Mapping[str, Argument]) -> Value | Dim | tuple[Value, ...]:
    """The built-in's result: a value, a size (`size`, `rank`), or several values.

    Raises `ArgumentError` where the arguments do not fit its parameters, `OpError`
    where they do not fit each other.
    """
    bound = _bound(cls, positional, keyword)
    given = {p.name: p for p in parameters(cls) if p.name in bound}
    converted = {name: _converted(cls, p, *bound[name]) for name, p in given.items()}
    arguments = {**converted, **_operands(cls, given, bound, converted)}
    return cls.make(*_in_order(cls, arguments), **arguments)


def _in_order(cls: type[BuiltIn], arguments: dict[str, Any]) -> list[Any]:
    """The arguments up to and with the many of a variadic formal, taken out of `arguments`; none where there is none such."""
    formals = parameters(cls)
    many = next((n for n, p in enumerate(formals) if p.variadic), None)
    if many is None:
        return []
    return [*(arguments.pop(p.name) for p in formals[:many]), *arguments.pop(formals[many].name)]


def initialiser(
    cls: type[BuiltIn], positional: Sequence[Argument], keyword: Mapping[str, Argument], type: Type
) -> Value | Dim | tuple[Value, ...]:
    """The built-in's result where a param of `type` begins with it: a shape and a dtype that are left out are those of `type`."""
    declared: dict[str, Argument] = {"shape": type.shape, "dtype": type.dtype}
    left_out = [p.name for n, p in enumerate(parameters(cls)) if n >= len(positional) and p.name not in keyword]
    return call(cls, positional, {**keyword, **{name: declared[name] for name in left_out if name in declared}})


Bound = dict[str, tuple[Argument, Place]]  # arguments by formal, and how each was given


def _bound(cls: type[BuiltIn], positional: Sequence[Argument], keyword: Mapping[str, Argument]) -> Bound:
    formals = parameters(cls)
    ordered = [p for p in formals if not p.named]
    many = ordered[-1] if ordered and ordered[-1].variadic else None
    if many is None and len(positional) > len(ordered):
        most = f"{len(ordered)} argument{'s' * (len(ordered) != 1)}{' without a name' * (len(ordered) < len(formals))}"
        raise ArgumentError(f"{cls.name} takes at most {most}, not {len(positional)}", len(ordered), help=signature_text(cls))
    bound: Bound = {p.name: (a, n) for n, (p, a) in enumerate(zip(ordered, positional, strict=False))}
    if many is not None and many.name in bound:
        bound[many.name] = list(positional[len(ordered) - 1 :]), len(ordered) - 1
    names = [p.name for p in formals]
    for name, argument in keyword.items():
        if name not in names:
            raise ArgumentError(f"{cls.name} has no argument {name}", name, help=did_you_mean(name, names) or signature_text(cls))
        if name in bound:
            raise ArgumentError(f"{cls.name} is given {name} twice: in place {bound[name][1] + 1} and by name", name)  # type: ignore[operator]
        bound[name] = argument, name
    missing = [p.name for p in formals if p.name not in bound and p.default is REQUIRED]
    if missing:
        raise ArgumentError(f"{cls.name} lacks {' and '.join(missing)}", None, help=signature_text(cls))
    return bound


def _converted(cls: type[BuiltIn], p: Parameter, x: Argument, place: Place) -> Any:
    """What an argument is for an attribute; arguments that become operands are left as they are."""
    if x is None and p.optional:
        return None
    if p.variadic and isinstance(place, int) and isinstance(x, list):
        each = [replace(p, name=f"argument {place + n + 1}", kind=Kind.tensor, variadic=False) for n in range(len(x))]
        return [_converted(cls, one, item, place + n) for n, (one, item) in enumerate(zip(each, x, strict=True))]
    try:
        return _CONVERSIONS[p.kind](x)
    except _Unfit as unfit:
        which = f", and its item {unfit.place} is {describe(unfit.item)}" if unfit.place is not None else f", not {describe(x)}"
        raise ArgumentError(f"{p.name} of {cls.name} is {p.kind.value}{which}", place, help=_reason(p.kind, unfit.item or x)) from None


def _reason(kind: Kind, x: Argument) -> str:
    if not isinstance(x, Value) or x.type.rank:
        return ""
    dtype = x.type.dtype
    sizes = (Kind.size, Kind.shape, Kind.parts, Kind.pairs, Kind.axis, Kind.axes, Kind.steps, Kind.borders, Kind.facing, Kind.order)
    truth = dtype is DType.bool
    fits = kind in sizes and dtype.is_integer or kind is Kind.bool and truth or kind is Kind.number and not truth
    return "it must be known when the program is compiled" if fits else ""


class _Unfit(Exception):
    """An argument of another kind than its formal, or an item of it."""

    def __init__(self, place: int | None = None, item: Argument = None) -> None:
        super().__init__()
        self.place, self.item = place, item


def _tensor(x: Argument) -> Argument:
    if isinstance(x, Value | bool | int | float | Polynomial):
        return x
    if isinstance(x, str | DType | None):
        raise _Unfit
    return [_tensor(item) for item in x]


def _tensors(x: Argument) -> Argument:
    if not isinstance(x, list | tuple):
        raise _Unfit
    return [_tensor(item) for item in x]


def _size(x: Argument) -> Dim:
    match x:
        case bool():
            raise _Unfit
        case int() | Polynomial():
            return x
        case Value(op=SizeValue(value=(d,), type=type)) if type.dtype.is_integer:
            return d
        case Value(type=type) if type.dtype.is_integer and not type.rank:
            known = number(x)
            if known is None:
                raise _Unfit
            return int(known)
        case _:
            raise _Unfit


def _integer(x: Argument) -> int:
    d = _size(x)
    if not isinstance(d, int):
        raise _Unfit
    return d


def _each(convert: Callable[[Argument], T], x: Argument) -> tuple[T, ...]:
    if not isinstance(x, list | tuple):
        raise _Unfit
    found: list[T] = []
    for n, item in enumerate(x):
        try:
            found.append(convert(item))
        except _Unfit:
            raise _Unfit(n, item) from None
    return tuple(found)


def _shape(x: Argument) -> tuple[Dim, ...]:
    return _each(_size, x) if isinstance(x, list | tuple) else (_size(x),)


def _parts(x: Argument) -> Dim | tuple[Dim, ...]:
    return _each(_size, x) if isinstance(x, list | tuple) else _size(x)


def _axes(x: Argument) -> int | tuple[int, ...]:
    return _each(_integer, x) if isinstance(x, list | tuple) else _integer(x)


def _borders(x: Argument) -> Dim | tuple[Dim, ...] | str:
    return x if isinstance(x, str) else _parts(x)


def _facing(x: Argument) -> int | tuple[int | tuple[int, ...], ...]:
    if not isinstance(x, list | tuple):
        return _integer(x)
    if len(x) != 2:
        raise _Unfit
    return _each(_axes, x)


def _order(x: Argument) -> tuple[int, ...]:
    return _each(_integer, x)


def _pair(x: Argument) -> tuple[Dim, ...]:
    pair = _each(_size, x)
    if len(pair) != 2:
        raise _Unfit
    return pair


def _pairs(x: Argument) -> tuple[tuple[Dim, ...], ...]:
    return _each(_pair, x)


def _number(x: Argument) -> Weak:
    if isinstance(x, bool | int | float | Polynomial):
        return x
    if isinstance(x, Value) and isinstance(x.op, SizeValue):
        return x.op.value[0]
    known = number(x) if isinstance(x, Value) and not x.type.rank else None
    if known is None:
        raise _Unfit
    return known


def _bool(x: Argument) -> bool:
    known = number(x) if isinstance(x, Value) and not x.type.rank else x
    if isinstance(known, bool):
        return known
    raise _Unfit


def _instance(kind: type[Any]) -> Any:
    def check(x: Argument) -> Any:
        if isinstance(x, kind):
            return x
        raise _Unfit

    return check


_CONVERSIONS: Mapping[Kind, Any] = MappingProxyType(
    {
        Kind.tensor: _tensor,
        Kind.tensors: _tensors,
        Kind.size: _size,
        Kind.shape: _shape,
        Kind.parts: _parts,
        Kind.pairs: _pairs,
        Kind.axis: _integer,
        Kind.axes: _axes,
        Kind.steps: _axes,
        Kind.borders: _borders,
        Kind.facing: _facing,
        Kind.order: _order,
        Kind.dtype: _instance(DType),
        Kind.number: _number,
        Kind.bool: _bool,
        Kind.text: _instance(str),
    }
)


def _operands(cls: type[BuiltIn], given: Mapping[str, Parameter], bound: Bound, converted: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that become operands, as values: those that share a dtype first, then each other one alone."""
    tensors = [p for p in given.values() if p.kind in (Kind.tensor, Kind.tensors) and converted[p.name] is not None]
    shared = [p for p in tensors if p.dtype is None and (not cls.same or p.name in cls.same)]
    dtype, source = _common(cls, given, shared, bound, converted)
    found: dict[str, Any] = {}
    for p in tensors:
        argument, place = converted[p.name], bound[p.name][1]
        own, beside = (dtype, source) if p in shared else (p.dtype or _alone(argument), "")
        made: list[Value] = []
        for item, at in _placed(p, argument, place):
            try:
                made.append(_operand(item, own))
            except OpError as error:
                raise ArgumentError(f"{_spelling(cls)}{beside}: {error}", at, help=error.help) from None
        found[p.name] = tuple(made) if p.kind is Kind.tensors else made[0]
    return found


def _placed(p: Parameter, argument: Any, place: Place) -> Iterator[tuple[Argument, Place]]:
    """The operands that an argument is, each with the place of the argument that gives it."""
    items: Sequence[Argument] = argument if p.kind is Kind.tensors else [argument]
    for n, item in enumerate(items):
        yield item, place + n if p.variadic and isinstance(place, int) else place


def _common(
    cls: type[BuiltIn], given: Mapping[str, Parameter], shared: Sequence[Parameter], bound: Bound, converted: Mapping[str, Any]
) -> tuple[DType | None, str]:
    """The dtype the shared operands have, and where it comes from; raises `ArgumentError` where two tensors differ."""
    first: Value | None = None
    for p in shared:
        for value, place in ((v, at) for item, at in _placed(p, converted[p.name], bound[p.name][1]) for v in _values(item)):
            if first is not None and value.type.dtype is not first.type.dtype:
                message = f"{_spelling(cls)} of {first.type} and {value.type}: elements do not mix"
                raise ArgumentError(message, place, help=f"convert one side: `... as {first.type.dtype.value}`")
            first = first or value
    if first is not None:
        return first.type.dtype, f" of {first.type}"
    fixed = next((converted[name] for name, p in given.items() if p.kind is Kind.dtype and name in cls.same), None)
    if fixed is not None:
        return fixed, f" of {fixed.value}"
    return weak_dtype([a for p in shared for a in _numbers(converted[p.name])]), ""


def _operand(x: Argument, dtype: DType | None) -> Value:
    if isinstance(x, Value):
        return x
    if isinstance(x, bool | int | float | Polynomial):
        return settled(x) if dtype is None else literal(x, dtype)
    assert not isinstance(x, str | DType | None)
    return listed(x, dtype)  # type: ignore[arg-type]


def _alone(x: Argument) -> DType | None:
    """The dtype of an operand that shares it with no other."""
    return next((v.type.dtype for v in _values(x)), None) or weak_dtype(list(_numbers(x)))


def _values(x: Argument) -> Iterator[Value]:
    if isinstance(x, Value):
        yield x
    elif isinstance(x, list | tuple):
        for item in x:
            yield from _values(item)


def _numbers(x: Argument) -> Iterator[Weak]:
    if isinstance(x, bool | int | float | Polynomial):
        yield x
    elif isinstance(x, list | tuple):
        for item in x:
            yield from _numbers(item)


def _spelling(cls: type[BuiltIn]) -> str:
    return cls.infix or cls.name


def describe(x: Argument) -> str:
    """What an argument is, for messages: `f32[N, 784]`, `the number 2.5`, `a list`."""
    match x:
        case Value():
            return str(x.type)
        case bool():
            return weak_text(x)
        case int() | float():
            return f"the number {weak_text(x)}"
        case Polynomial():
            return f"the size {show(x)}"
        case str():
            return f'the text "{x}"'
        case DType():
            return f"the dtype {x.value}"
        case None:
            return "none"
        case _:
            return f"a list of {counted(len(x), 'item')}"


def signature_text(cls: type[BuiltIn]) -> str:
    """How the built-in is called: `sum(x, axis=all, keepdims=false)`."""
    return f"{cls.name}({', '.join(map(_formal_text, parameters(cls)))})"


def _formal_text(p: Parameter) -> str:
    if p.default is REQUIRED:
        return "*" * p.variadic + p.name + "=" * p.named
    return f"{p.name}={_default_text(p)}"


def _default_text(p: Parameter) -> str:
    match p.default:
        case None:
            return {Kind.axes: "all", Kind.axis: "all", Kind.order: "reversed", Kind.steps: "size"}.get(p.kind, "none")
        case bool():
            return weak_text(p.default)
        case str():
            return f'"{p.default}"'
        case DType():
            return p.default.value
        case _:
            return str(p.default).replace("e-0", "e-")
