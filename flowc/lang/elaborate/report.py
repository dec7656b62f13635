"""Mistakes on their way to the person who made them, and the quotas that end elaboration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flowc.errors import Diagnostic, Note
from flowc.source import Span

MAX_OPS = 300_000  # ops that a program may expand to
MAX_CALLS = 64  # calls within calls
MAX_DEPTH = 2_000  # expressions within expressions, those of called functions included
MAX_ELEMENTS = 1_000_000  # numbers written out in lists
MAX_TENSOR = 2**62  # bytes
MAX_SIZE = 2**63 - 1  # what a size may be
MAX_BITS = 4_096  # of an exact integer
MAX_TERMS = 1_000  # of a size
MAX_ERRORS = 1_000  # told at most


class Mistake(Exception):
    """One thing wrong with the program."""

    def __init__(self, message: str, span: Span | None, notes: Sequence[Note] = (), help: str = "") -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(message, span, tuple(notes), help=help)


class TooMuch(Exception):
    """A quota is spent: its error is in the report, elaboration ends."""


@dataclass
class Report:
    """Every mistake once, in the order found; and what is spent of the ops a program may expand to."""

    ops: int = MAX_OPS
    spent: int = 0
    depth: int = 0
    found: dict[tuple[str, Span | None], Diagnostic] = field(default_factory=dict[tuple[str, Span | None], Diagnostic])
    expanded: dict[int, None] = field(default_factory=dict[int, None])  # functions that something calls, by identity

    def add(self, mistake: Mistake) -> None:
        diagnostic = mistake.diagnostic
        self.found.setdefault((diagnostic.message, diagnostic.span), diagnostic)
        if len(self.found) >= MAX_ERRORS:
            raise TooMuch

    def refuse(self, message: str, span: Span | None, help: str = "") -> TooMuch:
        """The end of elaboration for want of a quota."""
        self.found.setdefault((message, span), Diagnostic(message, span, help=help))
        return TooMuch()


def missing(what: str, span: Span, help: str = "") -> Mistake:
    """The mistake of using what the language has and the compiler does not have so far."""
    return Mistake(f"{what} is not there yet", span, help=help)
