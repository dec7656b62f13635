"""What a syntax error says: what could have stood there, after what, and what stands there."""

from __future__ import annotations

from flowc.errors import Diagnostic, Note
from flowc.lang.lexer import END, NEWLINE, Token, quoted
from flowc.lang.lines import CLOSING
from flowc.lang.tables import tables
from flowc.source import Source, Span

FURTHER = frozenset(("OR", "AND", "AT", "PLUS", "MINUS", "TIMES", "POWER", "COMPARISON", "LPAR", "LSQB", "DOT", "AS"))
BEGINNING = frozenset(("NAME", "NUMBER", "STRING", "TRUE", "FALSE", "LPAR", "LSQB", "MINUS", "NOT", "IF", "LOOP", "SCAN", "REDUCE"))
STATEMENT = BEGINNING | {"RETURN", "YIELD", "EMIT", "ASSERT", "ON", "AT", NEWLINE}
DEFINITION = frozenset(("IMPORT", "DIM", "CONST", "PARAM", "STATE", "DEVICE", "FN", "GRAPH", "TEST", "AT", "FLOW", END))
PHRASES = {"NAME": "a name", "NUMBER": "a number", "STRING": "a string"}
ENDS = {NEWLINE: "the end of the line", END: "the end of the file"}
# What goes without saying where the first is accepted.
UNSAID = (
    ("RPAR", frozenset(("EQUAL",))),
    ("RSQB", frozenset(("COLON", "IN"))),
    ("EQUAL", frozenset(("COLON", "COMMA", "__ANON_3"))),
    (NEWLINE, frozenset(("RBRACE",))),
)
SPELLINGS = {"and": "&&", "or": "||", "not": "!", "elif": "else if", "True": "true", "False": "false"}
SEEN = 1_000  # tokens looked at for an open bracket


def refusal(source: Source, states: list[int], tokens: list[Token], at: int, token: Token) -> Diagnostic:
    """Why a parser in these states cannot go on with `token`, which stands at number `at`."""
    span = Span(source, token.begin, token.end)
    accepted = {kind for kind in tables().states[states[-1]] if kind.isupper() and _accepts(states, kind)}
    if token.kind == "COMPARISON" and "PLUS" in accepted:
        return Diagnostic("comparisons do not chain", span, help="write a < b && b < c")
    if token.kind == "FLOW" and "FN" in accepted:
        return Diagnostic('the line "flow 1.0" is the first of a file', span)
    if token.text in tables().keywords and "NAME" in accepted and "NUMBER" not in accepted:
        return Diagnostic(f"{quoted(token.text)} is a word of the language and cannot be a name", span)
    message = f"expected {_listed(_phrases(accepted))}{_after(tokens, at)}, found {_found(token)}"
    help = _help(token, tokens[at - 1].text if at else "", accepted)
    return Diagnostic(message, span, _open_bracket(source, tokens, at, accepted), help=help)


def _accepts(states: list[int], kind: str) -> bool:
    """Whether a parser in these states can go on with a token of that kind."""
    table, rules = tables().states, tables().rules
    below, above = len(states), list[int]()
    while True:
        action = table[above[-1] if above else states[below - 1]].get(kind)
        if action is None:
            return False
        if action > 0:
            return True
        rule = rules[-1 - action]
        gone = min(rule.size, len(above))
        del above[len(above) - gone :]
        below -= rule.size - gone
        above.append(table[above[-1] if above else states[below - 1]][rule.origin] - 1)
        if kind == END and above[-1] in tables().ends.values():
            return True


def _phrases(accepted: set[str]) -> list[str]:
    """What is accepted in plain words, the most telling first."""
    said: list[str] = []
    if "FN" in accepted and "NUMBER" not in accepted:
        return ["a definition"]
    if "RETURN" in accepted and "AT" in accepted:
        said.append("a statement")
        accepted = accepted - STATEMENT
    elif "NUMBER" in accepted and "NAME" in accepted:
        said.append("an expression")
        accepted = accepted - BEGINNING - tables().keywords.keys()
    elif "OR" in accepted and accepted - FURTHER:
        accepted = accepted - FURTHER
    if "ALONG" in accepted and "AS" in accepted:  # any word
        accepted = accepted - set(tables().keywords.values())
    for kind, less in UNSAID:
        if kind in accepted:
            accepted = accepted - less
    spelled = sorted(text for kind, text in tables().spelling.items() if kind in accepted)
    names = [PHRASES[kind] for kind in PHRASES if kind in accepted]
    ends = [ENDS[kind] for kind in ENDS if kind in accepted]
    return [*said, *names, *(f'"{text}"' for text in sorted(spelled, key=lambda text: text in CLOSING.values())), *ends]


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} or {phrases[-1]}"


def _after(tokens: list[Token], at: int) -> str:
    before = tokens[at - 1] if at else None
    return "" if before is None or before.kind == NEWLINE else f" after {quoted(before.text)}"


def _found(token: Token) -> str:
    return ENDS.get(token.kind) or quoted(token.text)


def _open_bracket(source: Source, tokens: list[Token], at: int, accepted: set[str]) -> tuple[Note, ...]:
    """A note on the bracket that could be closed here, where it stands on another line."""
    if not accepted & {"RPAR", "RSQB"}:
        return ()
    depth = 0
    for token in reversed(tokens[max(at - SEEN, 0) : at]):
        depth += (token.kind in ("RPAR", "RSQB", "RBRACE")) - (token.kind in ("LPAR", "LSQB", "LBRACE"))
        if depth < 0:
            span = Span(source, token.begin, token.end)
            here = tokens[at].begin if at < len(tokens) else len(source.text)
            return (Note(f'"{token.text}" is opened here', span),) if source.line_of(here)[0] != span.line else ()
    return ()


def _help(token: Token, before: str, accepted: set[str]) -> str:
    if token.kind == "EQUAL" and "OR" in accepted and NEWLINE not in accepted:
        return 'did you mean "=="?'
    for word in (token.text, before):
        if word in SPELLINGS:
            return f'did you mean "{SPELLINGS[word]}"?'
    if "FN" in accepted and "NUMBER" not in accepted:
        return "definitions begin with import, dim, const, param, state, device, fn, graph or test"
    return ""
