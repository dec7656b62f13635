"""What is declared and not there yet: `flowc explain`, what each value became."""

from __future__ import annotations

import click

from flowc.cli.failures import not_yet
from flowc.cli.inputs import FILE, json_option


@click.command("explain")
@click.argument("model", type=FILE)
@click.argument("value", required=False)
@json_option
def explain_command(model: str, value: str | None, as_json: bool) -> None:
    """Say what values became (not there yet)."""
    not_yet("flowc explain")
