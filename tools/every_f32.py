"""The greatest error of our functions over all 2^32 numbers of f32, against numpy in f64: two to ten minutes each.

    python -m tools.every_f32 exp tanh      from the root of the repository; all functions where none is named
"""

from __future__ import annotations

import sys

import numpy as np

from flowc.ir.types import DType
from tests.ops.test_elementary import KNOWN, native as of_more
from tests.ops.test_math import FUNCTIONS, IN_F64, native, ulps

CHUNK = 1 << 20


def greatest_error(name: str) -> tuple[float, float]:
    """In units of the last place, and a number that has it; infinite where a result is of another kind."""
    function, like = (native(name, DType.f32, 16), IN_F64[name]) if name in FUNCTIONS else (of_more(name, DType.f32, 16), KNOWN[name].like)
    worst, place = -1.0, 0.0
    for start in range(0, 1 << 32, CHUNK):
        x = np.arange(start, start + CHUNK, dtype=np.uint64).astype(np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            error = ulps(function(x), like(x.astype(np.float64)))
        if error.max() > worst:
            worst, place = float(error.max()), float(x[error.argmax()])
    return worst, place


if __name__ == "__main__":
    for chosen in sys.argv[1:] or FUNCTIONS:
        print(chosen, *greatest_error(chosen), flush=True)
