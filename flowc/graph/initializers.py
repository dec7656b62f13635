"""First values of variables, by shape and dtype, as `get_variable` takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowc.graph.graph import get_default_graph
from flowc.graph.random import random_normal, random_uniform, run_seed, truncated_normal
from flowc.graph.sources import constant
from flowc.graph.tensor import Tensor
from flowc.graph.types import element_type

Initializer = Callable[[Any, Any], Tensor]  # from a shape and a dtype


def zeros_initializer(dtype: Any = "f32") -> Initializer:
    return constant_initializer(0)


def ones_initializer(dtype: Any = "f32") -> Initializer:
    return constant_initializer(1)


def constant_initializer(value: Any = 0, dtype: Any = "f32") -> Initializer:
    """A number in every place, or an array of the shape."""

    def first(shape: Any, dtype: Any) -> Tensor:
        return constant(value, dtype, shape)

    return first


def random_uniform_initializer(minval: float = -0.05, maxval: float = 0.05, seed: int | None = None, dtype: Any = "f32") -> Initializer:
    def first(shape: Any, dtype: Any) -> Tensor:
        return random_uniform(shape, minval, maxval, dtype, seed)

    return first


def random_normal_initializer(mean: float = 0.0, stddev: float = 0.05, seed: int | None = None, dtype: Any = "f32") -> Initializer:
    def first(shape: Any, dtype: Any) -> Tensor:
        return random_normal(shape, mean, stddev, dtype, seed)

    return first


def truncated_normal_initializer(mean: float = 0.0, stddev: float = 0.05, seed: int | None = None, dtype: Any = "f32") -> Initializer:
    def first(shape: Any, dtype: Any) -> Tensor:
        return truncated_normal(shape, mean, stddev, dtype, seed)

    return first


def glorot_uniform_initializer(seed: int | None = None, dtype: Any = "f32") -> Initializer:
    """Uniform in [-a, a), a = sqrt(6 / (fan in + fan out)) (Glorot & Bengio 2010); of a vector or a scalar both fans are its size."""

    def first(shape: Any, dtype: Any) -> Tensor:
        graph = get_default_graph()
        if len(shape) < 2:
            a = (3 / max(shape[0] if shape else 1, 1)) ** 0.5
            return random_uniform(shape, -a, a, dtype, seed)
        return graph.call("glorot_uniform", (element_type(dtype), shape), {"seed": run_seed(graph, seed)})

    return first
