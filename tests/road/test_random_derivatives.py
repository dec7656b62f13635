"""Random graphs with their derivatives by what they are given and by what they make, through every stage, with the bits of the graph."""

from __future__ import annotations

import numpy as np
import pytest

from flowc.derivatives.reverse import pullback
from flowc.errors import OpError, RunError
from flowc.ir.core import Func, Module, Value, indices
from flowc.ir.types import DType, Type
from flowc.ops.interpret import run
from flowc.stages import STAGES
from flowc.target import host
from flowc.transforms.interpret_plan import run_plan
from flowc.transforms.verify import verify
from tests.codegen.program import Program
from tests.promises.bits import same
from tests.road.graphs import Grower, N, elements
from tests.road.test_random_scans import Scanner

SEEDS = range(200, 216)
SIZES = (0, 1, 5)
SHAPES = ((1, N), (1, 1, N), (N, 1, 3), (1, 3, N), (3, 1), (1,), (N, 0), (1, 1), (2, 4, 1), ())


class Deriver(Grower):
    """A grower of floats of shapes with axes of length 1, which differentiates what it made."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for n in range(3):
            given = Value(Type(self.random.choice((DType.f32, DType.f32, DType.f64)), self.random.choice(SHAPES)), None, f"y{n}")
            self.params.append(given)
            self.values.append(given)

    def graph(self, steps: int) -> Func:
        results = super().graph(steps).body.results
        seeds = {v: Value(v.type, None, f"seed{n}") for n, v in enumerate(results) if v.type.dtype.is_float}
        self.params += seeds.values()
        inner = [v for v in self.values if v.op is not None and v.type.dtype.is_float and not any(indices(v.type.shape))]
        wrt = [v for v in self.params if v.type.dtype.is_float and v not in seeds.values()]
        wrt += self.random.sample(inner, min(len(inner), 2))
        found = pullback(seeds, wrt)
        return self.function((*results, *(self.result(g) for g in found)))


class ScanDeriver(Deriver, Scanner):
    """The same, with scans."""


def grown(seed: int) -> Func | None:
    """A graph with derivatives; none where an op of it has none."""
    try:
        return (ScanDeriver if seed % 4 == 0 else Deriver)(seed).graph(1 + seed % 7)
    except OpError:
        return None


def planned(fn: Func) -> Module:
    module = Module("m", (fn,))
    for stage in STAGES:
        module = verify(stage.run(module, host()))
    return module


@pytest.mark.parametrize("seed", SEEDS)
def test_derivatives_of_a_random_graph_keep_their_bits_down_to_native_code(seed: int) -> None:
    fn = grown(seed)
    if fn is None:
        return
    module = planned(fn)
    program = Program(module)
    for n in SIZES:
        rng = np.random.default_rng(seed)
        arrays = [elements(rng, p, {"N": n}) for p in fn.body.params]
        try:
            wanted = run(fn, arrays, bits=True)
        except RunError:
            continue
        same(run_plan(module, "f", arrays, {"N": n})[0], wanted)
        for threads in (0, 3):
            result = program("f", *arrays, threads=threads)
            assert result.code == 0
            same(result.outputs, wanted)
