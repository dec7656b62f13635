"""Every graph of samples/: the same bits by every way to run it, and the memory it was said to take."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowc as fc
from flowc.codegen.signature import Signature
from flowc.executable import linked
from flowc.target import Target, host
from tests.codegen.program import Program
from tests.promises.bits import TARGETS, same
from tests.promises.samples import ROWS, SAMPLES, feeds, program

SIZES = (0, 1, 7, 64, 1000)
LARGEST = {"kmeans": 64, "kalman": 64, "logistic": 64, "pagerank": 64, "transformer": 7, "train_conv": 64, "train_digits": 64, "lstm": 64}
samples = pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)


@cache
def made(path: Path, target: Target) -> Program:
    return program(path, target)


@cache
def model(path: Path) -> fc.Model:
    return fc.load(path, fc.Options(cache=False, threads=1))


def sizes_of(path: Path) -> list[int]:
    """The sizes a sample runs at: those that are quick."""
    return [n for n in SIZES if n <= LARGEST.get(path.stem, n)]


def outcome(made: Program, signature: Signature, n: int, threads: int = 0) -> list[Any]:
    """What a run leaves: its results or its error, then the state, which is put back."""
    before = made.state.bytes.copy()
    run = made(signature, *feeds(signature, n), threads=threads, order=reversed)
    after = made.state.bytes.copy()
    made.state.bytes[:] = before
    return [np.array([run.code, *run.error]), *run.outputs, before, after]


def called(function: Any, signature: Signature, n: int) -> list[Any]:
    """What a call of a model gives, as arrays; of one that fails, its text."""
    try:
        found = function(*feeds(signature, n))
    except fc.Error as error:
        return [np.array(str(error))]
    return list(found) if isinstance(found, tuple) else [found]


@samples
def test_threads_and_vectors_change_no_bit(path: Path) -> None:
    for signature in made(path, host()).interface.graphs:
        for n in sizes_of(path):
            wanted = outcome(made(path, host()), signature, n)
            for threads in (1, 2, 3):
                same(outcome(made(path, host()), signature, n, threads), wanted)
            for target in (t for t in TARGETS if t.vector != host().vector):
                same(outcome(made(path, target), signature, n), wanted)


@samples
def test_a_call_from_python_has_the_bits_of_one_from_c_at_any_number_of_threads(path: Path) -> None:
    program = made(path, host())
    for threads in (1, 2, 3):
        loaded = linked(model(path).compiled, threads).model
        kept = {**loaded.params, **loaded.state}
        before = {name: array.copy() for name, array in kept.items()}
        for signature in program.interface.graphs:
            function = getattr(loaded, signature.name)
            for n in sizes_of(path):
                wanted = outcome(program, signature, n)
                found = called(function, signature, n) if wanted[0][0] == 0 else []
                same(found, wanted[1 : len(found) + 1])
                out = [np.empty_like(a) for a in map(np.asarray, found)]
                if out and not signature.found and not signature.stateful:
                    function(*feeds(signature, n), out=out)
                    same(out, found)
                for name, array in before.items():
                    kept[name][...] = array


@samples
def test_sizes_known_at_compile_time_change_no_bit(path: Path) -> None:
    program = made(path, host())
    sizes = {s.name: max(s.low, 7) for signature in program.interface.graphs for s in signature.sizes}
    for signature in program.interface.graphs:
        wanted = outcome(program, signature, 7)
        if wanted[0][0] == 0:
            fixed = model(path).specialize(**sizes)  # each time as `init` leaves it
            found = called(getattr(fixed, signature.name), signature, 7)
            same(found, wanted[1 : len(found) + 1])


@samples
def test_a_row_does_not_depend_on_the_rows_around_it(path: Path) -> None:
    for signature in made(path, host()).interface.graphs:
        if signature.name in ROWS:
            given = feeds(signature, 64)
            whole = made(path, host())(signature, *given).outputs
            for rows in (slice(0, 1), slice(30, 37), slice(63, 64)):
                same(made(path, host())(signature, *(x[rows] for x in given)).outputs, [y[rows] for y in whole])


@samples
def test_workspace_is_used_to_its_predicted_end_and_not_beyond(path: Path) -> None:
    program = made(path, host())
    for signature in program.interface.graphs:
        for n in sizes_of(path):
            given = feeds(signature, n)
            run = program(signature, *given, threads=3)
            predicted = program.workspace(signature, [*program.read(signature, given).values()], 3)
            assert run.touched <= predicted
            assert run.touched > predicted - 64 or signature.found or run.code


def test_rows_are_looked_at_in_some_sample() -> None:
    assert {s.name for path in SAMPLES for s in made(path, host()).interface.graphs} >= {*ROWS}
