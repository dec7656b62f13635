"""Random programs write nothing beside their buffers and use the workspace to its predicted end."""

from __future__ import annotations

import numpy as np

from flowc.ir.core import Func, Module, indices, walk
from flowc.ops.control import Cond, Loop
from tests.promises.bits import Array, native
from tests.road.graphs import RANDOM_NUMBERS, Grower, elements

SEEDS = range(20)
SIZES = (0, 1, 7, 64)


def grown(seed: int) -> Func:
    return Grower(seed, frozenset(RANDOM_NUMBERS)).graph(14)


def feeds(fn: Func, n: int) -> list[Array]:
    rng = np.random.default_rng(n)
    return [elements(rng, p, {"N": n}) for p in fn.body.params]


def fills_its_buffers(fn: Func) -> bool:
    """Whether every buffer is written in full in every run that nothing ends: none is of a size found in it, none of a branch or a loop."""
    return not any(isinstance(op, Cond | Loop) or any(indices(d for r in op.results for d in r.type.shape)) for op in walk(fn.body))


def test_highest_byte_changed_is_the_predicted_peak() -> None:
    exact = 0
    for seed in SEEDS:
        fn = grown(seed)
        program = native(Module("m", (fn,)))  # which looks at guards around every buffer
        signature, filled = program.signature("f"), fills_its_buffers(fn)
        for n in SIZES:
            for threads in (1, 3):
                run = program("f", *feeds(fn, n), threads=threads, order=reversed)
                predicted = program.workspace(signature, [n], threads)
                assert run.touched <= predicted, seed
                if n > 0 and filled and run.code == 0:
                    assert run.touched > predicted - 64, seed
                    exact += predicted > 0
    assert exact > 5
