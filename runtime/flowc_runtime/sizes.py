"""Sizes as text: integers, names, `+ - * //`, `min`, `max` and parentheses; nothing else is evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Value = Callable[[Mapping[str, int]], int]


@dataclass(frozen=True)
class Expression:
    """A size; its text and what it is for given sizes."""

    text: str
    value: Value

    def __str__(self) -> str:
        return self.text


def expression(text: str) -> Expression:
    """The size that `text` writes; raises ValueError where it is none."""
    reader = _Reader(text)
    value = reader.sum()
    if reader.token:
        raise ValueError(f"{text!r} is no size: {reader.token!r} is left over")
    return Expression(text, value)


_TOKEN = re.compile(r"\s*(//|[-+*(),]|\d+|[^\W\d][\w.]*|\Z)")
_DEPTH = 100


class _Reader:
    """Recursive descent, a method per level of binding."""

    def __init__(self, text: str) -> None:
        self.text, self.place, self.depth = text, 0, 0
        self.token = ""
        self.advance()

    def advance(self) -> str:
        """Gives the token at hand and reads the one after it, "" at the end."""
        found = _TOKEN.match(self.text, self.place)
        if found is None:
            raise ValueError(f"{self.text!r} is no size: unexpected {self.text[self.place :].strip()[:1]!r}")
        token, self.token, self.place = self.token, found[1], found.end()
        return token

    def expect(self, token: str) -> None:
        if self.token != token:
            raise ValueError(f"{self.text!r} is no size: {token!r} is missing")
        self.advance()

    def skip(self, token: str) -> bool:
        """Whether the token was there."""
        found = self.token == token
        if found:
            self.advance()
        return found

    def sum(self) -> Value:
        total = self.product()
        while self.token in ("+", "-"):
            total = _BINARY[self.advance()](total, self.product())
        return total

    def product(self) -> Value:
        total = self.factor()
        while self.token in ("*", "//"):
            total = _BINARY[self.advance()](total, self.factor())
        return total

    def factor(self) -> Value:
        self.depth += 1
        if self.depth > _DEPTH:
            raise ValueError(f"{self.text[:40]!r}... is nested more than {_DEPTH} deep")
        value = self.atom()
        self.depth -= 1
        return value

    def atom(self) -> Value:
        token = self.advance()
        if token == "-":
            return _BINARY["-"](_constant(0), self.factor())
        if token == "(":
            value = self.sum()
            self.expect(")")
            return value
        if token.isdecimal():
            return _constant(int(token))
        if token in _BINARY and self.token == "(":
            return self.call(_BINARY[token])
        if not token or token in _BINARY or not (token[0] == "_" or token[0].isalpha()):
            raise ValueError(f"{self.text!r} is no size: a number or a name is missing")
        return lambda sizes: sizes[token]

    def call(self, function: Callable[[Value, Value], Value]) -> Value:
        """What stands in parentheses after `min` or `max`."""
        self.expect("(")
        value = self.sum()
        while self.skip(","):
            value = function(value, self.sum())
        self.expect(")")
        return value


def _constant(number: int) -> Value:
    return lambda sizes: number


_BINARY: Mapping[str, Callable[[Value, Value], Value]] = {
    "+": lambda a, b: lambda sizes: a(sizes) + b(sizes),
    "-": lambda a, b: lambda sizes: a(sizes) - b(sizes),
    "*": lambda a, b: lambda sizes: a(sizes) * b(sizes),
    "//": lambda a, b: lambda sizes: a(sizes) // b(sizes),
    "min": lambda a, b: lambda sizes: min(a(sizes), b(sizes)),
    "max": lambda a, b: lambda sizes: max(a(sizes), b(sizes)),
}
