"""From text to tokens: everything but blanks is a token, and what is no token of the language is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from flowc.errors import Diagnostic
from flowc.lang.tables import tables
from flowc.source import Source, Span

MAX_BYTES = 4 << 20
MAX_TOKENS = 500_000
MAX_ERRORS = 1_000  # told of one file
MAX_LENGTH = 1_000  # characters of a name or a number

NEWLINE = "_NL"
END = "$END"
BAD = "BAD"  # what no rule of the grammar accepts
CHECKED = ("NAME", "NUMBER", "UNCLOSED", BAD)
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
HINTS = {
    "&": 'did you mean "&&"? On integers it is bitwise_and(a, b)',
    "|": 'did you mean "||"? On integers it is bitwise_or(a, b)',
    "^": 'a power is written "**"; on integers, bitwise_xor(a, b)',
    "~": 'not is written "!"; on integers, bitwise_not(a)',
    "'": 'strings stand in double quotes: "same"',
    "\\": "a statement goes on after an operator or a comma, and inside ( ) and [ ]",
}


class Token(NamedTuple):
    """Characters `begin` to `end` of a source, and the terminal of the grammar they are."""

    kind: str
    text: str
    begin: int
    end: int


class Errors:
    """What is wrong with a text, each thing once, in the order found."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: dict[Diagnostic, None] = {}

    def add(self, message: str, begin: int, end: int, help: str = "") -> None:
        self.report(Diagnostic(message, Span(self.source, begin, end), help=help))

    def report(self, diagnostic: Diagnostic) -> None:
        self.found.setdefault(diagnostic)
        if len(self.found) >= MAX_ERRORS:
            raise Hopeless

    def refuse(self, message: str, begin: int, end: int, help: str = "") -> Hopeless:
        """A quota is spent: the error is added, reading is to end."""
        self.add(message, begin, end, help)
        return Hopeless()


class Hopeless(Exception):
    """Reading ends here: what is found is told."""


def tokenize(source: Source, errors: Errors) -> list[Token]:
    """The tokens of a text in order, with comments and newlines; what is none has the kind `BAD` and is told."""
    text = source.text
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise errors.refuse(f"the file has more than {MAX_BYTES:,} bytes", 0, 0)
    tokens: list[Token] = []
    for token in _tokens(text):
        if len(tokens) >= MAX_TOKENS:
            raise errors.refuse(f"the file has more than {MAX_TOKENS:,} tokens", token.begin, token.end)
        tokens.append(token)
    if HIDDEN.search(text) is not None:
        _tell_hidden(tokens, errors)
    return [_checked(token, errors) if token.kind in CHECKED else token for token in _joined(tokens)]


@cache
def _scanner() -> re.Pattern[str]:
    return re.compile(rf'{tables().pattern}|(?P<UNCLOSED>"[^\n]*)|(?P<{BAD}>[^\x00-\x7f]+|.)', re.DOTALL)


def _tokens(text: str) -> Iterator[Token]:
    keywords = tables().keywords
    for found in _scanner().finditer(text):
        kind = found.lastgroup or BAD
        if kind == "WS":
            continue
        word = found.group()
        yield Token(keywords.get(word, kind) if kind == "NAME" else kind, word, *found.span())


def _joined(tokens: list[Token]) -> Iterator[Token]:
    """The tokens, where a number and what touches it are one that is bad."""
    held: Token | None = None
    for token in tokens:
        if held is not None:
            if token.begin == held.end and (token.kind == "NUMBER" or token.text[0].isidentifier()):
                held = Token(BAD, held.text + token.text, held.begin, token.end)
                continue
            yield held
            held = None
        if token.kind == "NUMBER":
            held = token
        else:
            yield token
    if held is not None:
        yield held


def _checked(token: Token, errors: Errors) -> Token:
    """`token`, or where something is wrong with it what stands for it."""
    kind, text, begin, end = token
    if kind in ("NAME", "NUMBER"):
        if len(text) <= MAX_LENGTH:
            return token
        errors.add(f"a {kind.lower()} of {len(text):,} characters, and the limit is {MAX_LENGTH:,}", begin, end)
    elif kind == "UNCLOSED":
        errors.add("this string has no closing quote", begin, end)
    elif text[0].isdigit() or text[0] == "." and len(text) > 1:
        errors.add(f"{quoted(text)} is neither a number nor a name", begin, end)
    elif text.isspace() and text != "\r":
        errors.add(f"a blank other than space and tab: U+{ord(text[0]):04X}", begin, end)
    elif HIDDEN.match(text) is None:
        letters = "names are made of a-z, A-Z, 0-9 and _; other letters stand in strings and comments" if text.isalpha() else ""
        errors.add(f"{quoted(text)} is no part of the language", begin, end, HINTS.get(text, letters))
    return token._replace(kind=BAD)


def _tell_hidden(tokens: list[Token], errors: Errors) -> None:
    """Characters that nobody sees are wrong everywhere, also in strings and comments."""
    for token in tokens:
        if token.kind not in ("COMMENT", "STRING", "UNCLOSED", BAD):
            continue
        for found in HIDDEN.finditer(token.text):
            if found.group() == "\r" and token.kind in ("COMMENT", "UNCLOSED") and found.end() == len(token.text):
                continue  # of a line that ends in \r\n
            at = token.begin + found.start()
            errors.add(f"a character that cannot be seen: U+{ord(found.group()):04X}", at, at + 1)


def quoted(text: str) -> str:
    """A piece of a file in a message."""
    text = text.split("\n")[0]
    return f'"{text}"' if len(text) <= 40 else f'"{text[:37]}..."'
