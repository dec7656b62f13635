"""The programs in samples/ and arrays to feed their graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flowc.codegen.signature import Port, Signature
from flowc.ir.dims import evaluate
from flowc.ir.types import DType
from flowc.target import Target
from tests.codegen.program import Program, planned
from tests.promises.bits import Array

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*.flow"))
ROWS = ("classify", "mlp", "embed", "average")  # graphs whose first axes are rows apart from each other


def program(path: Path, target: Target | None = None) -> Program:
    """The sample as machine code, its weights beside it, with its state as init leaves it."""
    return Program(planned(path.read_text(), path.name, target, path), "separate", target)


def feeds(signature: Signature, n: int) -> list[Array]:
    """Arrays with every size `n`, or the nearest the graph takes; integers are small enough for ids, classes, pixels and rounds."""
    rng = np.random.default_rng([n, len(signature.name)])
    sizes = {size: max(size.low, n if size.high is None else min(n, size.high)) for size in signature.sizes}
    return [elements(rng, port, tuple(evaluate(d, sizes) for d in port.shape)) for port in signature.inputs]


def elements(rng: np.random.Generator, port: Port, shape: tuple[int, ...]) -> Array:
    if port.dtype is DType.bool:
        return rng.random(shape) < 0.5
    if port.dtype.is_float:
        return (rng.standard_normal(shape) if shape else np.array(0.25)).astype(port.dtype.numpy)
    return rng.integers(0, 8, shape).astype(port.dtype.numpy)
