"""What a compilation leaves on disk: objects, static and shared libraries, LLVM text, assembly, with the header beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowc.codegen import native
from flowc.codegen.archive import archive
from flowc.codegen.driver import emit
from flowc.codegen.header import header
from flowc.codegen.interface import Interface, interface, symbols
from flowc.codegen.link import link
from flowc.codegen.symbols import undefined_symbols
from flowc.codegen.weights import SMALL, filled
from flowc.errors import UsageError
from flowc.ir.core import Module
from flowc.target import Target

TEXTS = (".ll", ".s")
OBJECTS = (".o", ".obj")
LIBRARIES = (".so", ".dylib", ".dll", ".wasm")
SUFFIXES = (*OBJECTS, ".a", *LIBRARIES, *TEXTS)


@dataclass(frozen=True)
class Compiled:
    """An object file that needs nothing but itself, its header, what it offers."""

    code: bytes
    header: str
    interface: Interface
    target: Target

    @property
    def symbols(self) -> tuple[str, ...]:
        """What it defines for others."""
        return tuple(symbols(self.interface))


def compiled(module: Module, target: Target, place: str = "inside") -> Compiled:
    """A planned module as an object file.

    Raises `UsageError` for a target whose code needs functions of a library, or that reads the bytes of weights in another order.
    """
    found = interface(module, place)
    _check_order(found, target)
    code = native.optimise_and_emit(emit(module, target, place), target)
    needed = undefined_symbols(code)
    if needed:
        message = f"code for {target.triple} would need {', '.join(needed)} from outside, and an object of flowc needs nothing"
        raise UsageError(f"{message}: compile for a 64-bit processor, or for wasm32")
    if place == "inside" and found.weights.blobs:
        code = filled(code, found.weights)
    return Compiled(code, header(found), found, target)


def write(module: Module, path: Path, target: Target, place: str = "inside") -> tuple[Path, ...]:
    """Writes what the suffix of `path` names, the header, and separate weights; gives the paths.

    Raises `UsageError` for a suffix there is none for, and where weights cannot be part of a text.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"there is no output of kind {path.suffix or path.name}: the suffixes are {', '.join(SUFFIXES)}")
    if path.suffix in TEXTS:
        return _written_text(module, path, target, place)
    made = compiled(module, target, place)
    if path.suffix == ".a":
        path.write_bytes(archive(made.interface.prefix, made.code, made.symbols))
    elif path.suffix in LIBRARIES:
        link(made.code, path, target, made.symbols)
    else:
        path.write_bytes(made.code)
    return (path, *_beside(made, path))


def _beside(made: Compiled, path: Path) -> list[Path]:
    declarations = path.with_suffix(".h")
    declarations.write_text(made.header, encoding="utf-8")
    found = [declarations]
    if made.interface.place == "separate" and made.interface.weights.blobs:
        weights = path.with_suffix(".weights")
        weights.write_bytes(made.interface.weights.block())
        found.append(weights)
    return found


def _written_text(module: Module, path: Path, target: Target, place: str) -> tuple[Path, ...]:
    found = interface(module, place)
    _check_order(found, target)
    if place == "inside" and found.weights.bytes > SMALL:
        message = f"{found.weights.bytes} bytes of weights do not go into {path.suffix} text"
        raise UsageError(f"{message}: keep them apart with --weights separate")
    text = emit(module, target, place)
    path.write_text(text if path.suffix == ".ll" else native.assembly(text, target), encoding="utf-8")
    return (path,)


def _check_order(found: Interface, target: Target) -> None:
    if found.weights.blobs and native.layout(target.triple).startswith("E"):
        raise UsageError(f"{target.triple} has the largest byte of a number first, and weights are written with the smallest first")
