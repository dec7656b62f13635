"""`flowc test`: the test blocks of programs, on native code and on the interpreter."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from flowc.cli.failures import Failed
from flowc.cli.inputs import FILE, json_option, options_of, source_of, stdin_once, threads_option
from flowc.cli.stages import Watch
from flowc.cli.terminal import Progress, coloured, say, seconds_text
from flowc.errors import CompileError, Diagnostic, Note, RunError, render
from flowc_runtime.dtypes import numpy_dtype

if TYPE_CHECKING:
    from flowc.lang.elaborate import Test
    from flowc.options import Options

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a test; without failures it passed."""

    file: str
    title: str
    failures: tuple[Diagnostic, ...]
    seconds: float


@click.command("test")
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("-k", "part", metavar="NAME", default="", help="Only tests whose title holds this.")
@threads_option
@json_option
def test_command(files: tuple[str, ...], part: str, threads: int | None, as_json: bool) -> None:
    """Run test blocks.

    Each runs on native code and on the interpreter; the exit status is 3 where one fails.
    """
    stdin_once(files)
    options = options_of(None, threads=threads)
    tests = [(file, test) for file, test in _tests(files) if part in test.title]
    if part and not tests:
        raise click.UsageError(f"No test of {', '.join(files)} has {part} in its title.")
    outcomes: list[Outcome] = []
    with Progress(len(tests), "tests") as progress:
        for n, (file, test) in enumerate(tests):
            progress.at(n, test.title)
            begin = time.perf_counter()
            failures = _failures(test, options)
            outcomes.append(Outcome(file, test.title, failures, time.perf_counter() - begin))
    (_say_json if as_json else _say)(outcomes)
    if any(outcome.failures for outcome in outcomes):
        raise Failed


def _tests(files: Sequence[str]) -> list[tuple[str, Test]]:
    """The tests of all files; raises one `CompileError` with every mistake of them."""
    from flowc.lang.elaborate import elaborate_tests

    found: list[tuple[str, Test]] = []
    wrong: list[Diagnostic] = []
    for file in files:
        try:
            source = source_of(file)
            found += [(source.name, test) for test in elaborate_tests(Watch().read(source), source)]
        except CompileError as error:
            wrong += error.diagnostics
    if wrong:
        raise CompileError(wrong)
    return found


def _failures(test: Test, options: Options) -> tuple[Diagnostic, ...]:
    """What fails on either side; what fails alike on both is told once."""
    native = _side(test, lambda: _native(test, options))
    meant = _side(test, lambda: _interpreted(test, bits=False))
    if meant:  # numpy sums in another order: what is not so in the order of the language is what fails
        meant = _side(test, lambda: _interpreted(test, bits=True))
    both = native.keys() & meant.keys()
    return (
        *(_on(d, "native code and the interpreter") for key, d in native.items() if key in both),
        *(_on(d, "native code") for key, d in native.items() if key not in both),
        *(_on(d, "the interpreter") for key, d in meant.items() if key not in both),
    )


def _on(diagnostic: Diagnostic, side: str) -> Diagnostic:
    return replace(diagnostic, notes=(*diagnostic.notes, Note(f"so it is on {side}", None)))


def _side(test: Test, run: Callable[[], list[Array]]) -> dict[object, Diagnostic]:
    """What fails of one run, an assert or the run itself, by what makes it the same failure on the other side."""
    from flowc.lang.elaborate import failures
    from flowc.ops.interpret import initial_state

    try:
        return {d: d for d in failures(test.checks, run(), initial_state(test.module))}
    except RunError as error:
        return {(error.code, error.index, error.bound, d.span): d for d in error.diagnostics}


def _native(test: Test, options: Options) -> list[Array]:
    from flowc.executable import linked
    from flowc.stages import compiled

    watch = Watch()
    watch.observe("elaborate", test.module)
    program = linked(compiled(test.module, options, watch.observe), options.threads)
    given = program.model.test()
    match len(test.module.func("test").body.results):
        case 0:
            return []
        case 1:
            return [np.asarray(given)]
        case _:
            return [np.asarray(array) for array in given]


def _interpreted(test: Test, bits: bool) -> list[Array]:
    from flowc.ops.interpret import initial_state, run

    fn = test.module.func("test")
    found = run(fn, (), initial_state(test.module), bits)
    return [array.view(numpy_dtype(r.type.dtype.value)) for array, r in zip(found, fn.body.results, strict=True)]


def _say(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        mark = click.style("FAILED", fg="red") if outcome.failures else click.style("passed", fg="green")
        say(f"{mark} {outcome.file}: {outcome.title}")
        if outcome.failures:
            say(coloured(render(outcome.failures)))
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    total = seconds_text(sum(outcome.seconds for outcome in outcomes))
    say(f"{len(outcomes) - failed} passed, {failed} failed in {total}")


def _say_json(outcomes: Sequence[Outcome]) -> None:
    listed = [
        {
            "file": outcome.file,
            "test": outcome.title,
            "passed": not outcome.failures,
            "failures": [render((d,)) for d in outcome.failures],
            "seconds": outcome.seconds,
        }
        for outcome in outcomes
    ]
    say(json.dumps(listed, indent=2, ensure_ascii=False))
