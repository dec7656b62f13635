"""What stands between the tokens of a line: a blank or none, and where a line may be broken."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowc.lang.lexer import NEWLINE, Token
from flowc.lang.lines import CLOSING, OPENING, ends_operand

# How loosely what begins a line may be bound to what precedes it; the loosest breaks first.
COMMA = 1
LOOSENESS = {
    "->": 0,
    "||": 2,
    "&&": 3,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "//", "%"), 6),
}
CLOSE = frozenset((")", "]"))
TIGHT_BEFORE = frozenset((",", ";", ".", "..", ":"))
TIGHT_AFTER = frozenset(("(", "[", ".", ".."))
ASSIGNING = frozenset(("=", ":=", "return", "yield", "emit", "assert"))


@dataclass(frozen=True)
class Word:
    """A token in a layout.

    `blank` says whether one stands before it in a line, `depth` how many
    brackets are open around it, `looseness` how loosely it is bound to what
    precedes it where a line may begin with it, `assigns` whether the value of a
    statement follows it.
    """

    token: Token
    blank: bool
    depth: int
    looseness: int | None
    assigns: bool
    ends_attribute: bool


def words(tokens: list[Token]) -> list[Word]:
    """What stands for each token of a file that can be read."""
    spacing = _Spacing()
    return [spacing.word(token, tokens[at + 1] if at + 1 < len(tokens) else None) for at, token in enumerate(tokens)]


@dataclass
class _Bracket:
    kind: str  # call, formals, group, subscript, list, block
    attribute: bool = False  # its closing one ends an attribute
    reductions: int = 0  # whose : is still to come


@dataclass
class _Spacing:
    """Reads tokens in order, with what is known of those before."""

    open: list[_Bracket] = field(default_factory=lambda: [_Bracket("block")])
    last: str = ""  # the text before in this statement
    operand: bool = False  # an expression may end with it
    tight: bool = False  # no blank follows it
    begins: bool = True  # a statement begins here, or an attribute before one
    attribute: bool = False  # the token before is the @ of an attribute
    arguments: bool = False  # what opens here holds those of an attribute
    header: bool = False  # of a fn or graph, whose formals are still to come

    def word(self, token: Token, after: Token | None) -> Word:
        text = token.text
        if token.kind == NEWLINE:
            self._begin()
            return Word(token, False, self._depth(), None, False, False)
        closed = self.open.pop() if text in OPENING else None
        named = self.last == "." or self.open[-1].kind == "call" and after is not None and after.text == "="
        binary = self.operand and not named
        looseness = LOOSENESS.get(text) if binary or text == "->" else None
        if self.last in (",", ";") and closed is None:
            looseness = COMMA
        elif self.last == "@" and not self.tight:
            looseness = LOOSENESS["*"]
        assigns = text in ASSIGNING and not named and self.open[-1].kind == "block"
        blank, depth = self._blank(text), self._depth()
        ends = self._step(token, after, named, closed)
        return Word(token, blank, depth, looseness, assigns, ends)

    def _depth(self) -> int:
        return len(self.open) - 1

    def _begin(self) -> None:
        self.last, self.operand, self.tight, self.begins = "", False, False, True
        self.attribute = self.arguments = self.header = False

    def _blank(self, text: str) -> bool:
        """Whether a blank stands before a token of that text."""
        if not self.last or text in CLOSE:
            return False
        if text == "}":
            return self.last != "{"
        if self.last == ",":
            return True
        if self.tight or text in TIGHT_BEFORE:
            return False
        if text in ("(", "["):
            return not self.operand
        return not (text == "=" and self.open[-1].kind == "call")

    def _step(self, token: Token, after: Token | None, named: bool, closed: _Bracket | None) -> bool:
        """Goes on behind `token`; whether an attribute ends with it."""
        text, inner = token.text, self.open[-1]
        begun = self.begins and text == "@"
        arguments = self.attribute and after is not None and after.text == "("
        tight = text in TIGHT_AFTER or begun or text == "=" and inner.kind == "call" or self._unary(text)
        if text == ":":
            tight = inner.kind == "subscript" and not inner.reductions
            inner.reductions -= inner.reductions > 0
        elif text == "reduce" and not named:
            inner.reductions += 1
        elif text in ("fn", "graph") and self.begins:
            self.header = True
        elif text in CLOSING:
            self.open.append(_Bracket(self._kind(text), self.arguments))
            self.header = self.header and text != "("
        ends = self.attribute and not arguments or closed is not None and closed.attribute
        if ends or text == "{":
            self._begin()
            self.last = text if text == "{" else ""
            return ends
        self.begins = False
        self.operand = named or ends_operand(token)
        self.last, self.tight = text, tight
        self.attribute, self.arguments = begun, arguments
        return False

    def _unary(self, text: str) -> bool:
        return text == "!" or text == "-" and not self.operand

    def _kind(self, text: str) -> str:
        """What a bracket holds that opens here."""
        if text == "{":
            return "block"
        if text == "[":
            return "subscript" if self.operand else "list"
        if self.header and self._depth() == 0:
            return "formals"
        return "call" if self.operand else "group"
