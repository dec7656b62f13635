"""Functions made from functions: their derivatives, derivatives by hand, what is computed again in reverse mode.

Each takes a Python function over tensors, or a compiled one, and gives a compiled one with the same parameters:
called with arrays it runs natively, called with tensors it is expanded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

from flowc.derivatives.adjoint import zero
from flowc.errors import CompileError, Diagnostic, counted
from flowc.graph.control import region_of
from flowc.graph.derivatives import jvp as jvp_of_tensors, vjp as vjp_of_tensors
from flowc.graph.derived import derived
from flowc.graph.function import Function
from flowc.graph.graph import Graph, get_default_graph
from flowc.graph.structure import layout, leaves, mapped
from flowc.graph.tensor import Tensor
from flowc.ir.core import Value
from flowc.ops.derivative import Custom, Remat
from flowc.source import python_location

Python = Callable[..., Any]


def grad(f: Python, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The function that gives the derivative of f, whose result is one float scalar, by an argument.

    The derivative has the structure of the argument, and is a tuple where `argnums` is one; 0 in the place of what f does not
    depend on.  With `has_aux`, f gives the scalar and something else, and so does this: the derivative and that.
    """
    both = value_and_grad(f, argnums, has_aux).python

    def derivative(*args: Any) -> Any:
        value, parts = both(*args)
        return (parts, value[1]) if has_aux else parts

    return like(f, derivative, "grad", argnums)


