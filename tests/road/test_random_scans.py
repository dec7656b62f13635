"""Random graphs with scans in them, whose bodies are random graphs too, through every stage, with the bits of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from flowc.errors import OpError, RunError
from flowc.ir.core import Func, Module, Value, close, indices
from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.ir.types import below
from flowc.ops.control import Scan
from flowc.ops.elementwise import add
from flowc.ops.interpret import run
from flowc.stages import STAGES
from flowc.target import host
from flowc.transforms.interpret_plan import Stopped, run_plan
from flowc.transforms.scans import prepared
from flowc.transforms.simplify import simplify
from flowc.transforms.verify import verify
from tests.codegen.program import Program
from tests.promises.bits import Array, same
from tests.road.graphs import Grower, built, elements, small
from tests.road.test_graphs import empties

SEEDS = range(100, 118)
NATIVE = range(100, 107)
SIZES = (0, 1, 7)


class Scanner(Grower):
    """A grower half of whose steps are scans, up to two within each other."""

    depth = 0

    def step(self) -> None:
        if self.depth == 2 or self.random.random() < 0.5:
            super().step()
            return
        for _ in range(20):
            try:
                made = self.scan()
            except OpError:
                continue
            self.values += [r for r in made if small(r)]
            return

    def scan(self) -> tuple[Value, ...]:
        """A few sequences and carries; the next carries are of what the body makes, or carried values as they are."""
        plain = [v for v in self.values if not any(indices(v.type.shape))]
        if not any(v.type.rank for v in plain):
            raise OpError("no value has an axis")
        first = self.random.choice([v for v in plain if v.type.rank])
        steps = first.type.shape[0]
        xs = tuple(self.random.sample(same_length := [v for v in plain if v.type.shape[:1] == (steps,)], min(len(same_length), 2)))
        init = tuple(self.random.sample(plain, self.random.randint(0, min(3, len(plain)))))
        step = Value(below(steps), None, "t")
        slices = tuple(Value(type(x.type)(x.type.dtype, x.type.shape[1:]), None, f"s{n}") for n, x in enumerate(xs))
        carries = tuple(Value(v.type, None, f"c{n}") for n, v in enumerate(init))
        outer, self.values = self.values, [*self.random.sample(self.values, min(3, len(self.values))), *slices, *carries]
        self.depth += 1
        try:
            for _ in range(self.random.randint(1, 4)):
                self.step()
            following = tuple(map(self.following, carries))
            emits = [v for v in self.values if v not in outer and not any(indices(v.type.shape))]
            emits = self.random.sample(emits, min(len(emits), self.random.randint(not init, 2)))
        finally:
            inner, self.values = self.values, outer
            self.depth -= 1
        if not init and not emits or not inner:
            raise OpError("nothing comes of it")
        body = close((step, *slices, *carries), (*following, *emits), by_index=False)
        return Scan(xs, init, (steps,), body, self.random.random() < 0.5, self.random.random() < 0.3).results

    def following(self, carry: Value) -> Value:
        fit = [v for v in self.values if v.type == carry.type]
        made = self.random.choice(fit)
        if not made.type.dtype.is_float or self.random.random() < 0.3:
            return made
        return add(made, self.random.choice(fit)) if self.random.random() < 0.6 else built(made, "negative")


@cache
def grown(seed: int) -> Func:
    return Scanner(seed).graph(2 + seed % 6)


@cache
def planned(seed: int) -> Module:
    module = Module("m", (grown(seed),))
    for stage in STAGES:
        module = verify(stage.run(module, host()))
        text = print_module(module)
        assert print_module(verify(parse_module(text))) == text
    return module


def fails(fn: Func, arrays: Sequence[Array]) -> bool:
    """Whether a run fails of what is read of scans; what is not is not computed."""
    try:
        run(prepared(simplify(Module("m", (fn,))).func("f")), arrays, bits=True)
    except RunError:
        return True
    return False


@pytest.mark.parametrize("seed", SEEDS)
def test_every_stage_keeps_the_bits_of_a_graph_with_scans(seed: int) -> None:
    fn = grown(seed)
    for n in SIZES:
        rng = np.random.default_rng(seed)
        arrays = [elements(rng, p, {"N": n}) for p in fn.body.params]
        try:
            wanted = run(fn, arrays, bits=True)
        except RunError:
            if fails(fn, arrays) and not empties(fn, {"N": n}):
                with pytest.raises(Stopped):
                    run_plan(planned(seed), "f", arrays, {"N": n})
            continue
        same(run_plan(planned(seed), "f", arrays, {"N": n})[0], wanted)


@pytest.mark.parametrize("seed", NATIVE)
def test_native_code_of_scans_has_the_bits_of_its_plan_for_any_number_of_tasks(seed: int) -> None:
    program = Program(planned(seed))
    for n in SIZES:
        rng = np.random.default_rng(seed)
        arrays = [elements(rng, p, {"N": n}) for p in grown(seed).body.params]
        runs = [program("f", *arrays, threads=threads) for threads in (0, 3)]
        try:
            wanted = run_plan(planned(seed), "f", arrays, {"N": n})[0]
        except Stopped as stopped:
            assert {(r.error[2], r.error[3]) for r in runs} == {(stopped.index, stopped.bound)} and all(r.code for r in runs)
            continue
        assert [r.code for r in runs] == [0, 0]
        for result in runs:
            same(result.outputs, wanted)
