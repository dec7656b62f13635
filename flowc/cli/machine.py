"""`flowc cache` and `flowc devices`: what is kept on this machine, and what it has."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import click

from flowc.cli.inputs import cache_folder, json_option
from flowc.cli.terminal import bytes_text, say, table


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove all of it.")
@json_option
def cache_command(clear: bool, as_json: bool) -> None:
    """List the compiled code that is kept.

    FLOWC_CACHE names its folder; where that is empty nothing is kept.
    """
    from flowc.cache import Cache, default_folder

    folder = cache_folder()
    if folder is False:
        raise click.UsageError("FLOWC_CACHE is empty, so that nothing is kept.")
    cache = Cache(folder if isinstance(folder, Path) else default_folder())
    entries = cache.entries()
    if clear:
        cache.clear()
    total = sum(size for _, size, _ in entries)
    if as_json:
        listed = [{"key": key, "bytes": size, "used": _when(used)} for key, size, used in entries]
        told = {"folder": str(cache.folder), "bytes": total, "limit": cache.limit, "entries": listed, "cleared": clear}
        say(json.dumps(told, indent=2))
        return
    count = f"{len(entries)} entr{'y' if len(entries) == 1 else 'ies'}, {bytes_text(total)}"
    if clear:
        say(f"removed {count} from {cache.folder}")
        return
    for line in table([(key[:16], bytes_text(size), f"used {_when(used)}") for key, size, used in entries]) if entries else ():
        say(line)
    say(f"{count} of at most {cache.limit:,} in {cache.folder}")


def _when(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).isoformat(" ", "seconds")


@click.command("devices")
@json_option
def devices_command(as_json: bool) -> None:
    """List the devices of this machine."""
    from flowc.target import host
    from flowc_runtime.processors import available_threads

    own = host()
    features = sorted(f[1:] for f in own.features.split(",") if f.startswith("+"))
    threads = available_threads()
    if as_json:
        cpu = {"name": "cpu(0)", "cpu": own.cpu, "triple": own.triple, "threads": threads, "vector_bytes": own.vector, "fma": own.fma}
        say(json.dumps([{**cpu, "features": features}], indent=2))
        return
    count = f"{threads} thread{'s' * (threads != 1)}"
    say(f"cpu(0): {own.cpu}, {own.triple}, {count}, vectors of {own.vector} bytes, {'with' if own.fma else 'without'} fma")
    say("code for GPUs is not there yet")
