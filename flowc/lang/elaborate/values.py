"""What an expression can stand for: tensors, elements, numbers that have no dtype yet, and what only the elaborator sees.

A weak number is a Python bool, int or float, or a size, which is a `Polynomial`.
It takes the dtype of what it meets and is given one as late as possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from flowc.errors import counted
from flowc.ir.core import Value
from flowc.ir.data import Number
from flowc.ir.dims import Dim, Polynomial, atoms, dim, show
from flowc.ir.types import DType, Type
from flowc.ops.control import DynamicSize
from flowc.ops.literal import weak_text
from flowc.ops.tensor import SizeValue, constant, number

Weak = bool | int | float | Polynomial


class Wrong:
    """What a wrong expression stands for; accepted everywhere, so that one mistake is told once."""


WRONG = Wrong()


@dataclass(frozen=True)
class Affine:
    """An i64 scalar known as an index expression: an index name, or sums and products of such and of sizes."""

    dim: Dim


@dataclass(frozen=True, eq=False)
class Element:
    """A scalar inside a definition by index; `then` and `otherwise` are not negative where a bool holds, or does not."""

    value: Value
    then: tuple[Dim, ...] = ()
    otherwise: tuple[Dim, ...] = ()


@dataclass(frozen=True, eq=False)
class Listed:
    """`[a, b]`."""

    items: tuple[Denotation, ...]


@dataclass(frozen=True, eq=False)
class Several:
    """The results of a call or of control flow that has not exactly one; tuples are no values."""

    items: tuple[Denotation, ...]


Denotation: TypeAlias = Value | Element | Affine | Polynomial | bool | int | float | str | DType | Listed | Several | Wrong


def is_weak(x: Denotation) -> bool:
    return isinstance(x, bool | int | float | Polynomial)


def is_index_like(x: Denotation) -> bool:
    """Whether x is an integer known as an index expression."""
    return isinstance(x, Affine | Polynomial) or (isinstance(x, int) and not isinstance(x, bool))


def known_dim(x: Denotation) -> Dim | None:
    """The size an integer is, where that is known while compiling."""
    match x:
        case bool():
            return None
        case int() | Polynomial():
            return x
        case Affine(dim):
            return dim
        case Value(op=SizeValue(value=(dim,), type=type)) if type.dtype.is_integer:
            return dim
        case Value() if x.type.dtype.is_integer and not x.type.rank:
            known = number(x)
            return None if known is None else int(known)
        case _:
            return None


def known_number(x: Denotation) -> Number | None:
    """The number a scalar is, where that is known while compiling."""
    match x:
        case bool() | int() | float():
            return x
        case Value() if not x.type.rank:
            return number(x)
        case _:
            return None


def scalar_of(dim: Dim, dtype: DType = DType.i64) -> Value:
    """An index expression as a scalar."""
    return constant(dim, dtype) if isinstance(dim, int) else SizeValue((dim,), Type(dtype)).result


def type_of(x: Denotation) -> Type | None:
    """The type of what has one."""
    match x:
        case Value():
            return x.type
        case Element(value):
            return value.type
        case Affine():
            return Type(DType.i64)
        case _:
            return None


def describe(x: Denotation) -> str:
    """What x is, for messages: `f32[N, 784]`, `the number 2.5`, `a list of 2`."""
    match x:
        case Value() | Element() | Affine():
            return type_text(type_of(x) or Type(DType.error))
        case bool():
            return "bool"
        case int() | float():
            return f"the number {weak_text(x)}"
        case Polynomial():
            return f"the size {dim_text(x)}"
        case str():
            return f'the text "{x}"'
        case DType():
            return f"the dtype {x.value}"
        case Listed(items):
            return f"a list of {counted(len(items), 'item')}"
        case Several(items):
            return f"{len(items)} results" if items else "nothing"
        case Wrong():
            return "an error"


def dim_text(d: Dim) -> str:
    """A size or index expression in the user's names."""
    return show(d, False, lambda a: (a.hint or "?") if isinstance(a, Value) else str(a))


def type_text(type: Type) -> str:
    """A type in the user's names."""
    return type.dtype.value + (f"[{', '.join(map(_axis_text, type.shape))}]" if type.shape else "")


def _axis_text(d: Dim) -> str:
    """An axis as the language writes it: one known only during the run by its bound."""
    found = list(atoms(d)) if isinstance(d, Polynomial) else []
    if len(found) == 1 and isinstance(found[0], Value) and isinstance(found[0].op, DynamicSize) and d == dim(found[0]):
        return f"?..{dim_text(found[0].op.bound[0] - 1)}"
    return dim_text(d)
