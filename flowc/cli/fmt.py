"""`flowc fmt`: programs in their canonical layout."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import click

from flowc.cli.failures import Failed
from flowc.cli.inputs import FILE, bytes_of, stdin_once
from flowc.cli.terminal import Progress, say, tell


@click.command("fmt")
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Only tell which files would change; exit status 3 where there are any.")
def fmt_command(files: tuple[str, ...], check: bool) -> None:
    """Lay programs out canonically.

    Files are changed in place; - goes to the standard output.
    """
    from flowc.errors import CompileError, Diagnostic
    from flowc.lang.format import format
    from flowc.lang.parse import decoded

    stdin_once(files)
    wrong: list[Diagnostic] = []
    changed: list[str] = []
    with Progress(len(files), "files") as progress:
        for n, file in enumerate(files):
            progress.at(n, file)
            name, data = "<stdin>" if file == "-" else file, bytes_of(file)
            try:
                text = format(decoded(data, name))
            except CompileError as error:
                wrong += error.diagnostics
                continue
            if text.encode() != data:
                changed.append(name)
            if file == "-" and not check:
                click.echo(text, nl=False)
            elif text.encode() != data and not check:
                rewrite(Path(file), text)
    for name in changed:
        if check or name != "<stdin>":
            say(f"{name} {'would change' if check else 'changed'}")
    if wrong:
        raise CompileError(wrong)
    if check and changed:
        tell(f"{len(changed)} of {len(files)} file{'s' * (len(files) != 1)} would change")
        raise Failed


def rewrite(path: Path, text: str) -> None:
    """Replaces a file as a whole, under its own name and with its own rights."""
    target = path.resolve()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode())
    shutil.copymode(target, temporary)
    os.replace(temporary, target)
