"""The tables of the language: tokens and LALR(1) states, made by lark from `grammar/flow.lark` and kept beside it as bytecode is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

FORM = "1"  # of the kept file
STARTS = ("start", "block")  # a file; a block, read for its errors alone


@dataclass(frozen=True)
class Rule:
    """A reduction of `size` values to `origin`.

    What is built is named `builds`; a rule without that name only collects.
    `children` are the places of the values kept, -1 where an optional part is
    left out. With `passes`, a single child stands for the whole.
    """

    origin: str
    builds: str
    size: int
    children: tuple[int, ...]
    passes: bool


@dataclass(frozen=True)
class Tables:
    """What the lexer matches, and what the parser does in each state.

    In `states`, a positive number n goes to state n - 1, a negative number -n
    reduces by rule n - 1.
    """

    pattern: str
    keywords: dict[str, str]  # kinds by their text
    spelling: dict[str, str]  # texts by kind, where a kind has one text
    states: tuple[dict[str, int], ...]
    rules: tuple[Rule, ...]
    starts: dict[str, int]
    ends: dict[str, int]


@cache
def tables() -> Tables:
    """The tables of the grammar that this package has; what is kept of another grammar counts as absent."""
    grammar = files("flowc.grammar") / "flow.lark"
    text = grammar.read_text(encoding="utf-8")
    if not isinstance(grammar, Path):
        return made(text)
    key = hashlib.sha256(f"{FORM}\n{text}".encode()).hexdigest()
    path = Path(cache_from_source(str(grammar))).with_suffix(".tables")
    found = kept(path, key)
    if found is not None:
        return found
    fresh = made(text)
    if not sys.dont_write_bytecode:
        write(path, key, fresh)
    return fresh


def made(grammar: str) -> Tables:
    """The tables of a grammar."""
    from lark import Lark  # only here: tables that are kept need no lark

    lark: Any = Lark(grammar, parser="lalr", lexer="basic", start=list(STARTS), maybe_placeholders=True)
    table: Any = lark.parse_interactive("", start=STARTS[0]).parser_state.parse_conf.parse_table
    number = {rule: at for at, rule in enumerate(lark.rules)}
    states = tuple(
        {symbol: argument + 1 if isinstance(argument, int) else -1 - number[argument] for symbol, (_, argument) in table.states[at].items()}
        for at in range(len(table.states))
    )
    fixed = {t.name: t.pattern.value for t in lark.terminals if t.pattern.type == "str"}
    keywords = {text: kind for kind, text in fixed.items() if text.isidentifier()}
    return Tables(
        _pattern([t for t in lark.terminals if fixed.get(t.name) not in keywords]),
        keywords,
        fixed,
        states,
        tuple(map(_rule, lark.rules)),
        dict(table.start_states),
        dict(table.end_states),
    )


def kept(path: Path, key: str) -> Tables | None:
    """The tables kept under that key; None where there are none, or others, or what is there is damaged."""
    try:
        found = json.loads(path.read_bytes())
        if found.pop("key") != key:
            return None
        re.compile(found["pattern"])
        found["rules"] = tuple(Rule(origin, builds, size, tuple(kept), passes) for origin, builds, size, kept, passes in found["rules"])
        found["states"] = tuple(found["states"])
        return Tables(**found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, re.error):
        return None


def write(path: Path, key: str, tables: Tables) -> None:
    """Keeps the tables; a folder that cannot be written keeps nothing, which only costs time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump({"key": key, **asdict(tables), "rules": [list(asdict(rule).values()) for rule in tables.rules]}, file)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)


def _pattern(terminals: list[Any]) -> str:
    """One pattern with a group for each terminal: a longer one before a shorter one that begins alike."""
    terminals = sorted(terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    return "|".join(f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in terminals)


def _rule(rule: Any) -> Rule:
    origin = str(rule.origin.name)
    kept = [at for at, symbol in enumerate(rule.expansion) if not (symbol.is_term and symbol.filter_out)]
    absent = rule.options.empty_indices or [False] * len(rule.expansion)
    places = iter(range(len(rule.expansion)))
    children = tuple(at for at in (-1 if gone else next(places) for gone in absent) if at < 0 or at in kept)
    builds = "" if origin.startswith("_") else str(rule.alias or origin)
    return Rule(origin, builds, len(rule.expansion), children, rule.options.expand1 and not rule.alias)
