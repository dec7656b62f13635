"""The command line: which commands there are; what goes wrong is told in `failures`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from flowc.cli.failures import Journal, status

# The file and the name of each command, in the order in which help lists them; a file is imported when its command is asked for.
COMMANDS = {
    "compile": "compile",
    "run": "run",
    "check": "check",
    "test": "test",
    "fmt": "fmt",
    "opt": "opt",
    "diff": "diff",
    "explain": "later",
    "bench": "bench",
    "ops": "ops",
    "cache": "machine",
    "devices": "machine",
}


class Commands(click.Group):
    """The commands by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"flowc.cli.{COMMANDS[cmd_name]}"), f"{cmd_name}_command")

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from flowc.errors import did_you_mean

            ctx.fail(f"There is no command {args[0]}: {did_you_mean(args[0], COMMANDS) or 'there are ' + ', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, *unused: Any, **extra: Any) -> NoReturn:
        """Runs a command and ends the process with its exit status."""
        given = list(sys.argv[1:] if args is None else args)
        kept = Journal()

        def run() -> Any:
            with self.make_context("flowc", [*given], obj=kept) as ctx:
                return self.invoke(ctx)

        sys.exit(status(run, given, kept))


def _version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Prints the versions and ends, where they are asked for."""
    if wanted and not ctx.resilient_parsing:
        from flowc.cli.versions import versions

        click.echo(", ".join(f"{name} {number}" for name, number in versions().items()))
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Versions of flowc, LLVM and the IR.")
def cli() -> None:
    """flowc compiles tensor programs to native code.

    Where a file is expected, - is the standard input.  Exit status: 0 done, 1 the input is at fault, 2 wrong usage, 3 a test or
    comparison failed, 70 an internal error.
    """


def main() -> NoReturn:
    """What the installed command `flowc` runs."""
    cli.main()
