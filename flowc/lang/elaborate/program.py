"""From a file to its module: one function for each graph, one that writes the states' first values, one for each test."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from flowc.errors import CompileError, Note
from flowc.ir.core import Func, Module, Namer, State, Symbol, Value, ordered
from flowc.ir.dims import Size, atoms, dim
from flowc.lang import ast
from flowc.lang.elaborate import attributes, by_hand, expand, expressions, lookup, statements, titles, types
from flowc.lang.elaborate.context import Bound, Build, Frame, GradientCheck, Names, Region, TestCheck, Write
from flowc.lang.elaborate.report import MAX_DEPTH, MAX_OPS, Mistake, Report, TooMuch
from flowc.lang.elaborate.sizes import Unclear
from flowc.lang.elaborate.units import Loader, Unit, place
from flowc.lang.elaborate.values import WRONG, Denotation, Wrong, dim_text
from flowc.ops.control import StateWrite
from flowc.source import Source, Span


@dataclass(frozen=True)
class ElaborateOptions:
    """How to elaborate.

    outside: imports may leave the file's folder.
    opened: is told of each file that is imported.
    ops: how many a program may expand to.
    """

    outside: bool = False
    ops: int = MAX_OPS
    opened: Callable[[Path], None] | None = None


@dataclass(frozen=True)
class Test:
    """A test block: a module whose function "test" gives what the asserts compare."""

    title: str
    module: Module
    checks: tuple[TestCheck | GradientCheck, ...]
    span: Span


def elaborate(program: ast.Program, source: Source, options: ElaborateOptions | None = None) -> Module:
    """The module of a program; raises one `CompileError` with every mistake in it."""
    return _Elaboration(program, source, options or ElaborateOptions()).whole()[0]


def elaborate_tests(program: ast.Program, source: Source, options: ElaborateOptions | None = None) -> tuple[Test, ...]:
    """The tests of a program; raises one `CompileError` with every mistake in it."""
    return _Elaboration(program, source, options or ElaborateOptions()).whole()[1]


T = TypeVar("T")


class _Elaboration:
    """One run over a file."""

    def __init__(self, program: ast.Program, source: Source, options: ElaborateOptions) -> None:
        self.program, self.source, self.options = program, source, options
        self.latest = Build()
        self.report = Report(ops=options.ops)
        self.left_out = False

    def whole(self) -> tuple[Module, tuple[Test, ...]]:
        found: tuple[Module, tuple[Test, ...]] | None = None
        with suppress(TooMuch), _deep_stack():
            found = self._whole()
        if self.report.found or found is None:
            raise CompileError(tuple(self.report.found.values()))
        assert not self.left_out, "something is wrong and no mistake says what"
        return found

    def _whole(self) -> tuple[Module, tuple[Test, ...]]:
        loader = Loader(self.report, self.options.outside, self.options.opened)
        if self.source.path is not None:
            loader.open.append(self.source.path.resolve())
        unit = loader.unit(self.program, self.source)
        self._check_values(unit)
        states = self._states(unit)
        funcs: list[Func] = []
        for item in self.program.items:
            if isinstance(item, ast.Graph):
                funcs += self._attempt(lambda item=item: self._graph(unit, item))
        if states:
            funcs += self._attempt(lambda: self._init(unit))
        module = Module(_module_name(self.source), tuple(funcs), states)
        tests: list[Test] = []
        for item in self.program.items:
            if isinstance(item, ast.Test):
                tests += self._attempt(lambda item=item: self._test(unit, item, module))
        self._check_uncalled(unit)
        return module, tuple(tests)

    def _attempt(self, make: Callable[[], T]) -> list[T]:
        """What `make` gives, or nothing where that is wrong."""
        try:
            return [make()]
        except Mistake as mistake:
            self.report.add(mistake)
        except Unclear:
            self.left_out = True  # a mistake was told where it was made, so this is no program
        return []

    def _frame(self, unit: Unit, build: Build) -> Frame:
        self.report.spent += len(self.latest.made)
        self.latest = build
        return Frame(unit, build, Region("function"), Names(), self.report, expressions.evaluate, statements.run)

    def _check_values(self, unit: Unit) -> None:
        """Tells what is wrong with attributes, and with sizes, consts and devices that nothing may use."""
        for item in (item for u in unit.all() for item in u.program.items):
            if isinstance(item, ast.Attributed):
                self._attempt(lambda item=item: attributes.checked(item))
        frame = self._frame(unit, Build())
        for name, item in unit.values.items():
            if isinstance(item, ast.Dim | ast.Const):
                self._attempt(lambda name=name, item=item: lookup.declared(frame, unit, name, place(item, name)))
            elif isinstance(item, ast.Device):
                self._attempt(lambda item=item: statements.device_of(item))
        self._attempt(frame.check)

    def _states(self, unit: Unit) -> tuple[State, ...]:
        found: list[State] = []
        for u in unit.all():
            frame = self._frame(u, Build())
            for item in u.states():
                for type in self._attempt(lambda u=u, item=item, frame=frame: lookup.state_type(frame, u, item)):
                    kind = "param" if isinstance(item, ast.Param) else "state"
                    found.append(State(f"{u.path}{item.name.text}", type, kind, item.name.span))
        return tuple(found)

    def _graph(self, unit: Unit, graph: ast.Graph) -> Func:
        build = Build(several_losses=titles.several_losses(unit, graph.body))
        frame = self._frame(unit, build)
        if graph.name.text == "init" and any(True for u in unit.all() for _ in u.states()):
            raise Mistake("init writes the states' first values: this graph wants another name", graph.name.span)
        self._sizes(frame, unit, graph)
        params = self._inputs(frame, graph)
        _distinct_results(graph)
        targets = _result_names(graph)
        at = frame.within(namers=tuple(Namer(t) for t in targets), targets=targets)
        outcome = frame.run(frame.within(returning=at), graph.body)
        results = expand.results_of(at, graph, outcome)
        if any(isinstance(x, Wrong) for x in results):
            raise Unclear
        values = tuple(types.tensor(frame, x, r.span) for x, r in zip(results, graph.results, strict=True))
        frame.check()
        self._writes(frame)
        names = tuple(r.name.text if r.name is not None else "" for r in graph.results)
        block = ordered(params, values, [*build.checks, *frame.region.roots])
        return Func(graph.name.text, block, names if any(names) else (), location=graph.name.span)

    def _sizes(self, frame: Frame, unit: Unit, graph: ast.Graph) -> None:
        """Names in the shapes of a graph that nothing declares are its sizes."""
        formals = [f.name.text for f in graph.formals]
        for formal in graph.formals:
            for name in types.names_in(formal.type):
                if name.text in formals:
                    note = Note(f"{name.text} is an input", place_of(graph, name.text))
                    raise Mistake(f"the size {name.text} is not known at entry: it is computed from an input", name.span, (note,))
                if name.text not in unit.values and name.text not in lookup.CONSTANTS and name.text not in frame.names.here:
                    frame.names.here[name.text] = Bound(dim(Size(name.text)), name.span, "size")

    def _inputs(self, frame: Frame, graph: ast.Graph) -> tuple[Value, ...]:
        params: list[Value] = []
        for formal in graph.formals:
            known = frame.names.here.get(formal.name.text)
            if known is not None:
                notes = (Note("it stands here first", known.span),)
                self.report.add(Mistake(f"{formal.name.text} stands twice in the signature of {graph.name.text}", formal.name.span, notes))
                continue
            found = self._attempt(lambda formal=formal: types.concrete(frame, types.pattern(frame, formal.type)))
            x: Denotation = Value(found[0], None, formal.name.text) if found else WRONG
            frame.names.here[formal.name.text] = Bound(x, formal.name.span, "input")
            if isinstance(x, Value):
                params.append(x)
                frame.build.bound[x] = None
            if formal.default is not None and found:
                at = lookup.file_frame(frame, frame.unit)
                value = at.evaluate(at, formal.default)
                types.fitted(at, value, types.pattern(frame, formal.type), formal.name.text, formal.default.span)
        _told_by_inputs(params, graph)
        return tuple(params)

    def _writes(self, frame: Frame) -> None:
        for name, write in frame.region.writes.items():
            with frame.making(write.span):
                token = StateWrite(Symbol(name), write.value).token
            assert token is not None
            frame.region.roots.append(token)

    def _init(self, unit: Unit) -> Func:
        """The function that writes every state's first value, of those that have one."""
        build = Build(initialises=True)
        whole = self._frame(unit, build)
        for u in unit.all():
            for item in u.states():
                if item.initialiser is not None:
                    self._attempt(lambda u=u, item=item: self._initialise(whole, u, item))
        whole.check()
        self._writes(whole)
        return Func("init", ordered((), (), [*build.checks, *whole.region.roots]))

    def _initialise(self, frame: Frame, unit: Unit, item: ast.Param | ast.State) -> None:
        assert item.initialiser is not None
        name = f"{unit.path}{item.name.text}"
        type = lookup.state_type(frame, unit, item)
        at = lookup.file_frame(frame, unit, name).within(initial=type)
        begin = len(frame.build.made)
        x = at.evaluate(at, item.initialiser)
        x = types.fitted(at, x, types.pattern(at, item.type), name, item.initialiser.span)
        x = statements.named(at, x, name, begin)
        if isinstance(x, Value):
            frame.region.writes[name] = Write(x, item.initialiser.span)

    def _test(self, unit: Unit, test: ast.Test, module: Module) -> Test:
        build = Build(compared=[], several_losses=titles.several_losses(unit, test.body))
        frame = self._frame(unit, build).within(sizes={})
        outcome = frame.run(frame, test.body)
        if outcome.kind:
            raise Mistake("a test returns nothing", outcome.span, help="it asserts")
        assert build.compared is not None
        block = ordered((), tuple(build.compared), [*build.checks, *frame.region.roots])
        inits = tuple(f for f in module.funcs if f.name == "init" and module.states)
        func = Func("test", block, location=test.title.span)
        return Test(test.title.value, replace(module, funcs=(func, *inits)), tuple(build.tests), test.title.span)

    def _check_uncalled(self, unit: Unit) -> None:
        """Elaborates functions that nothing calls, for the mistakes in them."""
        for decl in unit.functions.values():
            if isinstance(decl, ast.Fn) and id(decl) not in self.report.expanded and expand.checks_alone(decl):
                self._attempt(lambda decl=decl: self._alone(unit, decl))

    def _alone(self, unit: Unit, decl: ast.Fn) -> None:
        frame = self._frame(unit, Build())
        names = Names()
        for generic in decl.generics:
            names.here[generic.text] = Bound(dim(Size(generic.text)), generic.span, "size")
        for written in (*(f.type for f in decl.formals), *(r.type for r in decl.results)):
            for name in types.names_in(written):
                if name.text not in unit.values and name.text not in names.here and name.text not in lookup.CONSTANTS:
                    names.here[name.text] = Bound(dim(Size(name.text)), name.span, "size")
        at = frame.within(names=names, rest=(), namers=(Namer(decl.name.text),), targets=(decl.name.text,))
        for formal in decl.formals:
            pattern = types.pattern(at, formal.type)
            own = tuple(d for d in pattern.shape if not isinstance(d, types.Rest))
            found = types.concrete(
                at, replace(pattern, shape=own, node=replace(formal.type, shape=formal.type.shape[len(pattern.shape) - len(own) :]))
            )
            names.here[formal.name.text] = Bound(Value(found, None, formal.name.text), formal.name.span, "formal")
        body = at.within(returning=at, calls=((decl, decl.name.span),))
        results = expand.results_of(body, decl, body.run(body, decl.body))
        if decl.derivative is not None:
            by_hand.with_derivative(body, decl, decl.name.text, decl.derivative, results, decl.name.span)


