"""`nn`, under the names and with the formals of TensorFlow's first edition; every other name is the built-in of that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowc.errors import CompileError, Diagnostic
from flowc.graph.built_ins import functions
from flowc.graph.graph import Graph, get_default_graph, tensors
from flowc.graph.random import run_seed
from flowc.graph.tensor import Tensor
from flowc.source import python_location


def __getattr__(name: str) -> Callable[..., Any]:
    """The built-in; raises `AttributeError` where there is none."""
    if name in functions():
        return functions()[name]
    raise AttributeError(f"flowc.nn has no {name}")


def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """value + bias along the channels: the last axis, or axis 1 with "NCHW"."""
    graph = _graph(value, bias)
    b = graph.as_tensor(bias)
    if data_format is not None and data_format.startswith("NC"):
        b = b.reshape([*b.shape, *(1,) * (graph.as_tensor(value).ndim - 2)])
    return graph.call("add", (value, b), {}, name)


def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """x @ weights + biases"""
    return _graph(x, weights).call("linear", (x, weights, biases), {}, name)


def embedding_lookup(params: Any, ids: Any, name: str | None = None) -> Tensor:
    """The rows of `params` at `ids`; an id out of range ends the run."""
    return _graph(params, ids).call("embedding", (ids, params), {}, name)


def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """sum(t^2) / 2"""
    return _graph(t).call("multiply", (_graph(t).call("sum", (_square(t),), {}), 0.5), {}, name)


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None) -> Tensor:
    """x / sqrt(max(sum(x^2), epsilon)) over `axis`, all where left out."""
    graph = _graph(x)
    squares = graph.call("sum", (_square(x),), {"axis": axis if axis is not None else dim, "keepdims": True})
    return graph.call("multiply", (x, graph.call("rsqrt", (graph.call("maximum", (squares, epsilon), {}),), {})), {}, name)


def moments(x: Any, axes: Any, keep_dims: bool = False, keepdims: bool = False, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The mean and the variance over `axes`."""
    graph, kept = _graph(x), keepdims or keep_dims
    return tuple(graph.call(what, (x,), {"axis": axes, "keepdims": kept}, name) for what in ("mean", "var"))  # type: ignore[return-value]


def softmax_cross_entropy_with_logits(
    _sentinel: None = None, labels: Any = None, logits: Any = None, dim: int = -1, axis: int | None = None, name: str | None = None
) -> Tensor:
    """-sum(labels * log_softmax(logits)) along an axis, for labels that are probabilities; one value per example."""
    _named(_sentinel, labels, logits)
    graph = _graph(labels, logits)
    return graph.call("cross_entropy", (logits, labels), {"axis": dim if axis is None else axis}, name)


softmax_cross_entropy_with_logits_v2 = softmax_cross_entropy_with_logits


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: None = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """-log_softmax(logits) at the label along the last axis, for integer labels; one value per example."""
    _named(_sentinel, labels, logits)
    return _graph(labels, logits).call("cross_entropy", (logits, labels), {}, name)


def sigmoid_cross_entropy_with_logits(_sentinel: None = None, labels: Any = None, logits: Any = None, name: str | None = None) -> Tensor:
    """max(x, 0) - x * labels + log(1 + e^-|x|), element by element, x the logits."""
    _named(_sentinel, labels, logits)
    graph = _graph(labels, logits)
    x = graph.as_tensor(logits)
    small = graph.call("log", (1.0 + graph.call("exp", (-abs(x),), {}),), {})
    return graph.call("add", (graph.call("relu", (x,), {}) - x * labels, small), {}, name)


def dropout(
    x: Any, keep_prob: Any = None, noise_shape: Any = None, seed: int | None = None, name: str | None = None, rate: float | None = None
) -> Tensor:
    """x / keep where a uniform number is below `keep`, else 0; other numbers in each run of a session, the same for the same `seed`."""
    graph = _graph(x)
    if noise_shape is not None:
        raise graph.wrong("a dropout that several elements share, noise_shape, is not there yet")
    keep = keep_prob if keep_prob is not None else 1.0 - (rate or 0.0)
    value = graph.as_tensor(x)
    uniform = graph.call("uniform", ("f32", value.shape), {"seed": run_seed(graph, seed)})
    kept = graph.as_tensor(keep, "f32") if not isinstance(keep, Tensor) else keep.astype("f32")
    scaled = value / kept.astype(value.dtype)
    return graph.call("where", (uniform < kept, scaled, 0.0), {}, name)


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = 1,
    padding: Any = "VALID",
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """The convolution of input [N, H, W, C], or [N, C, H, W] with "NCHW", with a filter [height, width, in, out]."""
    graph = _graph(input, filter, filters)
    weights = graph.as_tensor(filter if filter is not None else filters).transpose([3, 2, 0, 1])
    options = {
        "strides": _spatial(strides, data_format), "pads": _pads(padding), "dilations": _spatial(dilations, data_format),
        "layout": data_format,
    }  # fmt: skip
    return graph.call("conv2d", (input, weights), options, name)


def max_pool(value: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC", name: str | None = None) -> Tensor:
    """The largest element of each window; the border of "SAME" is never one."""
    return _pooled("max_pool2d", value, ksize, strides, padding, data_format, name)


def avg_pool(value: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC", name: str | None = None) -> Tensor:
    """The mean of each window's elements, without the border of "SAME"."""
    return _pooled("avg_pool2d", value, ksize, strides, padding, data_format, name)


def _pooled(built_in: str, value: Any, ksize: Any, strides: Any, padding: Any, data_format: str, name: str | None) -> Tensor:
    graph = _graph(value)
    last = data_format == "NHWC"
    x = graph.as_tensor(value).transpose([0, 3, 1, 2]) if last else value
    options = {"strides": _spatial(strides, data_format), "pads": _pads(padding)}
    found = graph.call(built_in, (x, _spatial(ksize, data_format)), options, None if last else name)
    return graph.call("transpose", (found, [0, 2, 3, 1]), {}, name) if last else found


def _spatial(given: Any, data_format: str) -> Any:
    """The two entries of the height and the width."""
    if isinstance(given, int) or len(given) != 4:
        return given
    return list(given[1:3]) if data_format == "NHWC" else list(given[2:4])


def _pads(padding: Any) -> Any:
    return padding.lower() if isinstance(padding, str) else padding


def _square(x: Any) -> Tensor:
    return _graph(x).call("square", (x,), {})


def _graph(*given: Any) -> Graph:
    return next((x.graph for x in tensors(list(given))), None) or get_default_graph()


def _named(sentinel: Any, labels: Any, logits: Any) -> None:
    """Refuses arguments without a name, of which nobody remembers which comes first."""
    if sentinel is not None or labels is None or logits is None:
        message = "labels and logits are passed by name"
        raise CompileError((Diagnostic(message, python_location(), help="write labels=..., logits=..."),))
