"""The workloads: flowc and its peers on the same arrays, each checked against the others before it is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

import flowc as fc
from benchmarks.timing import interleaved, process_seconds

MLP = """
dim N in 1..4096
param w1: f32[784, 128] = glorot_uniform(seed=1)
param b1: f32[128] = zeros()
param w2: f32[128, 10] = glorot_uniform(seed=2)
param b2: f32[10] = zeros()
graph mlp(x: f32[N, 784]) -> (probs: f32[N, 10]) {
  h = relu(x @ w1 + b1)
  probs = softmax(h @ w2 + b2, axis=-1)
}
"""


@dataclass(frozen=True)
class Row:
    """One line of the table: flowc's figure, the peer's or the limit, and what is wanted of their ratio."""

    name: str
    flowc: float
    peer: float
    peer_name: str
    wanted: str

    def __str__(self) -> str:
        times = f"{seconds(self.flowc):>12} {seconds(self.peer):>12}"
        return f"{self.name:56} {times} {self.peer_name:14} {self.peer / self.flowc:6.2f}x  {self.wanted}"


def seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3f} {unit}"
    return f"{value / 1e-9:.1f} ns"


def rows(torch: ModuleType | None) -> Iterator[Row]:
    """Every workload of the table, in order."""
    for workload in (imports, cold, cached, small_call, many_ops, long_chain, elementwise, matmul):
        yield workload()
    if torch is not None:
        yield softmax(torch)


def imports() -> Row:
    both, numpy_alone = process_seconds("import numpy, flowc"), process_seconds("import numpy")
    return Row("import flowc, over numpy's import", max(both - numpy_alone, 1e-9), 0.05, "limit", "limit 50 ms")


def first_result(cache: str) -> str:
    lines = ["import numpy as np, flowc as fc", f"text = {MLP!r}"]
    lines += [f"m = fc.loads(text, options=fc.Options(cache={cache}))", "m.mlp(np.ones((4, 784), np.float32))"]
    return "\n".join(lines)


def cold() -> Row:
    return Row("process to first result, 784-128-10 MLP, cold", process_seconds(first_result("False")), 0.8, "limit", "limit 0.8 s")


def cached() -> Row:
    program = first_result("True")
    process_seconds(program, rounds=1)
    return Row("process to first result, from the cache", process_seconds(program), 0.35, "limit", "limit 0.35 s")


def small_call() -> Row:
    model = fc.loads("graph f(x: f32[4], y: f32[4]) -> f32[4] { return x + y }")
    x, f = np.ones(4, np.float32), model.f
    times = interleaved({"flowc": lambda: f(x, x), "numpy": lambda: np.add(x, x)})
    return Row("call of a graph on 4 elements", times["flowc"], 1.5e-6, "limit", f"limit 1.5 us (numpy {seconds(times['numpy'])})")


def many_ops() -> Row:
    rng = np.random.default_rng(0)
    lines, names = ["graph f(x0: f32[64], x1: f32[64]) -> f32[64] {"], ["x0", "x1"]
    for n in range(3000):
        a, b = (names[-1 - int(k)] for k in rng.integers(0, min(len(names), 40), 2))
        lines.append(f"  v{n} = {a} {'+-*'[n % 3]} {b}" if n % 7 else f"  v{n} = sum({a}) * tanh({b})")
        names.append(f"v{n}")
    return Row("compile a graph of 3,000 ops", compile_seconds("\n".join([*lines, "  return v2999", "}"])), 5.0, "limit", "limit 5 s")


def long_chain() -> Row:
    lines = ["graph f(x: f32[64]) -> f32[64] {", "  v0 = x + 1.0"]
    lines += [f"  v{n} = {'relu(' if n % 2 else 'sqrt('}v{n - 1}) + {n % 9}.5" for n in range(1, 50_000)]
    return Row(
        "compile a chain of 100,000 ops", compile_seconds("\n".join([*lines, "  return v49999", "}"])), 120.0, "limit", "limit 120 s"
    )


def compile_seconds(text: str) -> float:
    begin = time.perf_counter()
    model = fc.loads(text, options=fc.Options(cache=False))
    assert model.linked
    return time.perf_counter() - begin


def elementwise() -> Row:
    text = "graph f(a: f32, b: f32, x: f32[4096, 1024]) -> f32[4096, 1024] { return gelu(a * x + b) * sigmoid(x) }"
    x, a, b = random(4096, 1024), np.float32(1.5), np.float32(0.25)
    run, out = single(text), np.empty((4096, 1024), np.float32)

    def peer() -> np.ndarray:
        y = a * x + b
        return y * np.float32(0.5) * (1 + np_erf(y * np.float32(0.7071067811865476))) / (1 + np.exp(-x))

    np.testing.assert_allclose(run(a, b, x), peer(), rtol=1e-4, atol=1e-5)
    times = interleaved({"flowc": lambda: run(a, b, x, out=out), "numpy": peer}, rounds=5)
    return Row("gelu(a * x + b) * sigmoid(x), 4096x1024", times["flowc"], times["numpy"], "numpy", "at least 5x")


def np_erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz & Stegun 7.1.26: what one writes in numpy, which has no erf."""
    t = 1 / (1 + np.float32(0.3275911) * np.abs(x))
    p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429)))))
    return np.sign(x) * (1 - p * np.exp(-x * x))


def matmul() -> Row:
    text = "graph f(x: f32[N, 512], w: f32[512, 512], b: f32[512]) -> f32[N, 512] { return relu(x @ w + b) }"
    x, w, b = random(512, 512), random(512, 512), random(512)
    run, out, y = single(text), np.empty((512, 512), np.float32), np.empty((512, 512), np.float32)

    def peer() -> None:
        np.matmul(x, w, out=y)
        np.add(y, b, out=y)
        np.maximum(y, 0, out=y)

    peer()
    np.testing.assert_allclose(run(x, w, b), y, rtol=1e-3, atol=1e-3)
    times = interleaved({"flowc": lambda: run(x, w, b, out=out), "numpy": peer})
    return Row("relu(x @ w + b), 512^3, rows symbolic", times["flowc"], times["numpy"], "numpy", "at least 1.05x")


def softmax(torch: ModuleType) -> Row:
    run, x = single("graph f(x: f32[N, 1024]) -> f32[N, 1024] { return softmax(x, axis=-1) }"), random(128, 1024)
    tensor, out = torch.from_numpy(x), np.empty_like(x)
    np.testing.assert_allclose(run(x), torch.softmax(tensor, -1).numpy(), rtol=1e-5, atol=1e-7)
    times = interleaved({"flowc": lambda: run(x, out=out), "torch": lambda: torch.softmax(tensor, -1)})
    return Row("softmax, 128x1024", times["flowc"], times["torch"], "torch", "at least level")


def single(text: str) -> Callable[..., np.ndarray]:
    return fc.loads(text, options=fc.Options(threads=1, cache=False)).f


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)
