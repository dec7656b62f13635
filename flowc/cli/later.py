"""Commands that are declared and not there yet: what each value became, and measured speed."""

from __future__ import annotations

import click

from flowc.cli.failures import not_yet
from flowc.cli.inputs import FILE, dim_option, json_option


@click.command("explain")
@click.argument("model", type=FILE)
@click.argument("value", required=False)
@json_option
def explain_command(model: str, value: str | None, as_json: bool) -> None:
    """Say what values became (not there yet)."""
    not_yet("flowc explain")


@click.command("bench")
@click.argument("model", type=FILE)
@click.argument("graph")
@dim_option
@click.option("--threads", metavar="1,2", help="Numbers of threads to measure.")
@click.option("--profile", is_flag=True, help="A table of the kernels.")
@click.option("-o", "--output", metavar="T.json", help="A trace for Chrome, with --profile.")
@json_option
def bench_command(
    model: str, graph: str, dims: tuple[tuple[str, str], ...], threads: str | None, profile: bool, output: str | None, as_json: bool
) -> None:
    """Measure a graph (not there yet)."""
    not_yet("flowc bench")
