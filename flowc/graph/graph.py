"""Graphs: the operations a program has made, their names and scopes, and how a call becomes one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from html import escape
from types import CodeType
from typing import TYPE_CHECKING, Any

from flowc.errors import CompileError, Diagnostic, Note, OpError, counted, did_you_mean
from flowc.graph.arguments import converted, keyword_arguments, positional_arguments
from flowc.graph.indexing import subscripted
from flowc.graph.places import Target, argument_span, assignment, assignment_within
from flowc.graph.tensor import Tensor
from flowc.graph.types import ElementType, Extent, TensorType, element_type, sizes_of
from flowc.ir import dims
from flowc.ir.core import Module, Namer, Op, Value, scope
from flowc.ir.dims import Dim, Polynomial, Size
from flowc.ir.types import Type
from flowc.ops.call import ArgumentError, built_ins, call, infix
from flowc.ops.elementwise import Cast
from flowc.ops.tensor import BuiltIn, Constant, Weight
from flowc.source import Span, python_location

if TYPE_CHECKING:
    from flowc.graph.scoped import VariableScope
    from flowc.graph.session import Session
    from flowc.graph.variables import Variable

Made = Value | Dim | tuple[Value, ...]
RUN = "RunNumber"  # the type of the operation that gives the number of a session's run
SHOWN = 50  # operations in a table
NAME = re.compile(r"[A-Za-z0-9_.][\w./-]*")


class Operation:
    """A node of a graph: what it takes, what it gives, and the ops of the IR that it made."""

    def __init__(self, graph: Graph, name: str, type: str, inputs: tuple[Tensor, ...], made: tuple[Op, ...], location: Span | None) -> None:
        self.graph, self.name, self.type = graph, name, type
        self.inputs, self.made, self.location = inputs, made, location
        self.inside: tuple[Op, ...] = ()  # the ops of its regions
        self.region: Region | None = None  # the branch or body it stands in
        self.device = graph.device_now
        self.control_inputs = graph.after
        self.position = len(graph.operations)
        self.outputs: tuple[Tensor, ...] = ()

    @property
    def roots(self) -> tuple[Value, ...]:
        """The tokens of what it does beside giving results."""
        return tuple(op.token for op in self.made if op.token is not None)

    def run(self, feed_dict: Mapping[Any, Any] | None = None, session: Session | None = None) -> None:
        """Does it in `session`, or in the one that a `with` statement around this makes the default."""
        (session or self.graph.default_session()).run(self, feed_dict)

    def __repr__(self) -> str:
        return f'Operation("{self.name}", type={self.type})'


class Region:
    """A branch or a loop's body under construction; its tensors mean nothing outside it."""

    def __init__(self, of: str, start: int) -> None:
        self.of, self.start = of, start


