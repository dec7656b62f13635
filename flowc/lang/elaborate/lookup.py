"""What a name stands for: names of the block, then values of the file, then the constants and dtypes of the language."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager

from flowc.errors import Note, did_you_mean
from flowc.ir.core import Namer, Symbol, Value
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType, Type
from flowc.lang import ast
from flowc.lang.elaborate import sizes, statements, types
from flowc.lang.elaborate.context import Bound, Frame, Names
from flowc.lang.elaborate.report import MAX_SIZE, Mistake
from flowc.lang.elaborate.units import Arrays, Unit, place
from flowc.lang.elaborate.values import WRONG, Denotation, Wrong
from flowc.lang.expected import SPELLINGS as WORDS
from flowc.lang.weights import WeightError
from flowc.ops.control import StateRead
from flowc.source import Span

CONSTANTS: dict[str, float] = {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e}
DTYPES = {d.value: d for d in DType if d not in (DType.index, DType.token, DType.error)}
LATER = ("i4", "u4", "f8e4m3", "f8e5m2", "c64", "c128")
# What NumPy and PyTorch call the dtypes.
SPELLINGS = {
    **{d.numpy.name: d.value for d in DTYPES.values() if d not in (DType.bool, DType.bf16)},
    "bfloat16": "bf16", "half": "f16", "float": "f32", "double": "f64", "short": "i16", "int": "i32", "long": "i64",
}  # fmt: skip


def bound(frame: Frame, name: str, span: Span) -> Bound:
    """What `name` stands for; raises `Mistake` where it stands for nothing."""
    found = frame.names.get(name)
    if found is not None:
        return found
    if name in CONSTANTS:
        return Bound(CONSTANTS[name], None, "constant")
    if name in frame.unit.values:
        return Bound(declared(frame, frame.unit, name, span), place(frame.unit.values[name], name), _kind(frame.unit.values[name]))
    if name in DTYPES or name in LATER:
        return Bound(dtype(name, span), None, "dtype")
    if name in frame.unit.functions:
        raise Mistake(f"{name} is a function, and this wants a value", span, help=f"call it: `{name}(...)`")
    if name in frame.build.unknown:
        raise sizes.Unclear
    frame.build.unknown[name] = None
    known = dict.fromkeys([*frame.names, *frame.unit.values, *CONSTANTS, *DTYPES])
    near = f'did you mean "{WORDS[name]}"?' if name in WORDS else did_you_mean(name, known)
    raise Mistake(f"there is no value {name}", span, help=near)


def _kind(item: ast.Node) -> str:
    return type(item).__name__.lower()


def declared(frame: Frame, unit: Unit, name: str, span: Span) -> Denotation:
    """The value that a file declares under `name`."""
    item = unit.values[name]
    match item:
        case ast.Dim():
            if frame.sizes is None:
                return dim(named_size(frame, unit, item, name))
            if name not in frame.sizes:
                raise Mistake(
                    f"the size {name} is not known here: no argument says it", span, (Note(f"{name} is declared here", place(item, name)),)
                )
            return frame.sizes[name]
        case ast.Const():
            return constant(frame, unit, item, span)
        case ast.Param() | ast.State():
            return state(frame, unit, item, span)
        case ast.Device():
            raise Mistake(
                f"{name} is a device, and this wants a value", span, help=f"write `on {name} {{ ... }}` to place statements there"
            )
        case ast.Import():
            if name not in unit.imports:
                return WRONG  # the import is the mistake, told already
            what = "arrays" if isinstance(unit.imports[name], Arrays) else "functions and values"
            raise Mistake(f"{name} is an import, and this wants a value", span, help=f"name one of its {what}: `{name}.x`")


def named_size(frame: Frame, unit: Unit, item: ast.Dim, name: str) -> Size:
    """The size a file declares, with its range."""
    if item.low is None:
        return Size(name)
    at = file_frame(frame, unit)
    with _open(frame, f"range {unit.path}{name}", f"the range of {name} speaks of {name} itself", item.low.span):
        low = sizes.number(at, item.low)
        high = None if item.high is None else sizes.number(at, item.high)
    for bound, node in ((low, item.low), (high, item.high)):
        if bound is not None and bound > MAX_SIZE and node is not None:
            raise Mistake(f"{name} is a size, and sizes are below 2^63", node.span)
    if low < 0:
        raise Mistake(f"{name} is a size and may not be negative", item.low.span)
    if high is not None and high < low:
        raise Mistake(f"the range of {name} is empty: {low}..{high}", item.low.span)
    return Size(name, low, high)


def file_frame(frame: Frame, unit: Unit, name: str = "") -> Frame:
    """The frame of what a file says outside its functions, evaluated in the function that uses it."""
    return frame.within(
        unit=unit, names=Names(), prefix="", namers=(Namer(name),) if name else (), targets=(name,) if name else (), reading=None,
        sizes=frame.sizes if unit is frame.unit else {}, lone=True, returning=None,
    )  # fmt: skip


def constant(frame: Frame, unit: Unit, item: ast.Const, span: Span) -> Denotation:
    """A const's value: weak where its type is left out."""
    key = f"const {unit.path}{item.name.text}"
    known = frame.build.consts.get(key)
    if known is not None:
        return known
    with _open(frame, key, f"{item.name.text} is defined by itself", item.name.span):
        at = file_frame(frame, unit, f"{unit.path}{item.name.text}").within(constant=True)
        begin = len(frame.build.made)
        found = at.evaluate(at, item.value)
        if item.type is not None and not isinstance(found, Wrong):
            found = types.fitted(at, found, types.pattern(at, item.type), item.name.text, item.value.span)
        found = statements.named(at, found, at.targets[0], begin)
    frame.build.consts[key] = found
    if isinstance(found, Value):
        frame.build.shared[key] = found
    return found


