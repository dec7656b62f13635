"""Shared libraries: the object and the thread pool, joined by the system's linker or by the one in the extra `flowc[link]`."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flowc.codegen import native
from flowc.errors import UsageError
from flowc.target import Target, host
from flowc_runtime.machine import UnsupportedTarget
from flowc_runtime.pool_text import pool_text

COMPILERS = ("cc", "gcc", "clang")
POOL = ("flow_pool_create", "flow_pool_destroy", "flow_pool_forked")


def link(code: bytes, path: Path, target: Target, symbols: Sequence[str]) -> None:
    """Writes the shared library of an object; raises `UsageError` where there is no linker for the target, or it fails."""
    with tempfile.TemporaryDirectory() as folder:
        objects = [Path(folder) / "model.o"]
        objects[0].write_bytes(code)
        exported = list(symbols)
        if path.suffix != ".wasm" and (pool := _pool(target)) is not None:
            objects.append(Path(folder) / "pool.o")
            objects[1].write_bytes(pool)
            exported += POOL
        command = [*linker(path.suffix, target), *_flags(path, exported), "-o", str(path.resolve()), *(o.name for o in objects)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise UsageError(f"linking {path.name} failed: {' '.join(command)}\n{done.stderr.strip()}")


def linker(suffix: str, target: Target) -> list[str]:
    """The command that links for the target."""
    if suffix == ".wasm":
        if found := shutil.which("wasm-ld"):
            return [found]
        if _zig():
            return [sys.executable, "-m", "ziglang", "wasm-ld"]
        raise UsageError('there is no linker for WebAssembly here: wasm-ld, or pip install "flowc[link]"')
    if _same_machine(target.triple, host().triple):
        for name in COMPILERS:
            if found := shutil.which(name):
                return [found]
    if _zig():
        return [sys.executable, "-m", "ziglang", "cc", "-target", _zig_target(target.triple)]
    raise UsageError(f'there is no linker for {target.triple} here: a C compiler ({", ".join(COMPILERS)}), or pip install "flowc[link]"')


def _flags(path: Path, exported: Sequence[str]) -> list[str]:
    match path.suffix:
        case ".wasm":
            return ["--no-entry", "--export-memory", *(f"--export={s}" for s in exported)]
        case ".dylib":
            return ["-dynamiclib", f"-Wl,-install_name,@rpath/{path.name}"]
        case ".dll":
            return ["-shared"]
        case _:
            return ["-shared", "-nostartfiles", "-pthread", "-Wl,--build-id=none", f"-Wl,-soname,{path.name}"]


def _pool(target: Target) -> bytes | None:
    """The object of the pool, None for a machine it does not run on."""
    try:
        text = pool_text(target.triple)
    except UnsupportedTarget:
        return None
    return native.optimise_and_emit(text, target)


def _zig() -> bool:
    return importlib.util.find_spec("ziglang") is not None


def _same_machine(one: str, other: str) -> bool:
    """Whether two triples name the same processor and system."""
    (a, *rest), (b, *others) = one.split("-"), other.split("-")
    return a == b and _system(rest) == _system(others)


def _system(parts: Sequence[str]) -> str:
    known = ("linux", "darwin", "macos", "windows", "freebsd", "ios", "android")
    return next((name for name in known for part in parts if part.startswith(name)), "").replace("macos", "darwin")


def _zig_target(triple: str) -> str:
    """As zig spells a target: processor, system, interface."""
    processor, *rest = triple.split("-")
    system = {"darwin": "macos", "": "linux"}.get(_system(rest), _system(rest))
    abi = next((p for p in rest if p.startswith(("gnu", "musl", "msvc", "android"))), "gnu" if system in ("linux", "windows") else "")
    return "-".join(filter(None, (processor, system, abi)))
