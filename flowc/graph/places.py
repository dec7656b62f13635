"""The user's Python: the frame a call comes from, and the variable its value is assigned to."""

from __future__ import annotations

import ast
import dis
import sys
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType

from flowc.source import PACKAGE, Span

STORES = frozenset({"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"})
SILENT = frozenset({"NOP", "RESUME", "EXTENDED_ARG", "CACHE"})
STATEMENT_ENDS = ("POP_TOP", "STORE_ATTR", "STORE_SUBSCR", "RAISE", "YIELD")


@dataclass(frozen=True)
class Target:
    """What the statement being evaluated assigns to; `direct` where the call's value is what is assigned."""

    names: tuple[str, ...]
    statement: tuple[CodeType, int]
    direct: bool


def assignment() -> Target | None:
    """The variables that the statement in the nearest frame outside flowc assigns to; None where it assigns to none."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    target = None if frame is None else _target(frame.f_code, frame.f_lasti)
    return target if target is not None and target.names else None


def assignment_within(outermost: CodeType) -> Target | None:
    """The same in a call within a call, up to a frame of `outermost`: `target.name` for what is assigned inside a function.

    What a function returns is what its caller assigns; what the first function returns is called `result`.
    """
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    found: Target | None = None
    direct, called, returned = True, False, False
    while frame is not None and frame.f_code is not outermost:
        if frame.f_code.co_filename.startswith(PACKAGE):
            direct = direct and not called  # what a callback of flowc returns is not what the call gives
        else:
            called = True
            here = _target(frame.f_code, frame.f_lasti)
            returned = here is not None and not here.names
            if here is not None and found is not None and here.names:
                found = _within(here.names[0], found)
            elif here is not None and found is None:
                direct = direct and here.direct
                found = replace(here, direct=direct) if here.names else None
        frame = frame.f_back
    if found is not None:
        return _within("result", found) if returned else found
    return Target(("result",), (outermost, 0), direct) if returned else None


def _within(outer: str, target: Target) -> Target:
    return replace(target, names=tuple(f"{outer}.{name}" for name in target.names))


@lru_cache(maxsize=4096)
def _target(code: CodeType, offset: int) -> Target | None:
    """What the value that the instruction at `offset` leaves goes to; without names where it is returned.

    The value, or what is computed from it, is at `place` of a stack of `height`, both counted from the value's own place.
    """
    place = height = 1
    direct = True
    instructions, offsets = _instructions(code)
    for n in range(bisect_right(offsets, offset), len(instructions)):
        at = instructions[n]
        if at.opname == "SWAP":
            place = {height: height - (at.arg or 0) + 1, height - (at.arg or 0) + 1: height}.get(place, place)
            continue
        names = _stored(instructions, n) if place == height else _name(at)[1:] if place == height - 1 else ()
        if names:
            return Target(names, (code, at.offset), direct)
        if place == height and at.opname.startswith("RETURN"):
            return Target((), (code, at.offset), direct)
        if place == height and at.opname.startswith(STATEMENT_ENDS) or "JUMP" in at.opname or "FOR_ITER" in at.opname:
            return None
        height += dis.stack_effect(at.opcode, at.arg if at.opcode >= dis.HAVE_ARGUMENT else None, jump=False)
        if at.opname.startswith("STORE") and height < place:
            return None
        if at.opname != "COPY" and not at.opname.startswith("STORE") and height <= place:
            place, direct = height, False
    return None


@lru_cache(maxsize=64)
def _instructions(code: CodeType) -> tuple[tuple[dis.Instruction, ...], tuple[int, ...]]:
    """The instructions that do something, and their offsets."""
    found = tuple(i for i in dis.get_instructions(code) if i.opname not in SILENT)
    return found, tuple(i.offset for i in found)


def _stored(instructions: tuple[dis.Instruction, ...], n: int) -> tuple[str, ...]:
    """The variables stored to at instruction `n`: one, or those that a tuple is unpacked to."""
    at = instructions[n]
    if at.opname != "UNPACK_SEQUENCE":
        return _name(at)[:1]
    names: list[str] = []
    for instruction in islice(instructions, n + 1, n + 1 + (at.arg or 0)):
        names += _name(instruction)
        if not _name(instruction) or len(names) >= (at.arg or 0):
            break
    return tuple(names[: at.arg]) if len(names) >= (at.arg or 0) else ()


def _name(at: dis.Instruction) -> tuple[str, ...]:
    if at.opname in STORES:
        return (str(at.argval),)
    if at.opname == "STORE_FAST_LOAD_FAST":
        return (str(at.argval[0]),)
    return tuple(map(str, at.argval)) if at.opname == "STORE_FAST_STORE_FAST" else ()


def argument_span(call: Span, argument: int | str | None) -> Span:
    """The part of a call or of an operator's expression that is the argument; all of it where that cannot be told."""
    try:
        tree = ast.parse(f"({call.text})", mode="eval").body
    except SyntaxError:
        return call
    found = _argument(tree, argument)
    if found is None or found.end_lineno is None or found.end_col_offset is None:
        return call
    lines = f"({call.text})".encode().splitlines(keepends=True)
    begin = _characters(lines, found.lineno, found.col_offset) - 1
    end = _characters(lines, found.end_lineno, found.end_col_offset) - 1
    return Span(call.source, call.begin + begin, call.begin + end)


def _argument(tree: ast.expr, argument: int | str | None) -> ast.expr | None:
    match tree, argument:
        case ast.Call(args=args), int() if argument < len(args) and not any(isinstance(a, ast.Starred) for a in args):
            return args[argument]
        case ast.Call(keywords=keywords), str():
            return next((k.value for k in keywords if k.arg == argument), None)
        case ast.BinOp(left=left, right=right), 0 | 1:
            return right if argument else left
        case _:
            return None


def _characters(lines: list[bytes], line: int, column: int) -> int:
    """How many characters stand before a place given in lines from 1 and bytes."""
    return len((b"".join(lines[: line - 1]) + lines[line - 1][:column]).decode(errors="ignore"))