class Graph:
    """Operations in the order they were made, each under a name of its own."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.variables: list[Variable] = []
        self.made: list[Op] = []
        self.sizes: dict[str, tuple[Size, Span | None]] = {}
        self.regions: list[Region] = []
        self.outermost: CodeType | None = None  # of the frame that traces a function into this graph
        self.finalized = False
        self.seed = 0  # of random tensors
        self.variable_scope: VariableScope | None = None
        self.scope_now = ""
        self.device_now = ""
        self.after: tuple[Operation, ...] = ()
        self._by_name: dict[str, Operation] = {}
        self._scopes: dict[str, None] = {}
        self._next: dict[str, int] = {}
        self._namers: dict[tuple[CodeType, int], Namer] = {}

    def __repr__(self) -> str:
        return f"<Graph of {len(self.operations)} operations and {len(self.variables)} variables>"

    def _repr_html_(self) -> str:
        """A table of the first operations."""
        cells = [(o.name, o.type, ", ".join(str(x.value.type) for x in o.outputs)) for o in self.operations[:SHOWN]]
        rows = ["".join(f"<td>{escape(text)}</td>" for text in row) for row in cells]
        rows += [f'<td colspan="3">and {len(self.operations) - SHOWN} more</td>'] * (len(self.operations) > SHOWN)
        head = "<tr><th>operation</th><th>type</th><th>results</th></tr>"
        return f"<table>{head}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"

    @contextmanager
    def as_default(self) -> Generator[Graph]:
        """Inside, what is built goes into this graph."""
        token = _DEFAULT.set(self)
        try:
            yield self
        finally:
            _DEFAULT.reset(token)

    def get_operations(self) -> list[Operation]:
        return list(self.operations)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation; raises `CompileError` where there is none."""
        if name not in self._by_name:
            raise self.wrong(f"the graph has no operation {name}", help=did_you_mean(name, self._by_name))
        return self._by_name[name]

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor `operation:index`; raises `CompileError` where there is none."""
        operation, colon, index = name.rpartition(":")
        if not colon or not index.isdigit():
            raise self.wrong(f'"{name}" names no tensor', help=f'a tensor is an operation and one of its results: "{name}:0"')
        found = self.get_operation_by_name(operation)
        if int(index) >= len(found.outputs):
            raise self.wrong(f"{operation} has {counted(len(found.outputs), 'result')}, none is number {index}")
        return found.outputs[int(index)]

    def finalize(self) -> None:
        """From here on nothing can be added."""
        self.finalized = True

    @contextmanager
    def name_scope(self, name: str) -> Generator[str]:
        """Inside, names begin with `name/`; a second scope of that name is `name_1/`, one that ends in `/` is entered again."""
        outer = self.scope_now
        if name and not name.endswith("/"):
            name = self.free_name(name) + "/"
            self._scopes[name[:-1]] = None
        self.scope_now = name
        try:
            yield name
        finally:
            self.scope_now = outer

    @contextmanager
    def device(self, name: str) -> Generator[None]:
        """Inside, operations are placed on the device: `cpu:0`, `cuda:1`, also spelled `/cpu:0`, `/device:GPU:1`."""
        outer, self.device_now = self.device_now, _device(name)
        try:
            yield
        finally:
            self.device_now = outer

    @contextmanager
    def control_dependencies(self, operations: Sequence[Operation | Tensor]) -> Generator[None]:
        """What is made inside is run only together with `operations`."""
        outer = self.after
        self.after = (*outer, *(x.op if isinstance(x, Tensor) else x for x in operations))
        try:
            yield
        finally:
            self.after = outer

    @contextmanager
    def region(self, of: str) -> Generator[Region]:
        """Inside, tensors belong to a branch or a body of `of`."""
        region = Region(of, len(self.made))
        self.regions.append(region)
        try:
            yield region
        finally:
            self.regions.pop()

    def free_name(self, name: str) -> str:
        """The full name that an operation called `name` would get here."""
        if not NAME.fullmatch(name):
            raise self.wrong(f'a name is made of letters, digits and _ . / -, which "{name}" is not')
        return self._unique(self.scope_now + name)

    def assignment(self) -> Target | None:
        """The variables that the user's statement assigns to."""
        return assignment() if self.outermost is None else assignment_within(self.outermost)

    @property
    def module(self) -> Module:
        """All of the graph as one function, `run`: it takes every placeholder and gives every tensor that nothing reads."""
        from flowc.graph.lower import whole

        return whole(self)

    def default_session(self) -> Session:
        session = SESSION.get()
        if session is None:
            raise self.wrong("there is no session to run in", help="write `with Session():` around it, or pass session=")
        return session

    def call(self, built_in: str, positional: Sequence[Any], keyword: dict[str, Any], name: str | None = None) -> Any:
        """What the built-in of that name, or meant by that operator, gives."""
        cls = built_ins()[built_in] if built_in[0].isalpha() else infix(built_in)
        return self.apply(cls, positional, keyword, name)

    def apply(self, cls: type[BuiltIn], positional: Sequence[Any], keyword: dict[str, Any], name: str | None = None) -> Any:
        """The built-in's results as tensors, or the size it gives; raises `CompileError` at the user's line."""
        inputs = tuple(tensors([*positional, *keyword.values()]))

        def make() -> Made:
            given = positional_arguments(cls, positional, self.value_of)
            return call(cls, given, keyword_arguments(cls, keyword, self.value_of))

        return self.record(cls.__name__, inputs, make, name, constants=True)

    def as_tensor(self, x: Any, dtype: Any = None, name: str | None = None) -> Tensor:
        """x itself, or the constant that a number, a list or an array is, as `dtype` where that is given."""
        if isinstance(x, Tensor) and dtype is None:
            return x
        wanted = None if dtype is None else element_type(dtype).ir
        return self.record("Const", tuple(tensors(x)), lambda: converted(x, wanted, self.value_of), name, inner=True)

    def cast(self, x: Tensor, dtype: ElementType, name: str | None = None) -> Tensor:
        value = self.value_of
        return self.record("Cast", (x,), lambda: x.value if x.dtype == dtype else Cast(value(x), dtype.ir).result, name)

    def subscript(self, x: Tensor, key: Any, name: str | None = None) -> Tensor:
        """The elements of x that NumPy's index `key` means."""
        return self.record("Slice", tuple(tensors([x, key])), lambda: subscripted(self.value_of(x), key, self.value_of), name)

    def record(
        self,
        type: str,
        inputs: Sequence[Tensor],
        make: Callable[[], Made],
        name: str | None = None,
        constants: bool = False,
        inner: bool = False,
    ) -> Any:
        """What `make` gives, as results of an operation.

        With `constants`, the numbers it was given are operations too; `inner` is what the user's statement does not give itself.
        """
        self._check_open(type)
        place = python_location()
        full = self.free_name(name or type)
        target = None if name else self.assignment()
        if target is not None and inner:
            target = replace(target, direct=False)
        namer = self._namer(full if name else "", target)
        start = len(self.made)
        try:
            with scope(place, self.device_now, namer, self.made):
                made = make()
        except OpError as error:
            del self.made[start:]
            raise self._mistake(error, place, inputs) from None
        if not isinstance(made, Value | tuple):
            return made
        values = made if isinstance(made, tuple) else (made,)
        values = self._renamed(values, self._hints(name, full, target, len(values)), start)
        taken = tuple(inputs)
        apart = dict(_literals(values, self.made[start:])) if constants else {}
        for formal, op in apart.items():
            taken += self._enter(f"{full}/{formal}", "Const", (), (op,), op.results, place).outputs
        ops = tuple(op for op in self.made[start:] if op not in apart.values())
        found = self._enter(full, type, taken, ops, values, place)
        return found.outputs if isinstance(made, tuple) else found.outputs[0]

    def enter(self, type: str, inputs: Sequence[Tensor], name: str, made: Sequence[Op] = (), values: Sequence[Value] = ()) -> Operation:
        """The operation that made the ops `made` and has the results `values`."""
        self._check_open(type)
        return self._enter(self.free_name(name), type, tuple(inputs), tuple(made), tuple(values), python_location())

    def _enter(
        self, full: str, type: str, inputs: tuple[Tensor, ...], made: tuple[Op, ...], values: tuple[Value, ...], place: Span | None
    ) -> Operation:
        operation = Operation(self, self._unique(full), type, inputs, made, place)
        region = self.regions[-1] if self.regions else None
        operation.region = region
        operation.outputs = tuple(Tensor(operation, n, v, region) for n, v in enumerate(values))
        self.operations.append(operation)
        self._by_name[operation.name] = operation
        return operation

    def value_of(self, x: Tensor) -> Value:
        """What the tensor stands for here; raises `OpError` for one of another graph or of a branch that is closed."""
        if x.graph is not self:
            raise OpError(f"{x.called} belongs to another graph", help="build both sides in one graph, or feed the one to the other")
        if x.region is not None and x.region not in self.regions:
            raise OpError(f"{x.called} was made inside a {x.region.of}, and means nothing outside it", help="return it from there")
        return x.value

    def type_of(self, given: TensorType, owner: str) -> Type:
        """The type, its named sizes being those of the graph; a size without a name is named after `owner` and its axis."""
        shape = [self.size_of(d, owner, axis) for axis, d in enumerate(given.shape) if d is not ...]
        return Type(given.element.ir, tuple(shape))

    def size_of(self, d: Extent, owner: str, axis: int = 0) -> Dim:
        """The extent as a size of the graph."""
        match d:
            case int():
                return d
            case None:
                base = f"{re.sub(r'[^0-9A-Za-z_]', '_', owner)}_{axis}"
                return self._named_size(Size(next(n for n in numbered(base) if n not in self.sizes)))
            case str() if d in self.sizes:
                return dims.dim(self.sizes[d][0])
            case str() if d.isidentifier():
                return self._named_size(Size(d))
            case str():
                raise self.wrong(f'the name of a size is an identifier, not "{d}"')
            case Polynomial():
                for size in sizes_of((d,)):
                    self._named_size(size)
                return d

    def _named_size(self, size: Size) -> Dim:
        known, place = self.sizes.setdefault(size.name, (size, python_location()))
        if known != size:
            notes = (Note(f"here {known.name} is {_range(known)}", place),)
            raise self.wrong(f"the size {size.name} is {_range(size)} here, and another elsewhere", notes=notes)
        return dims.dim(size)

    def wrong(self, message: str, help: str = "", notes: tuple[Note, ...] = ()) -> CompileError:
        """The error at the user's line."""
        return CompileError((Diagnostic(message, python_location(), notes, help=help),))

    def _mistake(self, error: OpError, place: Span | None, inputs: Sequence[Tensor]) -> CompileError:
        if isinstance(error, ArgumentError) and place is not None:
            place = argument_span(place, error.argument)
        notes = [Note(text, at) for text, at in error.notes if isinstance(at, Span)]
        for x in dict.fromkeys(inputs):
            at = x.op.location
            if at is not None and (place is None or (at.source.name, at.line) != (place.source.name, place.line)):
                notes.append(Note(f"{x.called} is {x.value.type}", at))
        return CompileError((Diagnostic(str(error), place, tuple(notes), help=_in_python(error.help)),))

    def _check_open(self, type: str) -> None:
        if self.finalized:
            raise self.wrong(f"the graph is final, so {type} cannot be added")

    def _unique(self, full: str) -> str:
        if full not in self._by_name and full not in self._scopes:
            return full
        for n in range(self._next.get(full, 1), len(self._by_name) + len(self._scopes) + 2):
            if f"{full}_{n}" not in self._by_name and f"{full}_{n}" not in self._scopes:
                self._next[full] = n
                return f"{full}_{n}"
        raise AssertionError(full)

    def _namer(self, name: str, target: Target | None) -> Namer | None:
        """Names for the ops of the statement being evaluated: the user's name for it, or the variable it assigns to."""
        if name:
            return Namer(_hint(name))
        if target is None:
            return None
        namer = self._namers.setdefault(target.statement, Namer(_hint(self.scope_now + target.names[0])))
        if target.direct:
            del self._namers[target.statement]
        return namer

    def _hints(self, name: str | None, full: str, target: Target | None, count: int) -> tuple[str, ...]:
        if name:
            return (_hint(full),) * count
        if target is None or not target.direct:
            return ("",) * count
        names = tuple(_hint(self.scope_now + n) for n in target.names)
        return names if len(names) == count else names[:1] * count

    def _renamed(self, values: tuple[Value, ...], hints: tuple[str, ...], start: int) -> tuple[Value, ...]:
        """The values under their names, where they were made since `start` and nothing else that was made since then uses them."""
        since = self.made[start:]
        used = {v for op in since for v in op.uses}
        found = list(values)
        for n, (value, hint) in enumerate(zip(values, hints, strict=True)):
            if not hint or value.op is None or value.op not in since or value in used:
                continue
            whole = value.op.results == values
            new = replace(value.op, hints=hints if whole else (hint,))
            self.made[start + since.index(value.op)] = new
            if whole:
                return new.results
            found[n] = new.results[value.op.results.index(value)]
        return tuple(found)