@contextmanager
def _open(frame: Frame, key: str, message: str, span: Span) -> Generator[None]:
    """The declaration of `key` is being evaluated; raises `Mistake` where it is so already."""
    if key in frame.build.open:
        raise Mistake(message, span)
    frame.build.open[key] = None
    try:
        yield
    finally:
        del frame.build.open[key]


def state(frame: Frame, unit: Unit, item: ast.Param | ast.State, span: Span) -> Denotation:
    """A param's or state's value from before the run."""
    if frame.constant:
        raise Mistake(
            f"a const does not read {item.name.text}, which may change", span, (Note(f"{item.name.text} is declared here", item.name.span),)
        )
    name = f"{unit.path}{item.name.text}"
    if frame.build.initialises:
        raise Mistake(
            f"an initialiser reads no param or state, and {name} is one", span, (Note(f"{name} is declared here", place(item, name)),)
        )
    if name not in frame.build.shared:
        type = state_type(frame, unit, item)
        frame.build.shared[name] = StateRead(Symbol(name), type, hints=(name,), location=item.name.span).result
    return frame.build.shared[name]


def state_type(frame: Frame, unit: Unit, item: ast.Param | ast.State) -> Type:
    """A state's type, whose sizes are numbers."""
    at, name = file_frame(frame, unit), item.name.text
    with _open(frame, f"type {unit.path}{name}", f"the type of {name} speaks of {name} itself", item.type.span):
        type = types.concrete(at, types.pattern(at, item.type))
    for d in type.shape:
        if not isinstance(d, int):
            raise Mistake(
                f"{item.name.text} lives as long as the model, so its sizes are numbers",
                item.type.span,
                help="write a const instead of a dim",
            )
        if d < 0:
            raise Mistake(f"the size {d} is negative", item.type.span)
    return type


def dtype(name: str, span: Span) -> DType:
    """The dtype of that name, where the compiler has it."""
    if name in LATER:
        raise Mistake(f"{name} is not there yet", span, help=f"the dtypes are {', '.join(DTYPES)}")
    if name not in DTYPES:
        help = f'did you mean "{SPELLINGS[name]}"?' if name in SPELLINGS else did_you_mean(name, DTYPES)
        raise Mistake(f"there is no dtype {name}", span, help=help)
    return DTYPES[name]


def dotted(node: ast.Expression) -> tuple[ast.Name, list[str]] | None:
    """`a.b.c` and `a["b.c"]` as a name and what follows; None for anything else."""
    parts: list[str] = []
    while True:
        match node:
            case ast.Field(base, name):
                parts.append(name.text)
                node = base
            case ast.Subscript(base, (ast.String(text),)):
                parts.append(text)
                node = base
            case ast.Name():
                return (node, parts[::-1]) if parts else None
            case _:
                return None


def imported(frame: Frame, head: ast.Name, parts: list[str], span: Span) -> Denotation | None:
    """What `m.x` stands for where m is an import; None where it is not."""
    if frame.names.get(head.text) is not None or head.text not in frame.unit.values:
        return None
    if not isinstance(frame.unit.values[head.text], ast.Import):
        return None
    found = frame.unit.imports.get(head.text)
    match found:
        case None:
            return WRONG
        case Arrays():
            return _array(frame, found, head.text, ".".join(parts), span)
        case Unit():
            return _member(frame, found, head.text, parts, span)


def _array(frame: Frame, arrays: Arrays, name: str, key: str, span: Span) -> Denotation:
    known = arrays.file.arrays
    if key not in known:
        raise Mistake(f'{arrays.file.path.name} has no array "{key}"', span, help=did_you_mean(key, known) or _some(list(known)))
    shared = f"{arrays.name}.{key}"
    if shared not in frame.build.shared:
        try:
            with frame.making(span):
                frame.build.shared[shared] = arrays.weight(key)
        except WeightError as error:
            raise Mistake(str(error), span) from None
    return frame.build.shared[shared]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"it has {', '.join(names[:8])}{more}" if names else "it has no arrays at all"


def _member(frame: Frame, unit: Unit, name: str, parts: list[str], span: Span) -> Denotation:
    first, *rest = parts
    if rest and first in unit.imports:
        inner = file_frame(frame, unit)
        found = imported(inner, ast.Name(first, span=span), rest, span)
        if found is not None:
            return found
    if not rest and isinstance(unit.values.get(first), ast.Const | ast.Param | ast.State):
        return declared(frame, unit, first, span)
    if first in unit.functions:
        raise Mistake(f"{name}.{first} is a function, and this wants a value", span, help=f"call it: `{name}.{first}(...)`")
    members = [n for n, item in unit.values.items() if isinstance(item, ast.Const | ast.Param | ast.State)]
    raise Mistake(f"{unit.source.name} has no const, param or state {'.'.join(parts)}", span, help=did_you_mean(first, members))
