"""Learning rates that depend on the number of steps done.

Each gives an f32 scalar from `global_step`, a variable or any integer scalar.  `Adam(lambda step: cosine_decay(0.1, step, 1000))` counts by
itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flowc.graph.graph import Graph, get_default_graph
from flowc.graph.tensor import Tensor


def exponential_decay(learning_rate: Any, global_step: Any, decay_steps: float, decay_rate: float, staircase: bool = False) -> Tensor:
    """learning_rate * decay_rate ^ (step / decay_steps); with `staircase` the quotient is rounded down."""
    return learning_rate * decay_rate ** _fraction(global_step, decay_steps, staircase)


def natural_exp_decay(learning_rate: Any, global_step: Any, decay_steps: float, decay_rate: float, staircase: bool = False) -> Tensor:
    """learning_rate * e ^ (-decay_rate * step / decay_steps); with `staircase` the quotient is rounded down."""
    p = _fraction(global_step, decay_steps, staircase)
    return learning_rate * _call(p, "exp", -decay_rate * p)


def inverse_time_decay(learning_rate: Any, global_step: Any, decay_steps: float, decay_rate: float, staircase: bool = False) -> Tensor:
    """learning_rate / (1 + decay_rate * step / decay_steps); with `staircase` the quotient is rounded down."""
    return learning_rate / (1.0 + decay_rate * _fraction(global_step, decay_steps, staircase))


def polynomial_decay(
    learning_rate: Any, global_step: Any, decay_steps: float, end_learning_rate: float = 0.0001, power: float = 1.0, cycle: bool = False
) -> Tensor:
    """(learning_rate - end) * (1 - step / decay_steps) ^ power + end; after decay_steps the end.

    With `cycle`, decay_steps is the next multiple of it that is not below the step.
    """
    p = _fraction(global_step, decay_steps)
    if cycle:
        p = p / _call(p, "maximum", _call(p, "ceil", p), 1.0)
    left = 1.0 - _call(p, "minimum", p, 1.0)
    return (learning_rate - end_learning_rate) * left**power + end_learning_rate


def cosine_decay(learning_rate: Any, global_step: Any, decay_steps: float, alpha: float = 0.0) -> Tensor:
    """learning_rate * ((1 - alpha) * (1 + cos(pi * p)) / 2 + alpha), p = min(step / decay_steps, 1) (Loshchilov & Hutter 2017)."""
    p = _fraction(global_step, decay_steps)
    p = _call(p, "minimum", p, 1.0)
    return learning_rate * ((1.0 - alpha) * (0.5 * (1.0 + _call(p, "cos", math.pi * p))) + alpha)


def piecewise_constant(x: Any, boundaries: Sequence[float], values: Sequence[float]) -> Tensor:
    """values[0] while x <= boundaries[0], values[1] while x <= boundaries[1], and so on, at last values[-1]."""
    step, graph = _step(x)
    if len(values) != len(boundaries) + 1:
        raise graph.wrong(f"{len(boundaries)} boundaries lie between {len(boundaries) + 1} values, not {len(values)}")
    if list(boundaries) != sorted(boundaries):
        raise graph.wrong(f"boundaries are in increasing order, which {list(boundaries)} is not")
    found = graph.as_tensor(float(values[-1]), "f32")
    for bound, value in reversed(list(zip(boundaries, values, strict=False))):
        found = graph.call("where", (step <= bound, float(value), found), {})
    return found


def linear_warmup(learning_rate: Any, global_step: Any, warmup_steps: float) -> Tensor:
    """learning_rate * min((step + 1) / warmup_steps, 1), where `learning_rate` may be another schedule (Goyal et al. 2017)."""
    p = (_step(global_step)[0].astype("f32") + 1.0) / float(warmup_steps)
    return learning_rate * _call(p, "minimum", p, 1.0)


def _fraction(global_step: Any, decay_steps: float, staircase: bool = False) -> Tensor:
    """step / decay_steps in f32."""
    p = _step(global_step)[0].astype("f32") / float(decay_steps)
    return _call(p, "floor", p) if staircase else p


def _step(x: Any) -> tuple[Tensor, Graph]:
    graph = x.graph if isinstance(x, Tensor) else get_default_graph()
    return graph.as_tensor(x), graph


def _call(near: Tensor, built_in: str, *positional: Any) -> Tensor:
    return near.graph.call(built_in, positional, {})