FRAMES = 10 * MAX_DEPTH  # Python frames that nested expressions take
_DEEP = threading.RLock()


@contextmanager
def _deep_stack() -> Generator[None]:
    """Room for as many nested expressions as the quota allows; the limit is one of the process, so one thread has it at a time."""
    with _DEEP:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, FRAMES))
        try:
            yield
        finally:
            sys.setrecursionlimit(before)


def place_of(graph: ast.Graph, name: str) -> Span:
    return next(f.name.span for f in graph.formals if f.name.text == name)


def _result_names(graph: ast.Graph) -> tuple[str, ...]:
    """What values that a graph returns are called: `result`, `result.2` where its results have no names."""
    names: list[str] = []
    for result in graph.results:
        count = sum(name.startswith("result") for name in names) + 1
        names.append(result.name.text if result.name is not None else "result" + f".{count}" * (count > 1))
    return tuple(names)


def _distinct_results(graph: ast.Graph) -> None:
    seen: dict[str, Span] = {}
    for result in graph.results:
        if result.name is None:
            continue
        name = result.name
        if name.text in seen:
            raise Mistake(f"{name.text} stands twice among the results", name.span, (Note("it stands here first", seen[name.text]),))
        seen[name.text] = name.span


def _told_by_inputs(params: Sequence[Value], graph: ast.Graph) -> None:
    """Every size of the inputs is that of an axis, so that the arrays of a call say it."""
    axes = [d for p in params for d in p.type.shape]
    for p in params:
        for d in p.type.shape:
            for atom in () if isinstance(d, int) else atoms(d):
                if dim(atom) not in axes:
                    formal = place_of(graph, p.hint)
                    raise Mistake(
                        f"no input says the size {atom}: {p.hint} has the size {dim_text(d)}",
                        formal,
                        help=f"{atom} alone is the size of no axis",
                    )


def _module_name(source: Source) -> str:
    """The name of a file without its folder and suffix, as a name of C."""
    stem = source.path.stem if source.path is not None else source.name.rsplit("/", 1)[-1].split(".")[0]
    word = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return word if word and not word[0].isdigit() else f"_{word}"
