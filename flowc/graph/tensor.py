"""Tensors of a graph: what a Python program builds with, by operators, methods and indexing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from flowc.errors import CompileError, Diagnostic
from flowc.graph.types import ELEMENT_TYPES, ElementType, element_type
from flowc.ir.core import Value
from flowc.ir.dims import Dim, show
from flowc.source import python_location

if TYPE_CHECKING:
    from flowc.graph.graph import Graph, Operation, Region

# What NumPy calls where an array stands left of an operator, and the operator's built-in.
UFUNCS: Mapping[str, str] = {
    "add": "add", "subtract": "subtract", "multiply": "multiply", "divide": "/", "true_divide": "/", "floor_divide": "//",
    "remainder": "%", "power": "**", "matmul": "@", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
    "equal": "==", "not_equal": "!=", "bitwise_xor": "bitwise_xor",
    "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift",
}  # fmt: skip
REDUCTIONS: Mapping[str, str] = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
# Functions that have another name here than in NumPy.
NUMPY: Mapping[str, str] = {
    "absolute": "abs", "concatenate": "concat", "amax": "max", "amin": "min", "invert": "bitwise_not", "rint": "round",
    "expand_dims": "unsqueeze",
    "arctan": "atan", "arcsin": "asin", "arccos": "acos", "arctan2": "atan2", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
}  # fmt: skip


class Tensor:
    """One result of an operation.  Operators broadcast as in NumPy; Python numbers take the dtype of the other side."""

    def __init__(self, op: Operation, index: int, value: Value, region: Region | None) -> None:
        self.op, self.index, self.value, self.region = op, index, value, region

    @property
    def graph(self) -> Graph:
        return self.op.graph

    @property
    def name(self) -> str:
        """The operation's name and which of its results it is: `Add:0`."""
        return f"{self.op.name}:{self.index}"

    @property
    def called(self) -> str:
        """The name in messages: the user's variable where there is one."""
        return self.value.hint or self.op.name

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The sizes: integers, and expressions of named sizes, which are accepted wherever a size is."""
        return self.value.type.shape

    @property
    def ndim(self) -> int:
        return self.value.type.rank

    @property
    def dtype(self) -> ElementType:
        return ELEMENT_TYPES[self.value.type.dtype.value]

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return self._call("transpose", self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("sum", self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("mean", self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("max", self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return self._call("min", self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in row-major order in another shape, given as one list or as several sizes; one may be -1."""
        given = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return self._call("reshape", self, shape=given)

    def transpose(self, *perm: Any) -> Tensor:
        """The axes in another order, reversed where none is given."""
        order = perm[0] if len(perm) == 1 and not isinstance(perm[0], int) else perm
        return self._call("transpose", self, perm=list(order)) if perm else self.T

    def astype(self, dtype: Any) -> Tensor:
        """The elements in another dtype: floats truncate and saturate to integers, integers wrap."""
        return self.graph.cast(self, element_type(dtype))

    def eval(self, feed_dict: Mapping[Any, Any] | None = None, session: Any = None) -> Any:
        """The value in `session`, or in the one that a `with` statement around this makes the default."""
        runner = session if session is not None else self.graph.default_session()
        return runner.run(self, feed_dict)

    def __getitem__(self, key: Any) -> Tensor:
        return self.graph.subscript(self, key)

    def __iter__(self) -> Iterator[Tensor]:
        count = self.shape[0] if self.shape else None
        if not isinstance(count, int):
            self._refuse(f"{self} has no number of rows known while the graph is built", "index it, or loop with while_loop")
        return (self[n] for n in range(count))

    def __len__(self) -> int:
        count = self.shape[0] if self.shape else None
        if not isinstance(count, int):
            self._refuse(f"the length of {self} is not known while the graph is built", "its sizes are in .shape")
        return count

    def __bool__(self) -> bool:
        self._refuse(f"{self} has no truth value while the graph is built", "write where or cond to choose by its value")

    def __add__(self, other: Any) -> Tensor:
        return self._call("add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return self._call("add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return self._call("subtract", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return self._call("subtract", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return self._call("multiply", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return self._call("multiply", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return self._call("/", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return self._call("/", other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return self._call("//", self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return self._call("//", other, self)

    def __mod__(self, other: Any) -> Tensor:
        return self._call("%", self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return self._call("%", other, self)

    def __pow__(self, other: Any) -> Tensor:
        return self._call("**", self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return self._call("**", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return self._call("@", self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return self._call("@", other, self)

    def __neg__(self) -> Tensor:
        return self._call("negative", self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return self._call("abs", self)

    def __and__(self, other: Any) -> Tensor:
        return self._call(self._logical("and"), self, other)

    def __rand__(self, other: Any) -> Tensor:
        return self._call(self._logical("and"), other, self)

    def __or__(self, other: Any) -> Tensor:
        return self._call(self._logical("or"), self, other)

    def __ror__(self, other: Any) -> Tensor:
        return self._call(self._logical("or"), other, self)

    def __xor__(self, other: Any) -> Tensor:
        return self._call("bitwise_xor", self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return self._call("bitwise_xor", other, self)

    def __invert__(self) -> Tensor:
        return self._call(self._logical("not"), self)

    def __lshift__(self, other: Any) -> Tensor:
        return self._call("bitwise_left_shift", self, other)

    def __rshift__(self, other: Any) -> Tensor:
        return self._call("bitwise_right_shift", self, other)

    def __lt__(self, other: Any) -> Tensor:
        return self._call("<", self, other)

    def __le__(self, other: Any) -> Tensor:
        return self._call("<=", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return self._call(">", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return self._call(">=", self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return self._call("==", self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return self._call("!=", self, other)

    __hash__ = object.__hash__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keyword: Any) -> Tensor:
        """`array + tensor` and its like; NumPy's other functions are refused."""
        if method == "__call__" and not keyword and ufunc.__name__ in ("bitwise_and", "bitwise_or"):
            return self._call(self._logical(ufunc.__name__.removeprefix("bitwise_")), *inputs)
        if method == "__call__" and not keyword and ufunc.__name__ in UFUNCS:
            return self._call(UFUNCS[ufunc.__name__], *inputs)
        self._refuse_numpy(REDUCTIONS.get(ufunc.__name__, ufunc.__name__) if method == "reduce" else ufunc.__name__)

    def __array_function__(self, function: Any, types: Any, args: Any, keyword: Any) -> NoReturn:
        self._refuse_numpy(function.__name__)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        self._refuse_elements()

    def __float__(self) -> float:
        self._refuse_elements()

    def __int__(self) -> int:
        self._refuse_elements()

    def __index__(self) -> int:
        self._refuse_elements()

    def __repr__(self) -> str:
        sizes = ", ".join(map(show, self.shape)) + "," * (len(self.shape) == 1)
        return f'Tensor("{self.name}", shape=({sizes}), dtype={self.dtype.spelling})'

    def _call(self, built_in: str, *positional: Any, **keyword: Any) -> Tensor:
        return self.graph.call(built_in, positional, keyword)

    def _logical(self, word: str) -> str:
        return f"{'logical' if self.dtype.name == 'bool' else 'bitwise'}_{word}"

    def _refuse_elements(self) -> NoReturn:
        self._refuse(f"{self} has no elements while the graph is built", "run it in a session, or use flowc's functions on it")

    def _refuse_numpy(self, function: str) -> NoReturn:
        from flowc.graph.built_ins import functions

        own = next((name for name in (function, NUMPY.get(function, "")) if name in functions()), None)
        help = f"write fc.{own}, fc being flowc" if own else "use flowc's functions on it"
        self._refuse(f"numpy.{function} takes arrays, and {self} has no elements while the graph is built", help)

    def _refuse(self, message: str, help: str) -> NoReturn:
        raise CompileError((Diagnostic(message, python_location(), help=help),))
