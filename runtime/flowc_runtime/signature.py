"""What a compiled graph takes and gives, as its library describes it in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowc_runtime.dtypes import spelled
from flowc_runtime.sizes import Expression, expression


@dataclass(frozen=True)
class Size:
    """A named size and its inclusive range."""

    name: str
    low: int
    high: int | None

    @property
    def range(self) -> str:
        return f"{self.low}..{'' if self.high is None else self.high}"


@dataclass(frozen=True)
class Port:
    """An input or a result: its name, element type and shape."""

    name: str
    dtype: str
    shape: tuple[Expression, ...]

    def __str__(self) -> str:
        return spelled(self.dtype, self.shape)


@dataclass(frozen=True)
class Read:
    """Where a size is read off: that axis of that input is `times * size + plus`."""

    size: str
    input: str
    axis: int
    times: int
    plus: Expression


@dataclass(frozen=True)
class Found:
    """A size that only the run knows, in the shape of an output, and its bound."""

    size: str
    output: int
    bound: Expression


@dataclass(frozen=True)
class Signature:
    """A graph; `symbol` is its C function, `reads` are in the order in which they can be evaluated."""

    name: str
    symbol: str
    sizes: tuple[Size, ...]
    reads: tuple[Read, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    found: tuple[Found, ...] = ()
    stateful: bool = False
    weights: bool = False  # whether the caller passes them


@dataclass(frozen=True)
class StatePort:
    """A param (trainable) or a state: its type, where it lies in the state of the model, whether the model says its first value."""

    port: Port
    offset: int
    trainable: bool
    initialised: bool


@dataclass(frozen=True)
class Description:
    """A library: its prefix, graphs, what is kept between runs, and the places in the source that errors name.

    weights: the bytes of the block that its caller passes, 0 where there is none; init_weights: whether the first state needs it.
    """

    prefix: str
    graphs: tuple[Signature, ...]
    state: tuple[StatePort, ...]
    sites: tuple[str, ...]
    weights: int
    init_weights: bool


FORMAT = 4  # of the description, and of the table that a native call reads


def described(given: Mapping[str, Any]) -> Description:
    """The description a library carries; raises ValueError for a format of another version."""
    if given.get("flowc") != FORMAT:
        raise ValueError(f"the library's description has format {given.get('flowc')!r}, this flowc_runtime reads format {FORMAT}")
    graphs = tuple(signature(graph) for graph in given["graphs"])
    state = tuple(StatePort(_port(entry), entry["offset"], entry["trainable"], entry["initialised"]) for entry in given["state"])
    return Description(given["prefix"], graphs, state, tuple(given["sites"]), given["weights"], given["init_weights"])


def signature(given: Mapping[str, Any]) -> Signature:
    """A graph's part of a description."""
    return Signature(
        given["name"],
        given["symbol"],
        tuple(Size(size["name"], size["low"], size["high"]) for size in given["sizes"]),
        tuple(Read(r["size"], r["input"], r["axis"], r["times"], expression(r["plus"])) for r in given["reads"]),
        tuple(map(_port, given["inputs"])),
        tuple(map(_port, given["outputs"])),
        tuple(Found(f["size"], f["output"], expression(f["bound"])) for f in given["found"]),
        given["stateful"],
        given["weights"],
    )


def _port(given: Mapping[str, Any]) -> Port:
    return Port(given["name"], given["dtype"], tuple(map(expression, given["shape"])))
