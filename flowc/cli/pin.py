"""What `flowc check --pin` writes: the hash of each file that a program imports."""

from __future__ import annotations

from pathlib import Path

from flowc.cli.fmt import rewrite
from flowc.cli.inputs import source_of


def pinned(file: str) -> list[str]:
    """Writes into a program the SHA-256 of the weights and programs it imports; which of them it said otherwise.

    A file that is not there is left for the check to tell.  Raises `CompileError` where the program cannot be read.
    """
    from flowc.lang import ast
    from flowc.lang.parse import parse
    from flowc.lang.weights import WeightError, sha256

    source = source_of(file)
    text, told = source.text, list[str]()
    for item in reversed(parse(source).items):
        if not isinstance(item, ast.Import) or item.kind not in ("weights", "flow"):
            continue
        try:
            found = sha256(Path(file).resolve().parent / item.path.value)
        except WeightError:
            continue
        stated = item.sha256
        if stated is not None and stated.value.lower() == found:
            continue
        begin, end = (item.name.span.end, item.name.span.end) if stated is None else (stated.span.begin, stated.span.end)
        text = f'{text[:begin]}{" sha256 " if stated is None else ""}"{found}"{text[end:]}'
        told.append(item.path.value)
    if told:
        rewrite(Path(file), text)
    return told[::-1]
