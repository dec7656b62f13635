"""Programs as tests run them: elaborated, verified, by the interpreter."""

from typing import Any

import numpy as np

from flowc.ir.core import Module
from flowc.lang.elaborate import elaborate
from flowc.lang.parse import parse
from flowc.ops.interpret import run
from flowc.source import Source
from flowc.transforms.verify import verify

Array = np.ndarray[Any, Any]


def module(text: str) -> Module:
    source = Source("m.flow", text)
    return verify(elaborate(parse(source), source))


def results(text: str, *arrays: Any) -> list[Array]:
    """The results of the program's graph f."""
    return run(module(text).func("f"), arrays, {})
