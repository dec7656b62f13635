"""Bounds for gradients: of each element, of a tensor, of many tensors together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowc.graph.graph import get_default_graph, tensors
from flowc.graph.tensor import Tensor


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """Each element in [clip_value_min, clip_value_max]; NaN stays."""
    return _call(t, "clip", t, clip_value_min, clip_value_max, name=name)


def clip_by_norm(t: Any, clip_norm: float, axes: Any = None, name: str | None = None) -> Tensor:
    """t * clip_norm / max(norm, clip_norm), with the norm over `axes`, all where left out."""
    squares = _call(t, "sum", _call(t, "square", t), axis=axes, keepdims=axes is not None)
    norm = _call(t, "sqrt", squares)
    return _call(t, "multiply", t, clip_norm / _call(t, "maximum", norm, clip_norm), name=name)


def global_norm(t_list: Sequence[Any], name: str | None = None) -> Tensor:
    """sqrt(sum of all squares of all tensors), those that are None left out."""
    given = [t for t in t_list if t is not None]
    total = None
    for t in given:
        squares = _call(t, "sum", _call(t, "square", t))
        total = squares if total is None else total + squares
    if total is None:
        raise get_default_graph().wrong("the norm is of one tensor at least")
    return _call(total, "sqrt", total, name=name)


def clip_by_global_norm(
    t_list: Sequence[Any], clip_norm: float, use_norm: Tensor | None = None, name: str | None = None
) -> tuple[list[Any], Tensor]:
    """The tensors times clip_norm / max(norm, clip_norm), and the norm: that of all together, or `use_norm` (Pascanu et al. 2013).

    None stays None.
    """
    norm = global_norm(t_list, name) if use_norm is None else use_norm
    scale = clip_norm / _call(norm, "maximum", norm, clip_norm)
    return [None if t is None else t * scale.astype(t.dtype) for t in t_list], norm


def _call(near: Any, built_in: str, *positional: Any, name: str | None = None, **keyword: Any) -> Any:
    graph = next((x.graph for x in tensors(near)), None) or get_default_graph()
    return graph.call(built_in, positional, keyword, name)
