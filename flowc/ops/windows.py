"""Windows that move along axes: where they stand, what border they need; for convolutions and pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowc.errors import OpError, counted
from flowc.ir.dims import Dim, at_least, ceil, floor, least, show
from flowc.ir.types import Type
from flowc.ops.slicing import greatest

Place = tuple[tuple[Dim, ...], tuple[Dim, ...]]  # an index, and what must not be negative for it to be one
Taps = Callable[..., Place]


def each(given: int | tuple[int, ...], axes: int, what: str, op: str) -> tuple[int, ...]:
    """A positive number for each of the axes a window moves along; raises `OpError`, which names `what` of `op`."""
    found = (given,) * axes if isinstance(given, int) else given
    if len(found) != axes:
        raise OpError(f"{what} of {op} are {counted(axes, 'number')}, one for each axis, not {len(found)}")
    for n in found:
        if n < 1:
            raise OpError(f"{what} of {op} are 1 or more, not {n}")
    return found


def borders(
    given: Dim | tuple[Dim, ...] | str, extents: Sequence[Dim], reach: Sequence[Dim], strides: Sequence[int], op: str
) -> tuple[Dim, ...]:
    """The sizes of the border, before each axis and then after each, of what `pads` says beside windows that reach so far."""
    axes = len(extents)
    match given:
        case "valid":
            return (0,) * (2 * axes)
        case "same":
            pairs = zip(extents, reach, strides, strict=True)
            whole = [greatest((ceil(n, step) - 1) * step + far - n, 0) for n, far, step in pairs]
            return (*(floor(d, 2) for d in whole), *(d - floor(d, 2) for d in whole))
        case str():
            raise OpError(f'pads of {op} is "same" or "valid" where it is a text, not "{given}"')
        case tuple():
            if len(given) not in (axes, 2 * axes):
                numbers = f"{counted(axes, 'size')}, or {2 * axes}: those before each axis, then those after"
                raise OpError(f"pads of {op} are {numbers}, not {len(given)}")
            found = given if len(given) == 2 * axes else given * 2
        case _:
            found = (given,) * (2 * axes)
    for d in found:
        if at_least(-d, 1):
            raise OpError(f"pads of {op} are not negative, and one is {show(d)}", help="a slice takes elements away")
    return found


def reached(size: Dim, dilation: int) -> Dim:
    """How many elements a window spans."""
    return (size - 1) * dilation + 1


def places(n: Dim, reach: Dim, stride: int, before: Dim, after: Dim, ceiling: bool = False) -> Dim:
    """How many windows there are along an axis of `n`: those that lie within it and its border.

    `ceiling` adds one that leaves it at the end, where that begins before the border there.
    """
    rest = n + before + after - reach
    if not ceiling:
        return floor(rest, stride) + 1
    return least(ceil(rest, stride) + 1, ceil(n + before, stride))


def check_fits(op: str, x: Type, axes: Sequence[int], reach: Sequence[Dim], before: Sequence[Dim], after: Sequence[Dim]) -> None:
    """Raises `OpError` where a window is provably longer than its axis with the border."""
    for a, far, b, e in zip(axes, reach, before, after, strict=True):
        n = x.shape[a]
        if at_least(far - n - b - e, 1):
            beside = f", {show(n + b + e)} with pads" if (b, e) != (0, 0) else ""
            raise OpError(f"a window of {op} spans {show(far)}, and axis {a} of {x} has {show(n)}{beside}")


def tap(i: Dim, u: Dim, n: Dim, stride: int, dilation: int, before: Dim) -> tuple[Dim, tuple[Dim, ...]]:
    """Where element `u` of window `i` lies along an axis of `n`, and what must not be negative where that may be in the border."""
    at = i * stride + u * dilation - before
    return at, tuple(d for d in (at, n - 1 - at) if not at_least(d, 0))


def reader(p: Dim, u: Dim, windows: Dim, size: int, stride: int, dilation: int, before: Dim) -> tuple[Dim, tuple[Dim, ...]]:
    """The `u`-th of `readers` windows that may hold the element at `p`, and what must not be negative where that one does."""
    if dilation == 1:
        i = floor(p + before, stride) - u
        offset = p + before - i * stride
        return i, tuple(d for d in (i, windows - 1 - i, size - 1 - offset) if not at_least(d, 0))
    begin = p + before - u * dilation
    i = floor(begin, stride)
    return i, tuple(d for d in (i, windows - 1 - i, i * stride - begin) if not at_least(d, 0))


def readers(size: int, stride: int, dilation: int) -> int:
    """In how many windows an element can be, and with a dilation may have to be looked for."""
    return -(-size // stride) if dilation == 1 else size
