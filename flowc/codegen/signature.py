"""What a compiled graph takes and gives: the C function's parameters in their order, and their description for callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowc.ir.dims import Dim, Size, atoms, dim, linear, show, substitute
from flowc.ir.types import DType, Type


@dataclass(frozen=True)
class Port:
    """An input or a result."""

    name: str
    dtype: DType
    shape: tuple[Dim, ...]

    def __str__(self) -> str:
        return f"{self.name}: {Type(self.dtype, self.shape)}"


@dataclass(frozen=True)
class Found:
    """A size that only the run knows, spoken of by the shape of output number `output`; never above `bound`."""

    size: Size
    output: int
    bound: Dim


@dataclass(frozen=True)
class Signature:
    """`int symbol([state,] sizes..., inputs..., outputs..., [weights,] workspace, context)`.

    Inputs of rank 0 are passed by value; after an output stand pointers to the sizes found for it.  `work` is about how many
    element operations a run takes, None where it is not known.
    """

    name: str
    symbol: str
    sizes: tuple[Size, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    found: tuple[Found, ...] = ()
    stateful: bool = False
    weights: bool = False
    work: Dim | None = None


@dataclass(frozen=True)
class Read:
    """Where a size is read off: that axis of that input is `times * size + plus`."""

    size: Size
    input: int
    axis: int
    times: int
    plus: Dim


def reads(signature: Signature) -> tuple[Read, ...]:
    """How each size follows from the inputs' shapes and the sizes before it; raises ValueError where one does not."""
    known: dict[Size, Read] = {}
    axes = [(n, axis, d) for n, port in enumerate(signature.inputs) for axis, d in enumerate(port.shape)]
    axes.sort(key=lambda place: not any(place[2] == dim(size) for size in signature.sizes))
    while len(known) < len(signature.sizes):
        found = next((read for n, axis, d in axes if (read := _read(n, axis, d, known))), None)
        if found is None:
            missing = ", ".join(size.name for size in signature.sizes if size not in known)
            given = ", ".join(map(str, signature.inputs)) or "there are none"
            raise ValueError(f"{signature.name}: the shapes of the inputs do not give {missing}: {given}")
        known[found.size] = found
    return tuple(known.values())


def _read(input: int, axis: int, d: Dim, known: dict[Size, Read]) -> Read | None:
    """The one size of this axis that is not known yet, if the axis is linear in it."""
    unknown = dict.fromkeys(atom for atom in atoms(d) if atom not in known)
    if len(unknown) != 1:
        return None
    (size,) = unknown
    times = linear(d, size)
    if not isinstance(times, int) or times <= 0:
        return None
    return Read(size, input, axis, times, substitute(d, {size: 0}))


def described(signature: Signature) -> dict[str, Any]:
    """The graph's entry in the description that a library carries and `flowc_runtime` reads."""
    inputs = signature.inputs
    return {
        "name": signature.name,
        "symbol": signature.symbol,
        "sizes": [{"name": size.name, "low": size.low, "high": size.high} for size in signature.sizes],
        "reads": [
            {"size": r.size.name, "input": inputs[r.input].name, "axis": r.axis, "times": r.times, "plus": show(r.plus)}
            for r in reads(signature)
        ],
        "inputs": _ports(inputs),
        "outputs": _ports(signature.outputs),
        "found": [{"size": f.size.name, "output": f.output, "bound": show(f.bound)} for f in signature.found],
        "stateful": signature.stateful,
        "weights": signature.weights,
    }


def _ports(ports: Sequence[Port]) -> list[dict[str, Any]]:
    return [{"name": port.name, "dtype": port.dtype.value, "shape": [*map(show, port.shape)]} for port in ports]
