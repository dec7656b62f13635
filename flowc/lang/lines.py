"""From tokens to statements: which newlines end one, and which brackets belong together.

A newline ends a statement except directly inside ( ) and [ ], after a comma,
`=`, `:=`, `:`, `->` or a binary operator, and before a line that begins with a
binary operator other than `@`, or with `->`, `else` or `derivative`.

What comes out is always well bracketed: where a bracket is missing or wrong the
error is told, a `BAD` token keeps the statement from being read, and the closing
bracket stands where the text shows that it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowc.errors import Diagnostic, Note
from flowc.lang.lexer import BAD, NEWLINE, Errors, Token
from flowc.source import Span

MAX_NESTING = 100  # brackets within brackets

OPERATORS = frozenset(("+", "-", "*", "/", "//", "%", "**", "&&", "||", "==", "!=", "<", "<=", ">", ">="))
AFTER = OPERATORS | {"@", ",", "=", ":=", ":", "->"}
BEFORE = OPERATORS | {"->", "else", "derivative"}
CLOSING = {"(": ")", "[": "]", "{": "}"}
OPENING = {close: open for open, close in CLOSING.items()}
KIND = {"(": "LPAR", ")": "RPAR", "[": "LSQB", "]": "RSQB", "{": "LBRACE", "}": "RBRACE"}
DEFINITIONS = frozenset(("dim", "const", "param", "state", "device", "fn", "graph", "test", "import"))
STATEMENTS = frozenset(("return", "yield", "emit", "assert"))
WORDS = frozenset(("NAME", "NUMBER", "STRING", "TRUE", "FALSE", "NEW"))


def statements(tokens: list[Token], errors: Errors) -> list[Token]:
    """The tokens without comments, where each newline ends a statement and every bracket has its other one.

    A newline stands, without width, at the end of the token before it.
    """
    lines = _Lines(errors)
    code = [token for token in tokens if token.kind != "COMMENT"]
    for at, token in enumerate(code):
        lines.take(token, code[at + 1] if at + 1 < len(code) else None)
    lines.finish()
    return lines.out


def ends_operand(token: Token) -> bool:
    """Whether an expression may end with this token."""
    return token.kind in WORDS or token.text in (")", "]", "}", "...")


def partners(tokens: list[Token]) -> dict[int, int]:
    """The number of each opening bracket's closing one."""
    partner: dict[int, int] = {}
    open: list[int] = []
    for at, token in enumerate(tokens):
        if token.kind in ("LPAR", "LSQB", "LBRACE"):
            open.append(at)
        elif token.kind in ("RPAR", "RSQB", "RBRACE"):
            partner[open.pop()] = at
    return partner


@dataclass(frozen=True)
class _Open:
    token: Token
    indent: int  # of the line it stands on


