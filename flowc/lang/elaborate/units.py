"""One file: what it declares by name, and what it imports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from flowc.errors import CompileError, Note
from flowc.ir.core import Symbol, Value
from flowc.ir.data import Blob
from flowc.ir.types import Type
from flowc.lang import ast
from flowc.lang.elaborate.report import Mistake, Report, missing
from flowc.lang.parse import parse, read
from flowc.lang.weights import WeightError, WeightFile, open_weights, sha256
from flowc.ops.tensor import Weight
from flowc.source import Source, Span

MAX_FILES = 1_000  # of one program
D = TypeVar("D", bound=ast.Item)
Declaration = ast.Dim | ast.Const | ast.Param | ast.State | ast.Device | ast.Import


@dataclass(frozen=True)
class Arrays:
    """A weight file under its name in the program."""

    name: str
    file: WeightFile
    blobs: dict[str, Blob] = field(default_factory=dict[str, Blob])

    def weight(self, key: str) -> Value:
        """The array as a constant named as in the program."""
        stored = self.file.arrays[key]
        if key not in self.blobs:
            self.blobs[key] = Blob.of(stored.load(), stored.dtype)
        symbol = f"{self.name}.{key}"
        return Weight(Symbol(symbol), self.blobs[key], Type(stored.dtype, stored.shape), hints=(symbol,)).result


@dataclass(frozen=True, eq=False)
class Unit:
    """A file's declarations; functions and graphs have names of their own.  `path` is what its names begin with elsewhere."""

    source: Source
    program: ast.Program
    path: str
    values: Mapping[str, Declaration]
    functions: Mapping[str, ast.Fn | ast.Graph]
    imports: Mapping[str, Arrays | Unit]

    def states(self) -> Iterator[ast.Param | ast.State]:
        """Every param and state the file declares, in order."""
        yield from (d for d in self.values.values() if isinstance(d, ast.Param | ast.State))

    def all(self) -> Iterator[Unit]:
        """This file and those it imports, this one first."""
        yield self
        for imported in self.imports.values():
            if isinstance(imported, Unit):
                yield from imported.all()


@dataclass
class Loader:
    """Reads a file and what it imports; each mistake goes to the report."""

    report: Report
    outside: bool = False  # imports may leave the file's folder
    opened: Callable[[Path], None] | None = None  # told of each file
    open: list[Path] = field(default_factory=list[Path])
    files: int = 0

    def unit(self, program: ast.Program, source: Source, path: str = "") -> Unit:
        values: dict[str, Declaration] = {}
        functions: dict[str, ast.Fn | ast.Graph] = {}
        imports: dict[str, Arrays | Unit] = {}
        for item in program.items:
            match item:
                case ast.Dim():
                    for name in item.names:
                        self._declare(values, name, item)
                case ast.Const() | ast.Param() | ast.State() | ast.Device():
                    self._declare(values, item.name, item)
                case ast.Import():
                    self._declare(values, item.name, item)
                    self._attempt(lambda item=item: self._load(imports, item, source, path))
                case ast.Fn() | ast.Graph():
                    self._declare(functions, item.name, item)
                case ast.Test():
                    pass
        return Unit(source, program, path, values, functions, imports)

    def _attempt(self, load: Callable[[], None]) -> None:
        try:
            load()
        except Mistake as mistake:
            self.report.add(mistake)

    def _declare(self, declared: dict[str, D], name: ast.Name, item: D) -> None:
        if name.text in declared:
            note = Note(f"{name.text} is declared here first", place(declared[name.text], name.text))
            self.report.add(Mistake(f"{name.text} is declared twice", name.span, (note,)))
        else:
            declared[name.text] = item

    def _load(self, imports: dict[str, Arrays | Unit], item: ast.Import, source: Source, path: str) -> None:
        name = f"{path}{item.name.text}"
        match item.kind:
            case "weights":
                imports[item.name.text] = Arrays(name, self._weights(item, self._file(item, source)))
            case "flow":
                imports[item.name.text] = self._other(item, self._file(item, source), f"{name}.")
            case other:
                raise missing(f"import {other}", item.span)

    def _file(self, item: ast.Import, source: Source) -> Path:
        """The path of an import, which stays in the folder of the file that names it."""
        if source.path is None:
            raise Mistake(
                f'"{item.path.value}" is relative to the file, and this text is in none', item.path.span, help="load the text from a file"
            )
        folder = source.path.resolve().parent
        path = (folder / item.path.value).resolve()
        if not self.outside and not path.is_relative_to(folder):
            raise Mistake(f'"{item.path.value}" leaves the folder of {source.name}', item.path.span, help="the caller may allow it")
        if not path.is_file():
            raise Mistake(f'there is no file "{item.path.value}"', item.path.span)
        if self.opened:
            self.opened(path)
        return path

    def _weights(self, item: ast.Import, path: Path) -> WeightFile:
        try:
            if item.sha256 is not None and (found := sha256(path)) != item.sha256.value.lower():
                raise Mistake(
                    f'"{item.path.value}" has another hash than stated', item.sha256.span, (), f"stated {item.sha256.value}, found {found}"
                )
            return open_weights(path)
        except WeightError as error:
            raise Mistake(str(error), item.path.span) from None

    def _other(self, item: ast.Import, path: Path, prefix: str) -> Unit:
        self.files += 1
        if path in self.open:
            raise Mistake(f'"{item.path.value}" imports itself', item.path.span)
        if self.files > MAX_FILES:
            raise self.report.refuse(f"the program has more than {MAX_FILES:,} files", item.span)
        try:
            if item.sha256 is not None and (found := sha256(path)) != item.sha256.value.lower():
                raise Mistake(
                    f'"{item.path.value}" has another hash than stated', item.sha256.span, (), f"stated {item.sha256.value}, found {found}"
                )
            source = read(path, path.name)
        except WeightError as error:
            raise Mistake(str(error), item.path.span) from None
        except OSError as error:
            raise Mistake(f'"{item.path.value}" cannot be read: {error.strerror or error}', item.path.span) from None
        except CompileError as error:
            (wrong,) = error.diagnostics
            raise Mistake(wrong.message, wrong.span, (Note("it is imported here", item.path.span),)) from None
        self.open.append(path)
        try:
            return self.unit(parse(source), source, prefix)
        except CompileError as error:
            for diagnostic in error.diagnostics:
                self.report.add(Mistake(diagnostic.message, diagnostic.span, diagnostic.notes, diagnostic.help))
            raise Mistake(f'"{item.path.value}" has errors', item.path.span) from None
        finally:
            self.open.pop()


def place(item: ast.Item, name: str) -> Span:
    """Where a declaration names `name`."""
    match item:
        case ast.Dim(names):
            return next(n.span for n in names if n.text == name)
        case ast.Test():
            return item.title.span
        case _:
            return item.name.span
