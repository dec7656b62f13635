"""Source texts and places in them: in `.flow` files, in IR text, and in the user's Python."""

from __future__ import annotations

import linecache
import sys
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import FrameType

PACKAGE = str(Path(__file__).parent)


@dataclass(frozen=True)
class Source:
    """A text with the name it has in messages; `path` where it was read from a file."""

    name: str
    text: str
    path: Path | None = None

    def line_of(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both from 1; an offset past the end is the end."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, n: int) -> str:
        """The text of line `n`, from 1, without its end."""
        begin, end = self.line_span(n)
        return self.text[begin:end]

    def line_span(self, n: int) -> tuple[int, int]:
        """The character offsets between which line `n` stands, without its end."""
        begin = self._starts[n - 1]
        end = self._starts[n] - 1 if n < len(self._starts) else len(self.text)
        return begin, end - (end > begin and self.text[end - 1] == "\r")

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        at = self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts


@dataclass(frozen=True)
class Span:
    """Characters `begin` to `end`, excluded, of a source."""

    source: Source
    begin: int
    end: int

    @property
    def line(self) -> int:
        return self.source.line_of(self.begin)[0]

    @property
    def column(self) -> int:
        return self.source.line_of(self.begin)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.begin : self.end]

    def join(self, other: Span) -> Span:
        """The shortest span that holds both, which are of one source."""
        return Span(self.source, min(self.begin, other.begin), max(self.end, other.end))

    def __str__(self) -> str:
        line, column = self.source.line_of(self.begin)
        return f"{self.source.name}:{line}:{column}"


Location = Span


def python_location(skip: Callable[[str], bool] = lambda file: file.startswith(PACKAGE)) -> Span | None:
    """The expression being evaluated in the nearest frame whose file `skip` does not hold for; None if there is none."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and skip(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else _frame_span(frame)


def _frame_span(frame: FrameType) -> Span:
    code = frame.f_code
    positions = islice(code.co_positions(), frame.f_lasti // 2, None)
    line, end_line, column, end_column = next(positions, (None, None, None, None))
    line = line or frame.f_lineno or 1
    end_line = end_line or line
    source = _python_source(code.co_filename, line, end_line, frame)
    begin = _offset(source, line, column)
    end = len(source.text.rstrip()) if end_column is None else _offset(source, end_line, end_column)
    return Span(source, begin, max(begin, end))


def _offset(source: Source, line: int, column: int | None) -> int:
    """The character offset of a UTF-8 byte column; of the first character that is not blank where the column is unknown."""
    if line > source.line_of(len(source.text))[0]:
        return len(source.text)
    begin, end = source.line_span(line)
    text = source.text[begin:end]
    if column is None:
        return begin + len(text) - len(text.lstrip())
    return begin + len(text.encode()[:column].decode(errors="ignore"))


def _python_source(file: str, line: int, end_line: int, frame: FrameType) -> Source:
    """Lines `line` to `end_line` of a Python file, above them empty ones; a line that cannot be read is empty too."""
    lines = linecache.getlines(file, frame.f_globals)[line - 1 : end_line]
    return Source(file, "\n" * (line - 1) + "".join(lines))
