"""A program as a Python object: its graphs are functions on arrays, compiled when first called and kept on disk by content."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowc.cache import Cache, compiler, default_folder, key_of
from flowc.errors import UsageError, did_you_mean
from flowc.options import Options
from flowc.source import Source, Span
from flowc.target import host

if TYPE_CHECKING:
    from flowc.executable import Linked
    from flowc.ir.core import Module
    from flowc.stages import Compiled, Observer


def load(path: str | os.PathLike[str], options: Options | None = None) -> Model:
    """The program in a `.flow` file.

    Raises `FileNotFoundError`, and `CompileError` with every mistake in the file.
    """
    file = Path(path)
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        from flowc.lang.parse import read

        return Model(read(file, file.name), options)
    return Model(Source(file.name, text, file), options)


def loads(text: str, options: Options | None = None, name: str = "<text>") -> Model:
    """The program `text`; its imports have no folder.  Raises `CompileError` with every mistake in it."""
    return Model(Source(name, text), options)


def compile(what: Any, graph: str = "", options: Options | None = None) -> Executable:
    """One graph, compiled: of a program text, a traced function, a module, or a builder's fetch; `graph` names it where there are several.

    Raises `CompileError` for mistakes in the program, `UsageError` where `graph` is needed or unknown.
    """
    from flowc.ir.core import Module

    match what:
        case str():
            model = loads(what, options)
        case Module():
            model = Model(what, options)
        case _ if isinstance(getattr(what, "module", None), Module):
            model = Model(what.module, options)
        case _:
            raise UsageError(f"{what!r:.60} of type {type(what).__name__} cannot be compiled: pass a text, a function, or a module")
    if not graph and len(model.graphs) != 1:
        raise UsageError(f"the program has the graphs {', '.join(model.graphs) or '(none)'}: say which with graph=")
    if graph and graph not in model.graphs:
        near = did_you_mean(graph, model.graphs)
        raise UsageError(f"the program has no graph {graph}" + (f", {near}" if near else f": it has {', '.join(model.graphs)}"))
    made = model[graph or model.graphs[0]]
    assert model.linked
    return made


class Model:
    """`model.<graph>(...)` runs a graph; `params` and `state` are the arrays it keeps, assignable by name."""

    def __init__(self, program: Source | Module, options: Options | None = None, observe: Observer | None = None) -> None:
        """`observe` is told what each stage leaves, where the program is compiled rather than found."""
        self._options, self._observe = options or Options(), observe
        self._opened: dict[Path, str] = {}  # what the program imports, with its hash when it was opened
        self._source = program if isinstance(program, Source) else None
        self._module: Module | None = None if isinstance(program, Source) else program
        self._name = program.name
        self._compiled: Compiled | None = None
        self._linked: Linked | None = None
        self._linking = threading.Lock()
        self._executables: dict[str, Executable] = {}
        self._entry = self._cached() if self._options.cache else None
        names = self._entry["graphs"] if self._entry else [f.name for f in self.module.funcs if f.name != "init" or not self.module.states]
        self.graphs: tuple[str, ...] = tuple(names)

    @property
    def module(self) -> Module:
        """The program's IR, at graph level."""
        if self._module is None:
            from flowc.stages import elaborated

            assert self._source is not None
            self._module = elaborated(self._source, self._options, opened=self._note)
            if self._observe:
                self._observe("elaborate", self._module)
        return self._module

    @property
    def compiled(self) -> Compiled:
        """The program after every stage."""
        if self._compiled is None:
            from flowc.stages import compiled

            self._compiled = compiled(self.module, self._options, self._observe)
        return self._compiled

    @property
    def linked(self) -> Linked:
        """The program's code in this process: one, whatever threads ask for it first, since it holds the state."""
        if self._linked is None:
            with self._linking:
                if self._linked is None:
                    self._linked = self._from_entry() if self._entry else self._from_stages()
        return self._linked

    @property
    def params(self) -> MutableMapping[str, Any]:
        """The trainable arrays by name."""
        return self.linked.model.params

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The other arrays kept between runs, by name."""
        return self.linked.model.state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes params and states to a safetensors file, whole or not at all."""
        from flowc.checkpoint import save

        self.linked.model.complete()
        save({**self.params, **self.state}, Path(path))

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Takes params and states from a safetensors file; raises `UsageError` telling every name, shape and dtype that does not fit."""
        from flowc.checkpoint import restore

        restore((self.params, self.state), Path(path))

    def specialize(self, **dims: int) -> Model:
        """The program with sizes fixed; raises `UsageError` for a size it does not have, or out of its range."""
        options = replace(self._options, dims={**self._options.dims, **dims})
        made = Model(self._source or self.module, options)
        assert made.linked
        return made

    def ir(self, stage: str = "elaborate") -> str:
        """The program's text after a stage: IR, formatted `.flow` after read, LLVM text after emit."""
        from flowc.ir.printer import print_module
        from flowc.stages import STAGE_NAMES, compiled, elaborated

        if stage not in STAGE_NAMES or (stage == "read" and self._source is None):
            raise UsageError(f"there is no stage {stage} here: the stages are {', '.join(STAGE_NAMES[self._source is None :])}")
        texts: dict[str, str] = {}

        def observe(name: str, what: Module | str) -> None:
            texts[name] = what if isinstance(what, str) else print_module(what)

        if self._source is not None and stage in ("read", "elaborate"):
            elaborated(self._source, self._options, observe)
        elif stage == "elaborate":
            observe(stage, self.module)
        else:
            compiled(self.module, self._options, observe, stop=stage)
        return texts[stage]

    def write(self, path: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Writes an artefact of the kind its suffix names, for the target of the options; gives the paths written."""
        from flowc.codegen.artifact import write
        from flowc.ir.printer import print_module
        from flowc.stages import compiled

        file = Path(path)
        if file.suffix == ".fir":
            file.write_text(print_module(self.module), encoding="utf-8")
            return (file,)
        planned = compiled(self.module, self._options, stop="plan")
        return write(replace(planned.module, name=file.stem), file, self._options.target or host(), self._options.weights)

    def __getattr__(self, name: str) -> Executable:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __getitem__(self, name: str) -> Executable:
        """The graph of that name, also where a model has something else of that name; raises `KeyError` where there is none."""
        if name not in self.graphs:
            near = did_you_mean(name, self.graphs)
            listed = ", ".join(self.graphs) or "none"
            raise KeyError(f"{self._name} has no graph {name}" + (f", {near}" if near else "") + f" (its graphs: {listed})")
        if name not in self._executables:
            self._executables[name] = Executable(self, name)
        return self._executables[name]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.graphs]

    def __repr__(self) -> str:
        return f"<flowc.Model {self._name}: {', '.join(self.graphs)}>"

    # The cache

    def _key(self) -> str:
        options = replace(self._options, cache=False, threads=None)
        return key_of(compiler(), version("llvmlite"), repr(host()), repr(options), self._name, self._text())

    def _text(self) -> str:
        """What the program is: its text, or its IR with the places that errors name."""
        if self._source is not None:
            return self._source.text
        from flowc.ir.printer import print_module

        return print_module(self.module, locations=True)

    def _store(self) -> Cache:
        folder = self._options.cache
        return Cache(folder if isinstance(folder, Path) else default_folder())

    def _cached(self) -> dict[str, Any] | None:
        """The entry of this text, if the files it imports are as they were."""
        data = self._store().get(self._key())
        if data is None:
            return None
        entry: dict[str, Any] = json.loads(data)
        folder = self._folder()
        return entry if all(folder and _hash(folder / path) == digest for path, digest in entry["files"].items()) else None

    def _folder(self) -> Path | None:
        """Where what the program imports is looked for; the same text in another folder may import other files."""
        return self._source.path.resolve().parent if self._source is not None and self._source.path is not None else None

    def _note(self, path: Path) -> None:
        self._opened[path] = _hash(path) if self._options.cache else ""

    def _from_entry(self) -> Linked:
        from flowc.executable import Site, link

        assert self._entry is not None
        sources = [_after_blank(*source) for source in self._entry["sources"]]
        told: list[tuple[int | None, int, int, str]] = self._entry["sites"]
        sites = tuple(Site(None if n is None else Span(sources[n], begin, end), what) for n, begin, end, what in told)
        return link(base64.b85decode(self._entry["code"]), self._entry["description"], sites, self._options.threads)

    def _from_stages(self) -> Linked:
        from flowc.codegen.interface import description
        from flowc.executable import linked, sites_of

        made = self.compiled
        assert made.interface is not None
        if self._options.cache and made.interface.place == "inside":
            sites = sites_of(made)
            sources = list(dict.fromkeys(site.span.source for site in sites if site.span is not None))
            places = [(sources.index(site.span.source), site.span.begin, site.span.end) if site.span else (None, 0, 0) for site in sites]
            entry = {
                "graphs": self.graphs,
                "files": {os.path.relpath(path, self._folder()): digest for path, digest in self._opened.items()},
                "description": description(made.interface),
                "sources": [(source.name, *_blank_and_rest(source.text)) for source in sources],
                "sites": [(*place, site.what) for place, site in zip(places, sites, strict=True)],
                "code": base64.b85encode(made.code).decode(),
            }
            self._store().put(self._key(), json.dumps(entry).encode())
        return linked(made, self._options.threads)


class Executable:
    """One graph of a model, numpy in and numpy out; compiled at the first call."""

    __slots__ = ("__call__", "model", "name")

    def __init__(self, model: Model, name: str) -> None:
        self.model, self.name = model, name
        self.__call__ = self._first

    def _first(self, *args: Any, **named: Any) -> Any:
        model = self.model.linked.model
        model.complete()
        try:
            self.__call__ = model[self.name]
        except KeyError:
            raise UsageError(self._uncallable()) from None
        return self.__call__(*args, **named)

    def _uncallable(self) -> str:
        """Why Python cannot call the graph: its inputs do not say all its sizes."""
        from flowc.codegen.signature import reads

        assert self.model.compiled.interface is not None
        try:
            reads(next(s for s in self.model.compiled.interface.all if s.name == self.name))
        except ValueError as error:
            return f"{error}; fix it with specialize()"
        raise AssertionError(self.name)

    def specialize(self, **dims: int) -> Executable:
        """The graph with sizes fixed; raises `UsageError` for a size it does not have, or out of its range."""
        return self.model.specialize(**dims)[self.name]

    @property
    def memory(self) -> int | str:
        """Bytes of workspace a run takes: a number, or a formula in the sizes."""
        from flowc.ir.dims import show

        peak = self._plan.body.params[-1].type.shape[0]
        return peak if isinstance(peak, int) else show(peak)

    def memory_at(self, **sizes: int) -> int:
        """Bytes of workspace a run with these sizes takes."""
        known = [s.name for s in self._sizes]
        if unknown := [n for n in sizes if n not in known]:
            raise UsageError(f"{self.name} has no size {unknown[0]}: its sizes are {', '.join(known) or '(none)'}")
        if missing := [n for n in known if n not in sizes]:
            raise UsageError(f"{self.name} takes memory by its sizes {', '.join(known)}: say {missing[0]}, too")
        return self.model.linked.model.memory[self.name](**sizes)

    @property
    def kernels(self) -> tuple[str, ...]:
        """The kernels the graph launches, in order."""
        from flowc.ir.core import walk
        from flowc.ops.plan import Launch

        return tuple(dict.fromkeys(str(op.kernel) for op in walk(self._plan.body) if isinstance(op, Launch)))

    def ir(self, stage: str = "elaborate") -> str:
        """The program's text after a stage."""
        return self.model.ir(stage)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the program as an artefact of the kind its suffix names, with its C header."""
        self.model.write(path)

    @property
    def _plan(self) -> Any:
        return self.model.compiled.module.func(self.name)

    @property
    def _sizes(self) -> tuple[Any, ...]:
        from flowc.ir.printer import sizes

        return sizes(self.model.module.func(self.name))

    def __repr__(self) -> str:
        return f"<flowc.Executable {self.name}>"


def _blank_and_rest(text: str) -> tuple[int, str]:
    """How many empty lines a text begins with, which are all that stands above an excerpt of Python; and what follows."""
    rest = text.lstrip("\n")
    return len(text) - len(rest), rest


def _after_blank(name: str, blank: int, rest: str) -> Source:
    return Source(name, "\n" * blank + rest)


def _hash(path: Path) -> str:
    """The SHA-256 of a file; "" for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
