"""Random graphs through every stage: each verifies, reads back from its text, and keeps every bit, down to native code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pytest

from flowc.errors import RunError
from flowc.ir.core import Func, Module, Value, walk
from flowc.ir.dims import Polynomial, Size, evaluate
from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.ops.interpret import run
from flowc.stages import STAGES
from flowc.target import AVX2, AVX512, Target, host
from flowc.transforms.interpret_plan import Stopped, run_plan
from flowc.transforms.verify import verify
from tests.codegen.program import Program
from tests.road.graphs import Array, Grower, elements

SEEDS = range(3000, 3060)
NATIVE = range(3000, 3024)
SIZES = (0, 1, 7, 64)
TARGETS = [t for t in (AVX512, AVX2) if t.vector <= host().vector]


@cache
def grown(seed: int) -> Func:
    return Grower(seed).graph(1 + seed % 10)


@cache
def staged(seed: int, target: Target) -> tuple[Module, ...]:
    """The module after each stage, the graph itself first."""
    modules = [Module("m", (grown(seed),))]
    for stage in STAGES:
        modules.append(stage.run(modules[-1], target))
    return tuple(modules)


def arrays_for(fn: Func, seed: int, n: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [elements(rng, p, {"N": n}) for p in fn.body.params]


def same(found: Sequence[Array], wanted: Sequence[Array]) -> None:
    """Equal types and bits; one NaN is any other."""
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.dtype.kind == "f":
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
            a, b = np.nan_to_num(a, nan=0.0, posinf=np.inf, neginf=-np.inf), np.nan_to_num(b, nan=0.0, posinf=np.inf, neginf=-np.inf)
        assert a.tobytes() == b.tobytes()


def empties(fn: Func, named: Mapping[str, int]) -> bool:
    """Whether some value of the graph has no elements: what none of them needs is not computed, nor checked."""
    known = {Size(name, 0): n for name, n in named.items()}

    def size(d: object) -> int:
        fixed = isinstance(d, int) or isinstance(d, Polynomial) and not any(isinstance(a, Value) for m in d.terms for a, _ in m)
        return evaluate(d, known) if fixed else 0  # type: ignore[arg-type]

    return any(size(d) == 0 for op in walk(fn.body) for r in op.results for d in r.type.shape)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.cpu)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_stage_verifies_and_reads_back_from_its_text(seed: int, target: Target) -> None:
    for module in staged(seed, target):
        text = print_module(verify(module))
        assert print_module(verify(parse_module(text))) == text


@pytest.mark.parametrize("seed", SEEDS)
def test_every_stage_keeps_the_bits_of_the_graph(seed: int) -> None:
    fn = grown(seed)
    simplified, planned = staged(seed, AVX2)[1].func("f"), staged(seed, AVX2)[-1]
    for n in SIZES:
        arrays = arrays_for(fn, seed, n)
        try:
            wanted = run(fn, arrays, bits=True)
        except RunError:
            with pytest.raises(RunError):
                run(simplified, arrays, bits=True)
            if not empties(fn, {"N": n}):
                with pytest.raises(Stopped):
                    run_plan(planned, "f", arrays, {"N": n})
            continue
        same(run(simplified, arrays, bits=True), wanted)
        same(run_plan(planned, "f", arrays, {"N": n})[0], wanted)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.cpu)
@pytest.mark.parametrize("seed", NATIVE)
def test_native_code_has_the_bits_of_its_plan_for_any_number_of_tasks(seed: int, target: Target) -> None:
    fn, planned = grown(seed), staged(seed, target)[-1]
    program = Program(planned, target=target)
    for n in SIZES:
        arrays = arrays_for(fn, seed, n)
        runs = [program("f", *arrays, threads=threads) for threads in (0, 2, 3)]
        try:
            wanted = run_plan(planned, "f", arrays, {"N": n})[0]
        except Stopped as stopped:
            assert {(r.error[2], r.error[3]) for r in runs} == {(stopped.index, stopped.bound)} and all(r.code for r in runs)
            continue
        assert [r.code for r in runs] == [0, 0, 0]
        for result in runs:
            same(result.outputs, wanted)


@pytest.mark.parametrize("seed", NATIVE)
def test_one_program_serves_long_axes_with_the_same_bits_on_every_target(seed: int) -> None:
    fn = grown(seed)
    arrays = arrays_for(fn, seed, 1000)
    results = [Program(staged(seed, t)[-1], target=t)("f", *arrays, threads=n) for t in TARGETS for n in (0, 3)]
    assert len({r.code for r in results}) == 1
    for result in results[1:]:
        same(result.outputs, results[0].outputs)