class _Lines:
    """Reads tokens one by one; `out` holds what is read."""

    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        self.out: list[Token] = []
        self.open: list[_Open] = []
        self.held = False  # a newline that ends a statement, unless the line after it goes on
        self.first = True  # the next token is the first of its line
        self.indent = 0
        self.headless = False  # the string before the body of a test is not closed: its block opens nowhere
        self.attributed: int | None = None  # where in `out` the attributes begin that stand before this line

    def take(self, token: Token, after: Token | None) -> None:
        if token.kind == NEWLINE:
            inside = bool(self.open) and self.open[-1].token.text in "(["
            self.held = self.held or bool(self.out) and not inside and self.out[-1].text not in AFTER
            self.first = True
            return
        if self.first:
            self._begin_line(token, after)
        if self.held and token.text not in BEFORE:
            self._newline()
        self.held = False
        if token.text in CLOSING and token.kind == KIND[token.text]:
            self._open(token)
        elif token.text in OPENING and token.kind == KIND[token.text]:
            self._close(token)
        else:
            self.out.append(token)
            if token.kind == BAD and token.text[0] == '"':
                self._abandon_line(token)

    def finish(self) -> None:
        for opened in reversed(self.open):
            self._unclosed(opened)
        self.open.clear()
        if self.out and self.out[-1].text not in AFTER:
            self._newline()

    def _begin_line(self, token: Token, after: Token | None) -> None:
        self.first = False
        self.indent = token.begin - (self.errors.source.text.rfind("\n", 0, token.begin) + 1)
        if token.text in DEFINITIONS and after is not None and after.kind in ("NAME", "STRING"):
            self._begin_definition()
            self.headless = False
        elif self._begins_statement(token, after):
            self._close_parentheses()
            self.held = True
        self.attributed = (len(self.out) if self.attributed is None else self.attributed) if token.text == "@" else None

    def _begin_definition(self) -> None:
        """A definition stands in no bracket: those that are open end before it, and before its attributes."""
        if not self.open:
            return
        start = len(self.out) if self.attributed is None else self.attributed
        if self.open[-1].token in self.out[start:]:  # it opens in an attribute
            start = len(self.out)
        attributes = [token for token in self.out[start:] if token.kind != NEWLINE]
        del self.out[start:]
        for opened in reversed(self.open):
            self._unclosed(opened)
        self.open.clear()
        self._newline()
        self.out += attributes
        self.held = bool(attributes)

    def _begins_statement(self, token: Token, after: Token | None) -> bool:
        """Whether a line inside ( or [ shows that the bracket is missing its other one."""
        if not self.open or self.open[-1].token.text == "{" or not self.out:
            return False
        follows = after.text if after is not None else ""
        last = self.out[-1]
        if token.text in STATEMENTS:
            return last.text != "." and follows not in ("=", ",", ")", "]")
        if token.kind != "NAME" or self.indent > self._outer().indent or last.text in (",", ";", ":", "(", "["):
            return False
        return follows in ("=", ":=") or ends_operand(last) and not (len(self.out) > 1 and self.out[-2].text == "reduce")

    def _outer(self) -> _Open:
        """The outermost of the ( and [ that are open around this place with no { between."""
        at = len(self.open) - 1
        while at > 0 and self.open[at - 1].token.text != "{":
            at -= 1
        return self.open[at]

    def _close_parentheses(self) -> None:
        while self.open and self.open[-1].token.text != "{":
            self._unclosed(self.open.pop())

    def _open(self, token: Token) -> None:
        if len(self.open) >= MAX_NESTING:
            raise self.errors.refuse(f"brackets are nested more than {MAX_NESTING} deep", token.begin, token.end)
        self.open.append(_Open(token, self.indent))
        self.out.append(token)

    def _close(self, token: Token) -> None:
        wanted = OPENING[token.text]
        at = len(self.open) - 1
        while at >= 0 and self.open[at].token.text != wanted and (wanted == "{" or self.open[at].token.text != "{"):
            at -= 1
        if at >= 0 and self.open[at].token.text == wanted:
            for opened in reversed(self.open[at + 1 :]):
                self._unclosed(opened)
            del self.open[at:]
            self.out.append(token)
        elif self.open and self.open[-1].token.text != "{" and wanted != "{":
            self._mismatched(self.open.pop().token, token)
        elif self.headless and wanted == "{":
            self.headless = False
            self.out.append(token._replace(kind=BAD))
        else:
            self.errors.add(f'no "{wanted}" is open that "{token.text}" could close', token.begin, token.end)
            self.out.append(token._replace(kind=BAD))

    def _mismatched(self, opened: Token, token: Token) -> None:
        source = self.errors.source
        note = Note(f'"{opened.text}" is opened here', Span(source, opened.begin, opened.end))
        message = f'expected "{CLOSING[opened.text]}" to close "{opened.text}", found "{token.text}"'
        self.errors.report(Diagnostic(message, Span(source, token.begin, token.end), (note,)))
        self._closing(opened.text, bad=True)

    def _unclosed(self, opened: _Open) -> None:
        bracket = opened.token
        self.errors.add(f'"{bracket.text}" is never closed', bracket.begin, bracket.end)
        self._closing(bracket.text, bad=bracket.text != "{")

    def _closing(self, bracket: str, bad: bool) -> None:
        """Puts the missing bracket where reading is."""
        at = self.out[-1].end if self.out else 0
        if bad or self.out[-1].text in AFTER:
            self.out.append(Token(BAD, "", at, at))
        close = CLOSING[bracket]
        self.out.append(Token(KIND[close], close, at, at))

    def _abandon_line(self, token: Token) -> None:
        """A string that is not closed hides what closes the ( and [ of its line."""
        start = self.errors.source.text.rfind("\n", 0, token.begin)
        self.headless |= not self.open and bool(self.out[:-1]) and self.out[-2].text == "test"
        while self.open and self.open[-1].token.text != "{" and self.open[-1].token.begin > start:
            self._closing(self.open.pop().token.text, bad=True)

    def _newline(self) -> None:
        at = self.out[-1].end if self.out else 0
        self.out.append(Token(NEWLINE, "\n", at, at))
