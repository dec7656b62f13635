"""Random tensors under the names of TensorFlow's first edition: other numbers in each run of a session, which seeds make repeatable.

The seed of a tensor is that of the graph or a fixed one, moved on by its own, or by its place in the graph,
and by the number of the session's run, which each run is fed.
"""

from __future__ import annotations

import math
from typing import Any

from flowc.graph.graph import RUN, Graph, get_default_graph
from flowc.graph.tensor import Tensor
from flowc.graph.types import element_type
from flowc.ir.core import Value
from flowc.ir.types import DType, Type

APART = 1 << 20  # seeds between one tensor and the next
WITHIN_TWO = math.erf(math.sqrt(2))  # the probability of a normal number within two standard deviations
ERFINV = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
RUNS = 1 << 40  # and between one run and the next: a seed is a 64-bit key


def set_random_seed(seed: int) -> None:
    """The seed of the default graph, which its random tensors begin from."""
    get_default_graph().seed = seed


def run_seed(graph: Graph, seed: int | None) -> Tensor:
    """The seed of a random tensor, another in each run of a session."""
    own = (len(graph.operations) + 1) * APART if seed is None else seed
    return run_number(graph) * RUNS + (graph.seed + own)


def run_number(graph: Graph) -> Tensor:
    """How many runs of the session needed it before this one; it is 0 in compiled functions."""
    if graph.outermost is not None:
        return graph.as_tensor(0, "i64")
    known = next((o for o in graph.operations if o.type == RUN), None)
    if known is not None:
        return known.outputs[0]
    regions, graph.regions = graph.regions, []  # it belongs to no branch
    try:
        return graph.enter(RUN, (), RUN, (), (Value(Type(DType.i64), None, "run"),)).outputs[0]
    finally:
        graph.regions = regions


def random_uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "f32", seed: int | None = None, name: str | None = None
) -> Tensor:
    """Uniform in [minval, maxval), [0, 1) where that is left out; integers too."""
    graph, type = get_default_graph(), element_type(dtype)
    own = run_seed(graph, seed)
    if type.ir.is_integer:
        if maxval is None:
            raise graph.wrong("random_uniform of integers needs maxval")
        return graph.call("randint", (type, shape, minval, maxval), {"seed": own}, name)
    return graph.call("uniform", (type, shape), {"seed": own, "low": minval, "high": 1 if maxval is None else maxval}, name)


def random_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "f32", seed: int | None = None, name: str | None = None
) -> Tensor:
    """Normal with that mean and standard deviation."""
    graph = get_default_graph()
    return graph.call("normal", (element_type(dtype), shape), {"seed": run_seed(graph, seed), "mean": mean, "std": stddev}, name)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "f32", seed: int | None = None, name: str | None = None
) -> Tensor:
    """Normal within two standard deviations of the mean: mean + stddev * sqrt(2) * erfinv(u), u uniform in [-erf(sqrt(2)), erf(sqrt(2))).

    erfinv to seven digits: the central polynomial of Giles, Approximating the erfinv function (2012).
    """
    graph, type = get_default_graph(), element_type(dtype)
    u = graph.call("uniform", (type, shape), {"seed": run_seed(graph, seed), "low": -WITHIN_TWO, "high": WITHIN_TWO})
    w = -graph.call("log", ((1.0 - u) * (1.0 + u),), {}) - 2.5
    p = w * ERFINV[0] + ERFINV[1]
    for c in ERFINV[2:]:
        p = p * w + c
    return graph.call("add", (mean, (stddev * math.sqrt(2)) * (p * u)), {}, name)


def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The rows in another order."""
    graph = get_default_graph()
    x = graph.as_tensor(value)
    order = graph.call("permutation", (x.shape[0],), {"seed": run_seed(graph, seed)})
    return graph.call("take", (x, order), {"axis": 0}, name)
