"""Element types, and annotations such as `f32["N", 784]`: what the builder takes for dtypes and shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import EllipsisType, MappingProxyType
from typing import Any, TypeAlias, cast

import numpy as np

from flowc.errors import Diagnostic, UsageError
from flowc.ir import dims
from flowc.ir.dims import Dim, Polynomial, Size
from flowc.ir.types import DType
from flowc.source import python_location
from flowc_runtime.dtypes import Refused, numpy_dtype

Extent: TypeAlias = "int | str | Polynomial | None"  # None is a size without a name


@dataclass(frozen=True)
class ElementType:
    """The type of one element; `f32["N", 784]` is that of a tensor, `f32[()]` and `f32` alone that of a scalar."""

    ir: DType

    @property
    def name(self) -> str:
        return self.ir.value

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """NumPy's dtype, so that `numpy.zeros(3, fc.f32)` works."""
        try:
            return numpy_dtype(self.ir.value)
        except Refused as missing:
            raise _wrong(str(missing)) from None

    @property
    def spelling(self) -> str:
        """The name in TensorFlow's first edition: `float32`, `int32`."""
        return "bfloat16" if self.ir is DType.bf16 else self.ir.numpy.name

    def __getitem__(self, shape: Extent | EllipsisType | tuple[Extent | EllipsisType, ...]) -> TensorType:
        return TensorType(self, tuple(d if d is ... else _extent(d) for d in (shape if isinstance(shape, tuple) else (shape,))))

    def __str__(self) -> str:
        return self.ir.value

    def __repr__(self) -> str:
        return self.ir.value


@dataclass(frozen=True)
class TensorType:
    """An element type and a shape, in which names and None are sizes, and one `...` any number of axes."""

    element: ElementType
    shape: tuple[Extent | EllipsisType, ...] = ()

    @property
    def open(self) -> bool:
        """Whether the number of axes is left to the argument."""
        return ... in self.shape

    def __str__(self) -> str:
        parts = ["..." if d is ... else "?" if d is None else str(d) for d in self.shape]
        return f"{self.element}[{', '.join(parts)}]" if parts else str(self.element)

    __repr__ = __str__


ELEMENT_TYPES: Mapping[str, ElementType] = MappingProxyType(
    {d.value: ElementType(d) for d in DType if d not in (DType.index, DType.token, DType.error)}
)
SPELLINGS: Mapping[str, ElementType] = MappingProxyType({t.spelling: t for t in ELEMENT_TYPES.values()})


def element_type(given: Any) -> ElementType:
    """The element type that a flowc dtype, NumPy's dtype or scalar type, or a name is; raises `UsageError` where it is none."""
    match given:
        case ElementType():
            return given
        case DType():
            return ELEMENT_TYPES[given.value]
        case str() if given in ELEMENT_TYPES:
            return ELEMENT_TYPES[given]
        case str() if given in SPELLINGS:
            return SPELLINGS[given]
        case _:
            pass
    known = given is bool or isinstance(given, np.dtype) or (isinstance(given, type) and issubclass(given, np.generic))
    name = str(np.dtype(cast(Any, given)).name) if known else ""
    if name in SPELLINGS:
        return SPELLINGS[name]
    raise _wrong(f"{given!r} is no dtype; there are {', '.join(ELEMENT_TYPES)}")


def dim(name: str, low: int = 1, high: int | None = None) -> Polynomial:
    """The size `name`, from `low` to `high`, both included; sizes admit + - * // %."""
    if not name.isidentifier():
        raise _wrong(f"the name of a size is an identifier, not {name!r}")
    if low < 0 or (high is not None and high < low):
        raise _wrong(f"the size {name} has no range {low}..{high}")
    size = dims.dim(Size(name, low, high))
    assert isinstance(size, Polynomial)
    return size


def extents(shape: Any) -> tuple[Extent, ...]:
    """The extents that a user's shape lists; raises `UsageError` where one is no size."""
    if isinstance(shape, int | str | Polynomial):
        return (shape,)
    if not isinstance(shape, Iterable):
        raise _wrong(f"a shape is a list of sizes, not {shape!r}")
    return tuple(_extent(d) for d in shape)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _extent(d: Any) -> Extent:
    if isinstance(d, np.integer):
        return int(cast(Any, d))
    if d is None or isinstance(d, str | Polynomial) or (isinstance(d, int) and not isinstance(d, bool) and d >= 0):
        return d
    raise _wrong(f"a size is a number from 0, a name, or None, not {d!r}")


def sizes_of(shape: Iterable[Dim]) -> list[Size]:
    """The named sizes that a shape speaks of, in order."""
    return list(dict.fromkeys(a for d in shape if isinstance(d, Polynomial) for a in dims.atoms(d) if isinstance(a, Size)))


def _wrong(message: str) -> UsageError:
    return UsageError((Diagnostic(message, python_location()),))
