"""`flowc ops`: the reference of the built-in functions, from their classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from flowc.cli.inputs import json_option
from flowc.cli.terminal import say, table

if TYPE_CHECKING:
    from flowc.ops.tensor import BuiltIn


@click.command("ops")
@click.argument("name", required=False)
@click.option("--missing", is_flag=True, help="Tell what the language names and is not there yet.")
@json_option
def ops_command(name: str | None, missing: bool, as_json: bool) -> None:
    """Tell what built-in functions there are.

    With a name all about that one.
    """
    from flowc.errors import did_you_mean
    from flowc.ops.call import built_ins, signature_text
    from flowc.ops.reference import reference, summary

    if missing:
        if name is not None:
            raise click.UsageError("--missing lists all that are not there, and takes no name.")
        _tell_missing(as_json)
        return
    known = built_ins()
    if name is not None and name not in known:
        raise click.UsageError(f"There is no function {name}: {did_you_mean(name, known) or 'flowc ops lists them'}")
    chosen = [known[name]] if name is not None else sorted(dict.fromkeys(known.values()), key=lambda cls: cls.name)
    if as_json:
        listed = [_described(cls) for cls in chosen]
        say(json.dumps(listed[0] if name is not None else listed, indent=2, ensure_ascii=False))
    elif name is not None:
        say(reference(chosen[0]).rstrip())
    else:
        for line in table([(signature_text(cls), summary(cls)) for cls in chosen]):
            say(line)


def _tell_missing(as_json: bool) -> None:
    from flowc.ops.call import missing

    lacking = missing()
    if as_json:
        say(json.dumps([{"name": name, "signature": text} for name, text in lacking.items()], indent=2))
        return
    for text in lacking.values():
        say(text)


def _described(cls: type[BuiltIn]) -> dict[str, Any]:
    from flowc.ops.call import REQUIRED, parameters
    from flowc.ops.reference import entry, theme_of

    formals = [
        {"name": p.name, "takes": p.kind.value, "required": p.default is REQUIRED, "by_name": p.named} for p in parameters(cls)
    ]
    told = entry(cls)
    return {
        "name": told.name,
        "theme": theme_of(cls),
        "aliases": list(told.aliases),
        "operator": told.infix,
        "signature": told.signature,
        "parameters": formals,
        "meaning": told.meaning,
        "elements": told.elements,
        "derivative": told.derivative,
    }
