"""Compiled code in this process: linked, with a thread pool, its errors rendered with the lines they are about."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from flowc.codegen import native
from flowc.codegen.interface import description
from flowc.codegen.sites import MESSAGES, Kind
from flowc.codegen.weights import Pointers, pointers
from flowc.errors import Diagnostic, RunError, UsageError
from flowc.source import Span
from flowc.stages import Compiled
from flowc.target import Target, host
from flowc_runtime.abi import Failure
from flowc_runtime.machine import UnsupportedTarget
from flowc_runtime.model import Model
from flowc_runtime.pool import Pool
from flowc_runtime.pool_text import pool_text
from flowc_runtime.processors import available_threads
from flowc_runtime.signature import Description, described

OF_GRAPH = "'s workspace"  # the site of what is wrong with all sizes of a graph together


@dataclass(frozen=True)
class Site:
    """A check: its place, and what it tells."""

    span: Span | None
    what: str


@dataclass(frozen=True)
class Linked:
    """A module in this process; its code and its weights live as long as this object."""

    model: Model
    library: native.Library
    description: Description
    weights: Pointers | None = None


def sites_of(made: Compiled) -> tuple[Site, ...]:
    """The checks of a compiled module by number."""
    assert made.interface is not None
    sites = made.interface.sites
    places = {number: op.location for op, number in sites.of.items()}
    places |= {number: made.module.func(graph).location for (graph, _), number in sites.params.items()}
    return tuple(Site(places.get(n), text.partition(": ")[2]) for n, text in enumerate(sites.texts))


def linked(made: Compiled, threads: int | None) -> Linked:
    """The code of `made`, ready to be called."""
    assert made.interface is not None
    table = pointers(made.interface.weights) if made.interface.place == "table" and made.interface.weights.blobs else None
    return link(made.code, description(made.interface), sites_of(made), threads, table)


def link(code: bytes, told: str, sites: tuple[Site, ...], threads: int | None, weights: Pointers | None = None) -> Linked:
    """An object file and its description as functions, whose errors have the places of `sites`."""
    library = native.load(code, host())
    what = described(json.loads(told))
    if weights is not None:
        weights.fill(library.address(f"{what.prefix}_weights"))
    model = Model(what, library.address, pool(threads), None, UsageError, failed(sites))
    return Linked(model, library, what, weights)


def failed(sites: tuple[Site, ...]) -> Callable[[Failure], Exception]:
    """Makes the error of a run that a check ended."""

    def error(failure: Failure) -> Exception:
        site = sites[failure.site] if 0 <= failure.site < len(sites) else Site(None, "")
        other = sites[failure.index].what if failure.code == Kind.OVERLAP and 0 <= failure.index < len(sites) else ""
        diagnostic = Diagnostic(message(failure, site.what, other), site.span)
        return RunError((diagnostic,), failure.code, failure.site, failure.index, failure.bound)

    return error


def message(failure: Failure, what: str, other: str = "") -> str:
    """What a failure says; `other` is what overlaps."""
    match failure.code:
        case Kind.INDEX:
            return f"index {failure.index} is out of range for size {failure.bound}: {what}"
        case Kind.SIZE if re.fullmatch(r"[A-Za-z_]\w*", what):
            return f"{what} is {failure.index}, {'below' if failure.index < failure.bound else 'above'} {failure.bound}"
        case Kind.SIZE if what.endswith(OF_GRAPH):
            graph = what.removesuffix(OF_GRAPH)
            return f"the sizes are too large together: bytes, steps or sizes of {graph} would reach 2^62"
        case Kind.SIZE if " equals " in what:
            return f"{what.replace(' equals ', ' and ')} differ: {failure.index} and {failure.bound}"
        case Kind.SIZE if " is at least " in what:
            size, _, least = what.partition(" is at least ")
            return f"{size} is {failure.index}, below {least}" + f", which is {failure.bound}" * (least != str(failure.bound))
        case Kind.SIZE:
            return f"{what}: {failure.index} and {failure.bound}"
        case Kind.LIMIT:
            return f"the loop reached its limit of {failure.bound}"
        case Kind.OVERLAP:
            return f"{what} and {other} overlap in memory: a result has memory of its own"
        case Kind.ASSERT:
            return f"assert failed: {what}" if what else "assert failed"
        case _:
            return MESSAGES[failure.code] + (f": {what}" if what else "")


@cache
def pool(threads: int | None) -> Pool | None:
    """The pool of this process with so many threads; None where one is all there is, or where there is no pool for this machine."""
    wanted = threads or available_threads()
    if wanted == 1:
        return None
    try:
        library = _pool_code(host())
    except UnsupportedTarget:
        return None
    return Pool(library.address, wanted)


@cache
def _pool_code(target: Target) -> native.Library:
    return native.load(pool_text(target.triple), target)
