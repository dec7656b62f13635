"""Machines that code can be made for, as LLVM names them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager

import click

from flowc.cli.terminal import table
from flowc.errors import did_you_mean
from flowc.target import Target, host, named

# An architecture, a triple of it, and what it is.
TRIPLES = (
    ("x86_64", "x86_64-unknown-linux-gnu", "64-bit x86"),
    ("aarch64", "aarch64-unknown-linux-gnu", "64-bit ARM"),
    ("arm64", "arm64-apple-darwin", "64-bit ARM, Apple's name"),
    ("riscv64", "riscv64-unknown-linux-gnu", "64-bit RISC-V"),
    ("powerpc64le", "powerpc64le-unknown-linux-gnu", "64-bit PowerPC, little endian"),
    ("s390x", "s390x-unknown-linux-gnu", "64-bit IBM Z"),
    ("loongarch64", "loongarch64-unknown-linux-gnu", "64-bit LoongArch"),
    ("mips64el", "mips64el-unknown-linux-gnuabi64", "64-bit MIPS, little endian"),
    ("sparcv9", "sparcv9-unknown-linux-gnu", "64-bit SPARC"),
    ("wasm32", "wasm32-unknown-unknown", "WebAssembly"),
    ("wasm64", "wasm64-unknown-unknown", "WebAssembly, 64-bit addresses"),
    ("i686", "i686-unknown-linux-gnu", "32-bit x86"),
    ("arm", "armv7-unknown-linux-gnueabihf", "32-bit ARM"),
    ("riscv32", "riscv32-unknown-none-elf", "32-bit RISC-V"),
)


def listing() -> str:
    """The architectures that this LLVM has, with a triple of each."""
    here = host()
    rows = [(architecture, triple, what) for architecture, triple, what in TRIPLES if _llvm_has(triple)]
    own = f"This machine is {here.triple}, its CPU {here.cpu}. Any triple of LLVM's can be given; --cpu help lists the CPUs of one."
    return "\n".join([*table([("architecture", "a triple of it", ""), *rows]), "", own])


def chosen(triple: str, cpu: str, features: str) -> Target:
    """The machine that `--target --cpu --features` name; what LLVM does not know is wrong usage."""
    own = host()
    if not (triple or cpu or features):
        return own
    if triple and not _llvm_has(triple):
        architectures = [architecture for architecture, other, _ in TRIPLES if _llvm_has(other)]
        near = did_you_mean(triple.partition("-")[0], architectures)
        raise click.UsageError(f"LLVM has no target {triple}: {near or '--target help lists them'}")
    if cpu == "help":
        click.echo(_said(lambda: _machine(Target(triple or own.triple, "help"))))
        click.get_current_context().exit()
    target = named(triple or own.triple, cpu or ("" if triple else own.cpu), features)
    if complaint := _said(lambda: _machine(target)):
        kind, what = ("CPU", cpu) if "processor" in complaint.splitlines()[0] else ("feature", features)
        raise click.UsageError(f"LLVM knows no {kind} {what} of {target.triple}; --cpu help lists what there is.")
    return target


def _llvm_has(triple: str) -> bool:
    try:
        _machine(Target(triple))
    except RuntimeError:
        return False
    return True


def _machine(target: Target) -> None:
    from flowc.codegen import native

    native.machine(target)


def _said(run: Callable[[], None]) -> str:
    """What LLVM writes to the process's stderr meanwhile: it tells of CPUs it does not know in no other way."""
    with tempfile.TemporaryFile() as file:
        with _stderr_to(file.fileno()):
            run()
        file.seek(0)
        return file.read().decode(errors="replace").strip()


@contextmanager
def _stderr_to(file: int) -> Generator[None]:
    kept = os.dup(2)
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