def tensors(given: Any) -> Iterator[Tensor]:
    """The tensors in nested lists, and in slices, in order."""
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, list | tuple):
        for item in given:  # pyright: ignore[reportUnknownVariableType]
            yield from tensors(item)
    elif isinstance(given, slice):
        yield from tensors([given.start, given.stop, given.step])  # pyright: ignore[reportUnknownMemberType]


def _literals(values: tuple[Value, ...], made: Sequence[Op]) -> Iterator[tuple[str, Op]]:
    """The constants among `made` that are operands of the first result, each with the name of its formal."""
    last = values[0].op if values else None
    if last is None:
        return
    for formal, value in last.of_kind("operand").items():
        if isinstance(value.op, Constant | Weight) and value.op in made:
            yield formal, value.op


def _device(name: str) -> str:
    """The device as the IR spells it."""
    found = re.fullmatch(r"/?(?:device:)?(cpu|gpu|cuda)(?::(\d+))?", name, re.IGNORECASE)
    return name if found is None else f"{found[1].lower().replace('gpu', 'cuda')}:{found[2] or 0}"


def _in_python(help: str) -> str:
    """Advice given in the language's words, in those of Python: `x as f32` is `x.astype(f32)`."""
    help = help.replace("write `limit n` behind its condition", "pass maximum_iterations=")
    return re.sub(r"(\w+|\.\.\.) as (\w+)", lambda m: f"{'x' if m[1] == '...' else m[1]}.astype({m[2]})", help)


def _hint(name: str) -> str:
    return name.replace("/", ".")


def numbered(base: str) -> Iterator[str]:
    """`base`, `base_1`, `base_2` and so on."""
    yield base
    for n in range(1, 1 << 30):
        yield f"{base}_{n}"


def _range(size: Size) -> str:
    return f"{size.low}..{'' if size.high is None else size.high}"


SESSION: ContextVar[Session | None] = ContextVar("session", default=None)
_DEFAULT: ContextVar[Graph] = ContextVar("graph")


def get_default_graph() -> Graph:
    """The graph that what is built goes into: the innermost `as_default`, else one of this context."""
    found = _DEFAULT.get(None)
    if found is None:
        found = Graph()
        _DEFAULT.set(found)
    return found


def reset_default_graph() -> None:
    """The default graph is a new, empty one."""
    _DEFAULT.set(Graph())
