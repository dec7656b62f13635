"""The canonical layout of a text: a function of its tokens, its comments, and the blank lines between its statements.

Two blanks for each block; a blank line stays, several become one; a comment
stays with what it stands behind or before. A line of more than `WIDTH` columns
is broken where its parts are bound loosest: before `->`, after commas, before
operators; into as few lines as can be, and those as even as can be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from flowc.lang.lexer import NEWLINE, Errors, Token, tokenize
from flowc.lang.lines import partners, statements
from flowc.lang.parse import parse
from flowc.lang.spacing import LOOSENESS, Word, words
from flowc.source import Source

WIDTH = 120
INDENT = "  "
HANGING = 4  # columns by which the rest of a broken line goes in
ALIGNED = 40  # columns by which it may go in to stand under an operand


def format(source: Source) -> str:
    """The text in its canonical layout; raises `CompileError` if it cannot be read."""
    parse(source)
    errors = Errors(source)
    tokens = tokenize(source, errors)
    layout = _Layout(source, words(statements(tokens, errors)), [token for token in tokens if token.kind == "COMMENT"])
    return "".join(f"{text}\n" for line in layout.lines() for text in _written(line))


@dataclass
class _Line:
    """A statement, the head of a block or what goes on behind one: parts, and the comments that stand behind them."""

    indent: int
    parts: list[list[Word]] = field(default_factory=lambda: [[]])
    comments: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])  # and whether on a line of its own


class _Layout:
    """Cuts a text into lines; a block is wide where its statements have lines of their own."""

    def __init__(self, source: Source, words: list[Word], comments: list[Token]) -> None:
        self.source, self.words, self.comments = source, words, comments
        self.partner = partners([word.token for word in words])
        self.number = {id(word): at for at, word in enumerate(words)}
        self.wide = self._wide()

    def lines(self) -> list[_Line | None]:
        """The lines, None for a blank one; a block stays in the line of its brace if it was written so and fits."""
        while True:
            lines = _Cut(self.source, self.words, self.comments, self.wide, self.partner).lines()
            narrow = [at for line in lines if line is not None for at in self._too_long(line)]
            if not narrow:
                return lines
            self.wide |= set(narrow)

    def _wide(self) -> set[int]:
        """The braces behind which a statement ends by its line, or a comment stands."""
        wide: set[int] = set()
        open: list[int] = []
        comments = iter([*(comment.begin for comment in self.comments), len(self.source.text)])
        comment = next(comments)
        for at, word in enumerate(self.words):
            while comment < word.token.begin:
                wide.update(open)
                comment = next(comments)
            if word.token.kind == "LBRACE":
                open.append(at)
            elif word.token.kind == "RBRACE":
                open.pop()
            elif word.token.kind == NEWLINE and not (open and self.partner[open[-1]] == at + 1 == open[-1] + 2):
                wide.update(open)
        return wide

    def _too_long(self, line: _Line) -> list[int]:
        """The outermost blocks that make a line longer than it may be."""
        found = [word for part in line.parts for word in part]
        if line.indent * len(INDENT) + len(_flat(found)) <= WIDTH:
            return []
        narrow: list[int] = []
        for word in found:
            at = self.number[id(word)]
            inside = bool(narrow) and at < self.partner[narrow[-1]]
            if word.token.kind == "LBRACE" and at not in self.wide and self.partner[at] > at + 1 and not inside:
                narrow.append(at)
        return narrow


@dataclass
class _Cut:
    """One pass over the words of a text."""

    source: Source
    words: list[Word]
    comments: list[Token]
    wide: set[int]
    partner: dict[int, int]
    out: list[_Line | None] = field(default_factory=list["_Line | None"])
    line: _Line | None = None  # that goes on
    indent: int = 0
    end: int = 0  # of what is placed
    tight: bool = True  # no blank line stands here: a block, the file or an attribute comes before

    def lines(self) -> list[_Line | None]:
        closing = {self.partner[at] for at in self.wide}
        comments = iter(self.comments)
        comment = next(comments, None)
        for at, word in enumerate(self.words):
            while comment is not None and comment.begin < word.token.begin:
                self._comment(comment)
                comment = next(comments, None)
            if word.token.kind == NEWLINE:
                empty = self.words[at - 1].token.kind == "LBRACE" and at - 1 not in self.wide
                self.line = self.line if empty else None
                continue
            if at in closing:
                self.line, self.tight = None, True
                self.indent -= 1
            self._word(word)
            if at in self.wide:
                self.line, self.tight = None, True
                self.indent += 1
            elif word.ends_attribute:
                self.line, self.tight = None, True
        while comment is not None:
            self._comment(comment)
            comment = next(comments, None)
        return self.out

    def _word(self, word: Word) -> None:
        if self.line is None:
            self.line = self._new(word.token)
        self.line.parts[-1].append(word)
        self.end = word.token.end

    def _comment(self, comment: Token) -> None:
        own = not self.out or "\n" in self.source.text[self.end : comment.begin]
        line = self.line or (self._new(comment) if own else self.out[-1])
        assert line is not None
        line.comments.append((comment.text.rstrip(), own))
        line.parts.append([])
        self.end = comment.end

    def _new(self, token: Token) -> _Line:
        if not self.tight and self.source.text.count("\n", self.end, token.begin) > 1:
            self.out.append(None)
        self.tight = False
        line = _Line(self.indent)
        self.out.append(line)
        return line


def _written(line: _Line | None) -> list[str]:
    """The lines of the text that a line becomes."""
    if line is None:
        return [""]
    out: list[str] = []
    for at, part in enumerate(line.parts):
        column = line.indent * len(INDENT)
        if out and not (part and part[0].token.text in ("else", "derivative")):
            column += HANGING
        if part:
            out += _broken(part, column)
        if at == len(line.comments):
            continue
        text, own = line.comments[at]
        if own or not out:
            out.append(" " * column + text)
        else:
            out[-1] += f"  {text}"
    return out


def _broken(words: list[Word], column: int) -> list[str]:
    """The words from `column` on, in as many lines as they need."""
    out: list[str] = []
    work = [(words, column)]
    while work:
        words, column = work.pop()
        flat = _flat(words)
        breaks = _breaks(words)
        if column + len(flat) <= WIDTH or not breaks:
            out.append(" " * column + flat)
        elif (rows := _rows(words, breaks)) is not None:
            lines = _pieces(words, rows)
            work += [(line, column + len(INDENT) * (0 < at < len(rows))) for at, line in reversed(list(enumerate(lines)))]
        else:
            rest = _continuation(words, breaks[0], column)
            lines = _filled(_pieces(words, breaks), column, rest)
            work += [(line, rest if at else column) for at, line in reversed(list(enumerate(lines)))]
    return out


def _breaks(words: list[Word]) -> list[int]:
    """The words before which a line is broken: in the value of a statement if that can be, else among its targets."""
    value = next((at + 1 for at, word in enumerate(words) if word.assigns and word.token.text == "="), 0)
    return _loosest(words, value) or _loosest(words, 0)


def _loosest(words: list[Word], begin: int) -> list[int]:
    """Those from `begin` on that are bound loosest in the outermost brackets, of several the longest."""
    end, depth = len(words), min((word.depth for word in words[begin:]), default=0)
    while True:
        found = [at for at in range(max(begin, 1), end) if words[at].depth == depth and words[at].looseness is not None]
        if found:
            loosest = min(words[at].looseness or 0 for at in found)
            return [at for at in found if words[at].looseness == loosest]
        within = [run for run in _runs(words, begin, end, depth) if any(word.looseness is not None for word in words[run[0] + 1 : run[1]])]
        if not within:
            return []
        begin, end = max(within, key=lambda run: len(_flat(words[run[0] : run[1]])))
        depth += 1


def _runs(words: list[Word], begin: int, end: int, depth: int) -> list[tuple[int, int]]:
    """The stretches between words `begin` and `end` that stand deeper than `depth`."""
    outside = [begin - 1, *(at for at in range(begin, end) if words[at].depth <= depth), end]
    return [(before + 1, after) for before, after in pairwise(outside) if before + 1 < after]


def _rows(words: list[Word], breaks: list[int]) -> list[int] | None:
    """Where lines begin if `breaks` stand between lists in a list: before each of them, and before what closes it."""
    depth, begin, end = words[breaks[0]].depth, breaks[0], breaks[-1]
    while begin and words[begin - 1].depth >= depth:
        begin -= 1
    while end < len(words) and words[end].depth >= depth:
        end += 1
    inside = begin > 0 and end < len(words)
    return [begin, *breaks, end] if inside and all(words[at].token.text == "[" for at in (begin, *breaks)) else None


def _pieces(words: list[Word], breaks: list[int]) -> list[list[Word]]:
    return [words[begin:end] for begin, end in pairwise((0, *breaks, len(words)))]


def _continuation(words: list[Word], first: int, column: int) -> int:
    """The column of a line's rest, broken before word `first`: so that an operand stands under that of a statement, else hanging."""
    assigned = [at for at, word in enumerate(words[:first]) if word.assigns]
    if not assigned or words[first].looseness is None or words[first].depth != words[assigned[-1]].depth:
        return column + HANGING
    operand = len(_flat(words[: assigned[-1] + 1])) + 1
    operator = len(words[first].token.text) + 1 if words[first].token.text in LOOSENESS else 0
    return column + (operand - operator if operand <= ALIGNED else HANGING)


def _filled(pieces: list[list[Word]], column: int, rest: int) -> list[list[Word]]:
    """The pieces in as few lines as can be, the longest of which is as short as can be."""
    widths = [len(_flat(piece)) + 1 for piece in pieces]
    low, high = 1, WIDTH
    count = len(_fill(widths, column, rest, WIDTH))
    while low < high:
        middle = (low + high) // 2
        if len(_fill(widths, column, rest, middle)) > count:
            low = middle + 1
        else:
            high = middle
    lines: list[list[Word]] = []
    at = 0
    for number in _fill(widths, column, rest, low):
        lines.append([word for piece in pieces[at : at + number] for word in piece])
        at += number
    return lines


def _fill(widths: list[int], column: int, rest: int, limit: int) -> list[int]:
    """How many pieces each line holds, filled one after the other."""
    counts = [0]
    used = column - 1
    for width in widths:
        if counts[-1] and used + width > limit:
            counts.append(0)
            used = rest - 1
        counts[-1] += 1
        used += width
    return counts


def _flat(words: list[Word]) -> str:
    """The words in one line."""
    return "".join(f" {word.token.text}" if at and word.blank else word.token.text for at, word in enumerate(words))
