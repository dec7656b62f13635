"""All ops there are: every module of this package is imported, so that a new op is known by being in a file here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

import flowc.ops
from flowc.ir.core import OPS, Op


@cache
def catalog() -> Mapping[str, type[Op]]:
    """Every op by its name in the textual IR."""
    for module in pkgutil.walk_packages(flowc.ops.__path__, "flowc.ops."):
        importlib.import_module(module.name)
    return OPS
