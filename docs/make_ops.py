"""Prints docs/ops.md: every built-in function, as its class tells it; `python docs/make_ops.py > docs/ops.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowc.ops.call import missing
from flowc.ops.reference import Entry, entry, themes

HEAD = """\
# The built-in functions

`docs/make_ops.py` writes this page from the classes of the functions; a test compares it. `flowc ops NAME` tells the same of one.

Formals without a value must be given. `axis=all` and the like say what holds where an argument is left out; axes count from the end when
negative. *Elements* are the kinds that the operands may be of: all the floats, or all the integers of either sign. Operands are of one
dtype, but for positions, labels and conditions. *Derivative* says how that by operands of floats is known: by a rule of its own, by the
functions it is made of, or solved from its definition by index ([how](derivatives.md)). Sums are made in the order of [sum](#sum) unless
it says otherwise, and so have the same bits everywhere. `grad`, `vjp`, `jvp`, `scan` and `loop` are constructs of
[the language](language.md).
"""


def document() -> str:
    told = {theme: [entry(cls) for cls in classes] for theme, classes in themes().items()}
    parts = [HEAD, "".join(contents(told))]
    for theme, entries in told.items():
        parts += [f"## {theme}\n", *map(block, entries)]
    lacking = ", ".join(f"`{name}`" for name in missing())
    parts.append(f"## Not there yet\n\nThe language names these, and flowc refuses them with an error: {lacking}.\n")
    return "\n".join(parts)


def contents(told: dict[str, list[Entry]]) -> Iterator[str]:
    """A line for each theme, with links to its functions."""
    for theme, entries in told.items():
        yield f"- [{theme}](#{anchor(theme)}): {', '.join(f'[{e.name}](#{e.name})' for e in entries)}\n"


def anchor(title: str) -> str:
    """Where a heading stands, as pages of Markdown name it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def block(told: Entry) -> str:
    facts = " · ".join(f"*{what}* {f'`{text}`' if what in ('operator', 'also') else text}" for what, text in told.facts)
    return f"### {told.name}\n\n`{told.signature}`\n\n{plain(told.meaning)}\n" + (f"\n{facts}\n" if facts else "")


def plain(text: str) -> str:
    """The text with what Markdown would take for marks escaped, outside of code."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"(?<!\s)\*|\*(?!\s)|<(?=[A-Za-z/!?])|(?<=\W)_|_(?=\W)", r"\\\g<0>", part) for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    print(document(), end="")
