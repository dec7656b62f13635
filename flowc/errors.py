"""Kinds of error, and their text: what is wrong, the place, the line with a caret, where the other side stands."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from flowc.source import Span

WIDTH = 120  # columns of a source line shown
INDENT = "    "
TAB = 4
NEAR = 500  # names compared for "did you mean"


@dataclass(frozen=True)
class Note:
    """Something said beside a diagnostic, at a place of its own."""

    message: str
    span: Span | None


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong ("error") or doubtful ("warning")."""

    message: str
    span: Span | None
    notes: tuple[Note, ...] = ()
    severity: str = "error"
    help: str = ""


class Error(ValueError):
    """What is wrong with what a user gave; its text is the rendered diagnostics. A `str` is an error without a place."""

    def __init__(self, diagnostics: Iterable[Diagnostic] | str) -> None:
        given = (Diagnostic(diagnostics, None),) if isinstance(diagnostics, str) else tuple(diagnostics)
        super().__init__(render(given))
        self.diagnostics = given

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.diagnostics,)


class CompileError(Error):
    """Everything that is wrong with a program."""


class UsageError(Error):
    """A call, an option or an argument that asks for what is not there."""


class RunError(Error):
    """A run that a check ended: the kind and the site of the check, and the index and the bound it compared."""

    def __init__(self, diagnostics: Iterable[Diagnostic] | str, code: int = 0, site: int = 0, index: int = 0, bound: int = 0) -> None:
        super().__init__(diagnostics)
        self.code, self.site, self.index, self.bound = code, site, index, bound

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.diagnostics, self.code, self.site, self.index, self.bound)


class OpError(Exception):
    """Operands that do not fit an op; a note is a text and what it speaks of, `location` that of the op where there is one."""

    def __init__(self, message: str, notes: tuple[tuple[str, object], ...] = (), help: str = "", location: Span | None = None) -> None:
        super().__init__(message)
        self.notes, self.help, self.location = notes, help, location


@contextmanager
def op_errors_placed() -> Generator[None]:
    """An `OpError` inside becomes a `CompileError` at the place of its op."""
    try:
        yield
    except OpError as error:
        raise CompileError((Diagnostic(str(error), error.location, help=error.help),)) from None


def counted(count: int, noun: str) -> str:
    """`1 value`, `2 values`, `2 axes`."""
    return f"{count} {noun if count == 1 else noun[:-2] + 'es' if noun.endswith('xis') else noun + 's'}"


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """The diagnostics in order of their places, a blank line between them, and how many there are if there are several."""
    parts = [_rendered(d) for d in sorted(diagnostics, key=_place)]
    if len(parts) > 1:
        counts = [(kind, sum(d.severity == kind for d in diagnostics)) for kind in dict.fromkeys(d.severity for d in diagnostics)]
        parts.append(", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(counts)))
    return "\n\n".join(parts)


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """`did you mean "relu"?` for the candidate nearest to `name`, empty if none is near."""
    if not name or len(name) > 64:
        return ""
    alike: dict[str, str] = {}
    for candidate in candidates:
        lower = candidate.lower()
        if abs(len(candidate) - len(name)) <= 2 and candidate != name and _ends_meet(lower, name.lower()):
            alike.setdefault(lower, candidate)
    near = difflib.get_close_matches(name.lower(), list(islice(alike, NEAR)), 1)
    return f'did you mean "{alike[near[0]]}"?' if near else ""


def _ends_meet(a: str, b: str) -> bool:
    return a[:1] == b[:1] or a[-1:] == b[-1:]


def _place(diagnostic: Diagnostic) -> tuple[str, int, int]:
    span = diagnostic.span
    return ("", 0, 0) if span is None else (span.source.name, span.begin, span.end)


def _rendered(diagnostic: Diagnostic) -> str:
    lines = _told(diagnostic.severity, diagnostic.message, diagnostic.span)
    for note in diagnostic.notes:
        lines += _told("note", note.message, note.span)
    if diagnostic.help:
        lines.append(f"help: {_escaped(diagnostic.help)}")
    return "\n".join(lines)


def _told(kind: str, message: str, span: Span | None) -> list[str]:
    message = _escaped(message)
    if span is None:
        return [f"{kind}: {message}"]
    return [f"{_escaped(str(span))}: {kind}: {message}", *_excerpt(span)]


def _excerpt(span: Span) -> list[str]:
    """The first line of `span` and the marks under it; nothing where the text of the line is not known."""
    source = span.source
    begin, end = source.line_span(span.line)
    place = min(span.begin, end)
    left = max(begin, place - 2 * WIDTH)  # a line may be as long as a file: only what can be shown is looked at
    line = source.text[left : min(end, place + 2 * WIDTH)]
    if not line.strip():
        return []
    indented = min(len(line) - len(line.lstrip()), place - left) if left == begin else 0
    cells = _cells(line[indented:])
    first = place - left - indented
    last = max(min(span.end, end) - left - indented, first + 1)
    before, after = _window([width for _, width in cells], first, last)
    dots = "..." if before or left > begin else ""
    shown = "".join(text for text, _ in cells[before:after]).rstrip()
    marked = sum(width for _, width in cells[first : min(last, after)]) or 1
    blank = len(dots) + sum(width for _, width in cells[before:first])
    return [f"{INDENT}{dots}{shown}{'...' if after < len(cells) else ''}", f"{INDENT}{' ' * blank}^{'~' * (marked - 1)}"]


def _cells(text: str) -> list[tuple[str, int]]:
    """The characters of `text` as they are shown, each with its width in columns."""
    cells: list[tuple[str, int]] = []
    column = 0
    for char in text:
        if char == "\t":
            width = TAB - column % TAB
            cells.append((" " * width, width))
        else:
            cells.append(_cell(char))
        column += cells[-1][1]
    return cells


def _cell(char: str) -> tuple[str, int]:
    if " " <= char <= "~":
        return char, 1
    category = unicodedata.category(char)
    if category[0] == "C" or category in ("Zl", "Zp"):
        escape = char.encode("unicode_escape", "backslashreplace").decode()
        return escape, len(escape)
    if category in ("Mn", "Me"):
        return char, 0
    return char, 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _window(widths: list[int], first: int, last: int) -> tuple[int, int]:
    """The part of a line that is shown: all of it, or at most `WIDTH` columns with the place well inside."""
    if sum(widths) <= WIDTH:
        return 0, len(widths)
    after, total = min(first, len(widths)), 0
    while after < len(widths) and total + widths[after] <= WIDTH and (after < last or total < WIDTH // 2):
        total += widths[after]
        after += 1
    before = min(first, len(widths))
    while before > 0 and total + widths[before - 1] <= WIDTH:
        before -= 1
        total += widths[before]
    while after < len(widths) and total + widths[after] <= WIDTH:
        total += widths[after]
        after += 1
    return before, after


def _escaped(text: str) -> str:
    """`text` with what a terminal would obey shown instead."""
    return text if text.isprintable() else "".join(char if char == "\n" else _cell(char)[0] for char in text)
