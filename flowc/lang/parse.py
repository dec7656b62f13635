"""Reading a `.flow` text: its tree, or everything that is wrong with its syntax.

The parser follows the tables of the grammar with a stack of its own. After an
error it goes back to the state before the statement and on behind it, so that
one error hides no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowc.errors import CompileError, Diagnostic
from flowc.lang import ast
from flowc.lang.build import Builder
from flowc.lang.expected import refusal
from flowc.lang.lexer import BAD, END, NEWLINE, Errors, Hopeless, Token, tokenize
from flowc.lang.lines import DEFINITIONS, partners, statements
from flowc.lang.tables import Rule, tables
from flowc.source import Source, Span

MAX_DEPTH = 200  # of the tree
MAX_STACK = 10 * MAX_DEPTH  # of the parser: what is read by no more than 10 states a level is deeper
BODIED = ("fn", "graph", "test")


def parse(source: Source) -> ast.Program:
    """The tree of a text; raises one `CompileError` with all its syntax errors."""
    errors = Errors(source)
    try:
        tokens = statements(tokenize(source, errors), errors)
        program = _Parser(errors, tokens).parse()
    except Hopeless:
        program = None
    if errors.found or program is None:
        raise CompileError(errors.found)
    return program


def read(path: Path, name: str | None = None) -> Source:
    """The text of a file, named as it is given unless `name` says otherwise; raises `CompileError` where it is not UTF-8."""
    return decoded(path.read_bytes(), name or str(path), path)


def decoded(data: bytes, name: str, path: Path | None = None) -> Source:
    """The text that `data` is in UTF-8; raises `CompileError` where it is none."""
    try:
        return Source(name, data.decode("utf-8-sig"), path)
    except UnicodeDecodeError as wrong:
        source = Source(name, data.decode("utf-8-sig", errors="replace"), path)
        at = source.text.find("\ufffd", len(data[: wrong.start].decode("utf-8-sig", errors="ignore")))
        message = f"the file is not UTF-8: byte 0x{data[wrong.start]:02x} at offset {wrong.start:,}"
        raise CompileError((Diagnostic(message, Span(source, at, at + 1)),)) from None


@dataclass(frozen=True)
class _Place:
    """The parser before a statement, which begins at token number `at`, behind its attributes at `begun`."""

    at: int
    begun: int
    stacks: tuple[list[int], list[Any], list[int], list[int]]


class _Parser:
    """Shifts and reduces: a value, its begin and its depth go with each state but the first."""

    def __init__(self, errors: Errors, tokens: list[Token]) -> None:
        self.errors, self.tokens = errors, tokens
        self.partner = partners(tokens)
        self.tables = tables()
        self.builder = Builder(errors)
        self.states: list[int] = []
        self.values: list[Any] = []
        self.begins: list[int] = []
        self.depths: list[int] = []
        self.end = 0  # of the last token shifted

    def parse(self) -> ast.Program | None:
        return self._run("start", 0, len(self.tokens))

    def _run(self, start: str, at: int, stop: int) -> Any:
        """What tokens `at` to `stop` are, read from the rule `start`; None if they have errors at their end."""
        self.states, self.values, self.begins, self.depths = [self.tables.starts[start]], [], [], []
        places = [self._place(at)]
        while at < stop:
            token = self.tokens[at]
            if not self._feed(token):
                self._refuse(at)
                at = self._recover(places[-1], at, stop)
                if len(places) == 1:
                    at = self._next_definition(places[0].begun, at)
                places[-1] = self._place(at)
                continue
            at += 1
            if token.kind == "LBRACE":
                places.append(self._place(at))
            elif token.kind == "RBRACE":
                places.pop()
            elif token.kind == NEWLINE and places[-1].begun < at:
                places[-1] = self._place(at)
        return self._finish(start, stop)

    def _place(self, at: int) -> _Place:
        return _Place(at, self._after_attributes(at), (self.states[:], self.values[:], self.begins[:], self.depths[:]))

    def _feed(self, token: Token) -> bool:
        """Whether the token goes on what is read; what it ends is built."""
        table, rules, states = self.tables.states, self.tables.rules, self.states
        while True:
            action = table[states[-1]].get(token.kind)
            if action is None:
                return False
            if action > 0:
                break
            rule = rules[-1 - action]
            if rule.passes and rule.size == 1:
                states[-1] = table[states[-2]][rule.origin] - 1
            else:
                self._reduce(rule, token.begin)
        if len(states) > MAX_STACK:
            raise self._too_deep(token.begin, token.end)
        states.append(action - 1)
        self.values.append(token)
        self.begins.append(token.begin)
        self.depths.append(0)
        self.end = token.end
        return True

    def _reduce(self, rule: Rule, ahead: int) -> None:
        at = len(self.values) - rule.size
        begin = self.begins[at] if rule.size else ahead
        children = [self.values[at + place] if place >= 0 else None for place in rule.children]
        depth = max(self.depths[at:], default=0)
        if rule.passes and len(children) == 1:
            value = children[0]
        else:
            value = self.builder.build(rule.builds, children, begin, max(begin, self.end))
            depth += isinstance(value, ast.Node)
        if depth > MAX_DEPTH:
            raise self._too_deep(begin, self.end)
        del self.values[at:], self.begins[at:], self.depths[at:], self.states[at + 1 :]
        self.states.append(self.tables.states[self.states[-1]][rule.origin] - 1)
        self.values.append(value)
        self.begins.append(begin)
        self.depths.append(depth)

    def _too_deep(self, begin: int, end: int) -> Hopeless:
        return self.errors.refuse(f"this is nested more than {MAX_DEPTH} deep", begin, end, "bind its parts to names")

    def _finish(self, start: str, stop: int) -> Any:
        end = len(self.errors.source.text.rstrip())
        token = Token(END, "", end, end)
        while self.states[-1] != self.tables.ends[start]:
            action = self.tables.states[self.states[-1]].get(END, 0)
            if action >= 0:
                self._refuse(stop)
                return None
            self._reduce(self.tables.rules[-1 - action], token.begin)
        return self.values[-1]

    def _refuse(self, at: int) -> None:
        """Tells why the parser cannot go on with token number `at`; of a bad one it is told already."""
        end = len(self.errors.source.text.rstrip())
        token = self.tokens[at] if at < len(self.tokens) else Token(END, "", end, end)
        if token.kind != BAD and (token.text == "\n" or token.begin < token.end or at == len(self.tokens)):
            self.errors.report(refusal(self.errors.source, self.states, self.tokens, at, token))

    def _recover(self, place: _Place, wrong: int, stop: int) -> int:
        """Goes back to `place` and on behind the statement there; the blocks it skips are read for their errors."""
        self.builder.forget()
        at, blocks = self._skip(place, wrong, stop)
        for begin in blocks:
            self._run("block", begin, self.partner[begin] + 1)
        self.states, self.values, self.begins, self.depths = (*map(list, place.stacks),)
        return max(at, wrong + (at == place.at))

    def _skip(self, place: _Place, wrong: int, stop: int) -> tuple[int, list[int]]:
        """The first token behind the statement at `place`, and where its blocks begin from `wrong` on."""
        blocks: list[int] = []
        at = place.at
        while at < stop:
            kind = self.tokens[at].kind
            if kind == NEWLINE and at >= place.begun:
                return at + 1, blocks
            if kind == "RBRACE":
                return at, blocks
            if kind == "LBRACE":
                if at >= wrong:
                    blocks.append(at)
                at = self.partner[at]
            at += 1
        return at, blocks

    def _next_definition(self, wrong: int, at: int) -> int:
        """Where to read on behind what began at `wrong` and ended before `at`: lines that are no definitions are passed.

        They are the body of a definition whose head is wrong, or wrong as the first of them is.
        """
        first = self.tokens[wrong].text if wrong < len(self.tokens) else ""
        if first in DEFINITIONS and (first not in BODIED or self.tokens[at - 2].kind == "RBRACE"):
            return at
        while at < len(self.tokens) and self.tokens[at].text not in DEFINITIONS and self.tokens[at].text != "@":
            at, _ = self._skip(self._place(at), at, len(self.tokens))
        return at

    def _after_attributes(self, at: int) -> int:
        """The first token behind the attributes, and their newlines, that stand at token number `at`."""
        tokens = self.tokens
        while at + 1 < len(tokens) and tokens[at].kind == "AT":
            at += 2
            if at < len(tokens) and tokens[at].kind == "LPAR":
                at = self.partner[at] + 1
            if at < len(tokens) and tokens[at].kind == NEWLINE:
                at += 1
        return at
