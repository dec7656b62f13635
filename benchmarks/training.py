"""Training steps: flowc and its peers from the same weights on the same batch, their losses compared before they are timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

import flowc as fc
from benchmarks.timing import alone, interleaved, spread
from benchmarks.workloads import Row, random

Step = Callable[[], float]
RATE, MOMENTUM = 0.05, 0.9

MLP = """
param w1: f32[784, 512] = he_normal(seed=1)
param b1: f32[512] = zeros()
param w2: f32[512, 512] = he_normal(seed=2)
param b2: f32[512] = zeros()
param w3: f32[512, 10] = he_normal(seed=3)
param b3: f32[10] = zeros()
"""
MLP_LOSS = "x: f32[64, 784], y: i64[64]", "cross_entropy(relu(relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3, y)"
LSTM = """
param wx: f32[128, 1024] = glorot_uniform(seed=1)
param wh: f32[256, 1024] = glorot_uniform(seed=2)
param b: f32[1024] = zeros()
param wo: f32[256, 10] = glorot_uniform(seed=3)
param bo: f32[10] = zeros()

fn logits(x: f32[35, 64, 128]) -> f32[64, 10] {
  ys, h, c = lstm(x, zeros([64, 256]), zeros([64, 256]), wx, wh, b)
  return h @ wo + bo
}
"""
LSTM_LOSS = "x: f32[35, 64, 128], y: i64[64]", "cross_entropy(logits(x), y)"


def rows(torch: ModuleType | None, jax: ModuleType | None, threads: int) -> Iterator[Row]:
    """The steps with so many threads, each beside the faster of its peers."""
    labels = np.random.default_rng(1).integers(0, 10, 64)
    told = f"{threads} thread" + "s" * (threads > 1)
    for name, params, loss, x, wanted in (
        ("step of an MLP 784-512-512-10, batch 64", MLP, MLP_LOSS, random(64, 784), "at least 0.91x"),
        ("step of an LSTM 128-256, 35 steps, batch 64", LSTM, LSTM_LOSS, random(35, 64, 128), "at least 0.77x"),
    ):
        model = fc.loads(training(params, *loss), options=fc.Options(threads=threads, cache=False))
        first = {k: np.array(v) for k, v in model.params.items()}
        contenders: dict[str, Step] = {"flowc": lambda model=model, x=x: float(model.train(x, labels))}
        if torch is not None:
            contenders["torch"] = (torch_mlp if params is MLP else torch_lstm)(torch, first, x, labels)
        if jax is not None:
            contenders["jax"] = jax_step(jax, jax_mlp if params is MLP else jax_lstm, first, x, labels)
        for _ in range(3):
            losses = [run() for run in contenders.values()]
            np.testing.assert_allclose(losses, losses[0], rtol=1e-3)
        for run in contenders.values():
            spread(run)
        with alone():
            times = interleaved(contenders)
        peers = {k: v for k, v in times.items() if k != "flowc"}
        best = min(peers, key=peers.__getitem__, default="")
        others = "".join(f", {k} {v / times['flowc']:.2f}x" for k, v in peers.items() if k != best)
        yield Row(f"{name}, {told}", times["flowc"], peers.get(best, float("nan")), best or "no peer", wanted + others)


def training(params: str, inputs: str, loss: str) -> str:
    """A program with a step of momentum for every param."""
    names = [line.split()[1].rstrip(":") for line in params.splitlines() if line.startswith("param")]
    types = [line.partition(": ")[2].partition(" =")[0] for line in params.splitlines() if line.startswith("param")]
    states = [f"state v_{n}: {t} = zeros()" for n, t in zip(names, types, strict=True)]
    updates = [f"  n_{n} = {MOMENTUM} * v_{n} + g_{n}\n  v_{n} := n_{n}\n  {n} := {n} - {RATE} * n_{n}" for n in names]
    gradients = ", ".join(f"g_{n}" for n in names)
    head = f"graph train({inputs}) -> (loss: f32) {{\n  loss = mean({loss})\n  {gradients} = grad(loss, wrt=[{', '.join(names)}])"
    return "\n".join([params, *states, head, *updates, "}"])


def torch_mlp(torch: Any, first: Mapping[str, np.ndarray], x: np.ndarray, labels: np.ndarray) -> Step:
    relu = torch.nn.functional.relu

    def logits(p: dict[str, Any], x: Any) -> Any:
        return relu(relu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]) @ p["w3"] + p["b3"]

    return torch_step(torch, logits, first, x, labels)


def torch_lstm(torch: Any, first: Mapping[str, np.ndarray], x: np.ndarray, labels: np.ndarray) -> Step:
    layer = torch.nn.LSTM(128, 256)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(first["wx"].T))
        layer.weight_hh_l0.copy_(torch.from_numpy(first["wh"].T))
        layer.bias_ih_l0.zero_()
        layer.bias_hh_l0.zero_()
    layer.bias_hh_l0.requires_grad_(False)

    def logits(p: dict[str, Any], x: Any) -> Any:
        return layer(x)[0][-1] @ p["wo"] + p["bo"]

    own = {k: v for k, v in first.items() if k in ("wo", "bo")}
    return torch_step(torch, logits, own, x, labels, [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0])


def torch_step(torch: Any, logits: Any, first: Mapping[str, np.ndarray], x: np.ndarray, labels: np.ndarray, more: Any = ()) -> Step:
    params = {k: torch.tensor(v, requires_grad=True) for k, v in first.items()}
    optimiser = torch.optim.SGD([*params.values(), *more], lr=RATE, momentum=MOMENTUM)
    x, y = torch.from_numpy(x), torch.from_numpy(labels)

    def step() -> float:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits(params, x), y)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def jax_mlp(jax: Any, p: dict[str, Any], x: Any) -> Any:
    relu = jax.nn.relu
    return relu(relu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]) @ p["w3"] + p["b3"]


def jax_lstm(jax: Any, p: dict[str, Any], x: Any) -> Any:
    numpy = jax.numpy

    def unit(carry: Any, z: Any) -> Any:
        h, c = carry
        i, f, g, o = numpy.split(z + h @ p["wh"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * numpy.tanh(g)
        return (jax.nn.sigmoid(o) * numpy.tanh(c), c), None

    zeros = numpy.zeros((64, 256), numpy.float32)
    (h, _), _ = jax.lax.scan(unit, (zeros, zeros), x @ p["wx"] + p["b"])
    return h @ p["wo"] + p["bo"]


def jax_step(jax: Any, logits: Any, first: Mapping[str, np.ndarray], x: np.ndarray, labels: np.ndarray) -> Step:
    numpy = jax.numpy

    def loss(p: Any, x: Any, y: Any) -> Any:
        logs = jax.nn.log_softmax(logits(jax, p, x))
        return -numpy.mean(numpy.take_along_axis(logs, y[:, None], 1))

    @jax.jit
    def update(p: Any, v: Any, x: Any, y: Any) -> Any:
        value, g = jax.value_and_grad(loss)(p, x, y)
        v = {k: MOMENTUM * v[k] + g[k] for k in v}
        return value, {k: p[k] - RATE * v[k] for k in p}, v

    kept: dict[str, Any] = {"p": dict(first), "v": {k: np.zeros_like(w) for k, w in first.items()}}

    def step() -> float:
        value, kept["p"], kept["v"] = update(kept["p"], kept["v"], x, labels)
        return float(value)

    return step
