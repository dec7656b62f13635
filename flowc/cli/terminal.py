"""How things are told: colours and progress, which only a terminal gets; bytes, times and tables as text."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType

import click

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan", "help": "green"}
PATIENCE = 1.0  # seconds before progress is shown
EVERY = 0.1  # seconds between two looks at it
WIDTH = 24  # columns of a bar


def say(text: str) -> None:
    """A line on stdout, without colours where it is no terminal."""
    click.echo(text, color=_colour())


def tell(text: str) -> None:
    """A line on stderr, without colours where it is no terminal."""
    click.echo(text, err=True, color=_colour())


def _colour() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def coloured(rendered: str) -> str:
    """Rendered diagnostics with their kinds and carets in colour."""
    return "\n".join(map(_coloured_line, rendered.split("\n")))


def _coloured_line(line: str) -> str:
    if re.fullmatch(r"\s+\^~*", line):
        return click.style(line, fg="green")
    found = re.match(r"(\S+:\d+:\d+: )?(error|warning|note|help): ", line)
    if found is None:
        return line
    place, kind = found[1] or "", found[2]
    return click.style(place, bold=True) + click.style(f"{kind}:", fg=COLOURS[kind], bold=True) + line[found.end() - 1 :]


def bytes_text(count: int) -> str:
    """`1,024 bytes`."""
    return f"{count:,} byte{'s' * (count != 1)}"


def seconds_text(seconds: float) -> str:
    """A time with three digits: `12.3 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _digits(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines whose columns, but the last, are as wide as their longest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class Progress:
    """How much of `total` is done, as a bar on stderr while work takes over a second; nothing where that is no terminal."""

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit = total, unit
        self.done, self.what = 0, ""
        self.shown = False
        self.ended = threading.Event()
        self.painter = threading.Thread(target=self._paint, daemon=True) if sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        if self.painter:
            self.painter.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended.set()
        if self.painter:
            self.painter.join()
        if self.shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def at(self, done: int, what: str = "") -> None:
        """`done` are finished, and `what` is being done."""
        self.done, self.what = done, what

    def line(self, elapsed: float) -> str:
        """What the bar shows after so many seconds."""
        full = WIDTH * self.done // max(self.total, 1)
        return f"[{'#' * full}{'.' * (WIDTH - full)}] {self.done}/{self.total} {self.unit} {self.what} {elapsed:.0f} s".replace("  ", " ")

    def _paint(self) -> None:
        begin = time.monotonic()
        pause = PATIENCE
        while not self.ended.wait(pause):
            sys.stderr.write(f"\r\033[K{self.line(time.monotonic() - begin)}")
            sys.stderr.flush()
            self.shown, pause = True, EVERY
