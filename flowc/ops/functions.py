"""Mathematical functions, elementwise."""

from __future__ import annotations

import numpy as np

from flowc.ir.core import Value
from flowc.ops.elementwise import Elementwise, less_equal, where
from flowc.ops.tensor import like


class Relu(Elementwise, name="relu"):
    """max(x, 0); NaN stays."""

    x: Value
    exact = True
    numpy = lambda x: np.where(x <= 0, np.zeros_like(x), x)  # noqa: E731

    def expand(self) -> Value:
        zero = like(self.x, 0)
        return where(less_equal(self.x, zero), zero, self.x)
