"""Every built-in as a Python function, under its name and under those of TensorFlow's first edition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from flowc.graph.graph import get_default_graph, tensors
from flowc.graph.sources import cast
from flowc.graph.tensor import Tensor
from flowc.ops.call import built_ins, parameters
from flowc.ops.reference import reference

# Names of TensorFlow's first edition that a built-in has beside its own.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "arg_max": "argmax", "arg_min": "argmin", "batch_matmul": "matmul", "concat_v2": "concat", "div": "divide",
        "expand_dims": "unsqueeze", "fill": "full", "floordiv": "floor_divide", "floormod": "remainder",
        "gather": "take", "invert": "bitwise_not", "is_finite": "isfinite", "is_inf": "isinf", "is_nan": "isnan",
        "mod": "remainder", "mul": "multiply", "neg": "negative", "pack": "stack", "range": "arange",
        "realdiv": "divide", "reduce_all": "all", "reduce_any": "any", "reduce_logsumexp": "logsumexp",
        "reduce_max": "max", "reduce_mean": "mean", "reduce_min": "min", "reduce_prod": "prod", "reduce_sum": "sum",
        "reverse": "flip", "select": "where", "sub": "subtract", "truediv": "divide",
    }
)  # fmt: skip
# And formals, which hold where the built-in has the second name and not the first.
FORMALS: Mapping[str, str] = MappingProxyType(
    {
        "a": "x", "b": "y", "concat_dim": "axis", "dim": "axis", "dimension": "axis", "dims": "shape", "features": "x", "indices": "ids",
        "input": "x", "input_tensor": "x", "keep_dims": "keepdims", "logits": "x", "multiples": "reps",
        "num_or_size_splits": "parts", "paddings": "pads", "params": "x", "reduction_indices": "axis", "squeeze_dims": "axis",
        "t": "x", "tensor": "x", "value": "x", "values": "tensors",
    }
)  # fmt: skip
CONVERSIONS: Mapping[str, str] = MappingProxyType(
    {
        "to_bfloat16": "bf16", "to_double": "f64", "to_float": "f32", "to_int32": "i32", "to_int64": "i64",
    }
)  # fmt: skip


@cache
def functions() -> Mapping[str, Callable[..., Any]]:
    """The functions by name, in order of name."""
    known = built_ins()
    found = {name: _function(name, name) for name in known}
    found |= {old: _function(old, name) for old, name in NAMES.items() if name in known and old not in known}
    found |= {name: _conversion(name, dtype) for name, dtype in CONVERSIONS.items()}
    return MappingProxyType(dict(sorted(found.items())))


def _function(called: str, built_in: str) -> Callable[..., Any]:
    def function(*positional: Any, name: str | None = None, **keyword: Any) -> Any:
        graph = next((x.graph for x in tensors([*positional, *keyword.values()])), None)
        return (graph or get_default_graph()).call(built_in, positional, {told(key): x for key, x in keyword.items()}, name)

    formals = {p.name for p in parameters(built_ins()[built_in])}

    def told(key: str) -> str:
        return key if key in formals else FORMALS[key] if FORMALS.get(key) in formals else key

    function.__name__ = function.__qualname__ = called
    function.__doc__ = reference(built_ins()[built_in])
    return function


def _conversion(called: str, dtype: str) -> Callable[..., Any]:
    def function(x: Any, name: str | None = None) -> Tensor:
        return cast(x, dtype, name)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"x as {dtype}."
    return function