def value_and_grad(f: Python, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The function that gives what f does and its derivative as `grad` does; with `has_aux` what f gives is a pair."""

    def both(*args: Any) -> tuple[Any, Any]:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        wrt: tuple[Any, ...] = tuple(_argument(f, args, n) for n in numbers)
        value: Any = f(*args)
        loss: Any = cast(Any, value)[0] if has_aux and isinstance(value, tuple) else value
        if not isinstance(loss, Tensor) or loss.ndim or not loss.dtype.ir.is_float:
            given = loss.value.type if isinstance(loss, Tensor) else f"{loss!r:.60}"
            raise _wrong(f"grad is of one float scalar, and {called(f)} gives {given}", "sum it, or use vjp")
        found = iter(vjp_of_tensors(loss, list(leaves(wrt))))
        parts: Any = mapped(wrt, lambda _: next(found))
        return cast(Any, value), parts[0] if isinstance(argnums, int) else parts

    return like(f, both, "value_and_grad", argnums)


def vjp(y: Any, *given: Any, **named: Any) -> Any:
    """The transposed derivative, of tensors or of a function.

    `vjp(y, wrt, seed=None)`, of tensors: the derivative of the sum of `seed` times `y` by each of `wrt`, in its shape; 0 where y does not
    depend on it.  `y` and `seed` are one or several of equal types, without a seed 1 everywhere; a list for a list of `wrt`.

    `vjp(f, *arguments)`, of a function: what f gives, and a function from cotangents, structured as that is, to a
    tuple of the cotangents of the arguments, each structured as its argument, None for what is no float.
    """
    if not callable(y):
        return vjp_of_tensors(y, *given, **named)
    if named:
        raise _wrong(f"the arguments of {called(y)} are passed to vjp by position, not {' and '.join(named)} by name")
    if not _traced(given):
        return _function(y)(*given), _pulled(y, given)
    value = y(*given)

    def pull(cotangents: Any) -> Any:
        return _transposed(value, given, cotangents)

    return value, pull


def jvp(y: Any, wrt: Any, tangent: Any) -> Any:
    """The derivative along directions, of tensors or of a function.

    `jvp(y, wrt, tangent)`, of tensors: the derivative of `y`, one or several, along `tangent`, a direction for each of `wrt` in its type.

    `jvp(f, arguments, tangents)`, of a function: what f gives for the tuple of arguments, and its derivative
    along the tuple of tangents, which are structured as the arguments are.
    """
    if not callable(y):
        return jvp_of_tensors(y, wrt, tangent)
    if not _traced((wrt, tangent)):
        return Function(functools.partial(_pushed, y), f"{called(y)}_jvp")(tuple(wrt), tuple(tangent))
    return _pushed(y, wrt, tangent)


def remat(f: Python) -> Function:
    """f, whose inner values reverse mode computes again rather than keeps."""

    def again(*args: Any) -> Any:
        graph = _graph(args)
        made = region_of(graph, "remat", (), lambda: f(*args))
        results = graph.record("Remat", made.inputs, lambda: Remat(made.block).results)
        return made.returned(results)

    return like(f, again, "remat")


def custom_derivative(f: Python, derivative: Python | None = None) -> Function:
    """f with a reverse derivative by hand; also a decorator.

    f gives its results and a function from their cotangents to one cotangent for each float among the arguments, in order, or None for 0;
    that function sees arguments and inner values, and is linear in the cotangents.  With `derivative`, f gives only its
    results, and `derivative(*arguments, *cotangents)` the cotangents.  Forward mode is the transpose of that derivative.
    """

    def by_hand(*args: Any) -> Any:
        graph = _graph(args)
        given: Any = f(*args)
        if derivative is not None:
            given = (given, functools.partial(derivative, *args))
        if not (isinstance(given, tuple) and len(cast("tuple[Any, ...]", given)) == 2 and callable(cast(Any, given)[1])):
            raise _wrong(f"{called(f)} gives its results and the function of its derivative: `return y, derivative`")
        results, backward = cast("tuple[Any, Python]", given)
        formals = [graph.as_tensor(x) for x in leaves(args) if isinstance(x, Tensor) or hasattr(x, "dtype")]
        primals = [graph.as_tensor(x) for x in leaves(results)]
        wanted = [x for x in formals if x.dtype.ir.is_float]
        cotangents = tuple(Value(x.value.type, None, f"d.{x.value.hint}" if x.value.hint else "") for x in primals)

        def parts(*ds: Any) -> list[Any]:
            found = _listed(backward(*ds))
            if len(found) != len(wanted):
                of = counted(len(wanted), "argument")
                raise _wrong(f"the derivative of {called(f)} gives {counted(len(found), 'value')} for {of} of floats")
            return [_zero(graph, x) if d is None else graph.as_tensor(d) for d, x in zip(found, wanted, strict=True)]

        block = region_of(graph, "derivative", cotangents, parts)
        values, by = (tuple(map(graph.value_of, xs)) for xs in (primals, formals))
        made = graph.record("Custom", (*primals, *formals, *block.inputs), lambda: Custom(values, by, block.block).results)
        following = iter(made)
        return mapped(results, lambda _: next(following))

    return like(f, by_hand, "custom_derivative")


def like(f: Python, python: Callable[..., Any], what: str, inputs: int | Sequence[int] = ()) -> Function:
    """The compiled function with the parameters of f, all passed by position; numbers for those at `inputs` are no fixed values."""
    inner = _function(f)
    names = list(inner.signature.parameters)
    numbers = (inputs,) if isinstance(inputs, int) else inputs

    def bound_to(*args: Any, **keyword: Any) -> Any:
        bound = inner.signature.bind(*args, **keyword)
        bound.apply_defaults()
        return python(*bound.args)

    functools.update_wrapper(bound_to, inner.python, updated=())
    bound_to.__signature__ = inner.signature  # type: ignore[attr-defined]
    made = Function(bound_to, f"{inner.name}_{what}", [names[n] for n in numbers if -len(names) <= n < len(names)])
    made.location = inner.location
    return made


def _function(f: Python) -> Function:
    return f if isinstance(f, Function) else Function(f)


def called(f: Any) -> str:
    """The name of a function in messages."""
    return getattr(f, "__name__", None) or getattr(getattr(f, "func", f), "__name__", "f")


def _argument(f: Python, args: Sequence[Any], n: int) -> Any:
    """The argument that a derivative is by, whose leaves are floats; raises `CompileError` where it is none."""
    if not -len(args) <= n < len(args):
        raise _wrong(f"{called(f)} has {counted(len(args), 'argument')}, none is number {n}")
    for x in leaves(args[n]):
        if not isinstance(x, Tensor) or not x.dtype.ir.is_float:
            given = x.value.type if isinstance(x, Tensor) else f"{x!r:.60}"
            raise _wrong(f"derivatives are by floats, and argument {n} of {called(f)} is {given}", "choose others with argnums=")
    return args[n]


def _transposed(value: Any, arguments: tuple[Any, ...], cotangents: Any) -> Any:
    if layout(cotangents) != layout(value):
        raise _wrong("cotangents are structured as what the function gives")
    wrt = [x for x in leaves(arguments) if _is_float(x)]
    found = iter(vjp_of_tensors(list(leaves(value)), wrt, list(leaves(cotangents))))
    return mapped(arguments, lambda x: next(found) if _is_float(x) else None)


def _pulled(f: Python, arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    """The function from cotangents that are arrays."""

    def pulled(arguments: Any, cotangents: Any) -> Any:
        (d,) = cotangents
        return _transposed(f(*arguments), arguments, d)

    inner = Function(pulled, f"{called(f)}_vjp")
    return lambda cotangents: inner(arguments, (cotangents,))


def _pushed(f: Python, arguments: Any, tangents: Any) -> tuple[Any, Any]:
    value = f(*arguments)
    wrt, along = list(leaves(arguments)), list(leaves(tangents))
    found = iter(jvp_of_tensors(list(leaves(value)), wrt, along))
    return value, mapped(value, lambda _: next(found))


def _is_float(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dtype.ir.is_float


def _traced(given: Any) -> bool:
    return any(isinstance(x, Tensor) for x in leaves(given))


def _graph(given: Any) -> Graph:
    return next((x.graph for x in leaves(given) if isinstance(x, Tensor)), None) or get_default_graph()


def _zero(graph: Graph, x: Tensor) -> Tensor:
    return derived(graph, "Zeros", (x,), lambda: (zero(graph.value_of(x)),))[0]


def _listed(given: Any) -> list[Any]:
    return list(cast("Sequence[Any]", given)) if isinstance(given, list | tuple) else [given]


def _wrong(message: str, help: str = "") -> CompileError:
    return CompileError((Diagnostic(message, python_location(), help=help),))
