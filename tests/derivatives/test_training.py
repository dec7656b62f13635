"""Training steps after fusion: the contractions written by hand, updates in place, nothing stored that need not be."""

from __future__ import annotations

import numpy as np

import flowc as fc
from flowc.ir.core import Module, walk
from flowc.ops.kernel import Kernel, Reduce
from flowc.ops.plan import Launch
from flowc.stages import compiled

MLP = """
dim N
param w1: f32[12, 8] = he_normal(seed=1)
param b1: f32[8] = zeros()
param w2: f32[8, 6] = he_normal(seed=2)
param b2: f32[6] = zeros()

graph train(x: f32[N, 12], y: i64[N]) -> (loss: f32) {
  h = relu(x @ w1 + b1)
  logits = h @ w2 + b2
  loss = mean(cross_entropy(logits, y))
  g1, c1, g2, c2 = grad(loss, wrt=[w1, b1, w2, b2])
  w1 := w1 - 0.1 * g1
  b1 := b1 - 0.1 * c1
  w2 := w2 - 0.1 * g2
  b2 := b2 - 0.1 * c2
}
"""


def through(text: str, stage: str) -> Module:
    return compiled(fc.loads(text, fc.Options(cache=False)).module, stop=stage).module


def kernels(module: Module) -> list[Kernel]:
    return [op for op in module.func("train").body.ops if isinstance(op, Kernel)]


def test_a_step_of_an_mlp_has_the_contractions_written_by_hand() -> None:
    made = kernels(through(MLP, "fuse"))
    dots = [k.hint for k in made if any(isinstance(op, Reduce) and op.fold == "dot" for op in walk(k.body))]
    assert len(dots) == 3 * 2 - 1
    shapes = [str(k.result.type) for k in made]
    assert shapes.count("f32[N, 6]") == 3  # logits, their exponentials, their cotangent: no one-hot
    assert shapes.count("f32[N, 8]") == 2  # h and its cotangent


def test_updates_are_written_over_their_params() -> None:
    plan = through(MLP, "plan").func("train")
    last = [op for op in plan.body.ops if isinstance(op, Launch)][-4:]
    assert {op.buffers[-1].hint for op in last} == {"w1", "b1", "w2", "b2"}
    assert all(op.buffers[-1] in op.buffers[:-1] for op in last)


def chain(layers: int, remat: bool = False) -> str:
    block = ["fn layers(h: f32[64, 64], w: f32[64, 64]) -> f32[64, 64] {", "  h0 = tanh(h @ w)"]
    block += [f"  h{n} = tanh(h{n - 1} @ w)" for n in range(1, 10)]
    lines = [*block, "  return h9", "}", "graph train(x: f32[64, 64], w: f32[64, 64]) -> (dw: f32[64, 64]) {", "  v0 = x"]
    for n in range(1, layers // 10 + 1):
        lines += ["  @remat"] * remat + [f"  v{n} = layers(v{n - 1}, w)"]
    return "\n".join([*lines, f"  dw = grad(sum(v{layers // 10}), wrt=[w])", "}"])


def test_what_is_computed_again_takes_no_memory_in_between() -> None:
    x, w = np.random.default_rng(0).standard_normal((2, 64, 64)).astype(np.float32) * np.float32(0.2)
    plain, again = (fc.loads(chain(100, remat), fc.Options(cache=False)) for remat in (False, True))
    assert int(again.train.memory) * 3 < int(plain.train.memory)
    wanted = plain.train(x, w)
    assert np.linalg.norm(again.train(x, w) - wanted) < 1e-5 * np.linalg.norm(wanted)


def test_the_derivative_of_a_chain_is_as_long_as_the_chain() -> None:
    def made(layers: int) -> tuple[int, int]:
        module = through(chain(layers), "plan")
        return sum(1 for fn in module.funcs for _ in walk(fn.body)), sum(isinstance(op, Launch) for op in walk(module.func("train").body))

    (few, short), (many, long) = made(50), made(300)
    assert many < 6.5 * few
    assert long < 6.5 * short
