"""Difference quotients in f64 beside a derivative."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import numpy as np

from flowc.errors import Diagnostic, Note
from flowc.lang.elaborate.context import GradientCheck
from flowc.ops.interpret import run

Array = np.ndarray[Any, Any]

SMALL = 32  # elements: an argument with more is moved along directions
DIRECTIONS = 8
STEP = float(np.finfo(np.float64).eps) ** (1 / 3)


def failed(check: GradientCheck, results: Sequence[Array], state: MutableMapping[str, Array]) -> Diagnostic | None:
    """The first quotient that the derivative is not near to, of each argument element by element, or along directions where it is large."""
    given = [np.asarray(results[n]).astype(np.float64) for n in check.arguments]
    for n, (x, at) in enumerate(zip(given, check.derivatives, strict=True)):
        derivative = np.asarray(results[at]).astype(np.float64)
        wrong: list[str] = []
        count = 0
        for place, direction in _directions(x):
            count += 1
            quotient = _quotient(check, given, n, direction, state)
            said = float(np.sum(derivative * direction))
            if not abs(said - quotient) <= check.within * max(1.0, abs(quotient)):
                wrong.append(f"{place} is {said:.8g}, not within {check.within:g} of the difference quotient {quotient:.8g}")
        if wrong:
            name = check.func.body.params[n].hint
            notes = (Note(f"and at {len(wrong) - 1} more of {count}", None),) if len(wrong) > 1 else ()
            return Diagnostic(f"check_grad failed: the derivative of {check.function} by {name}{wrong[0]}", check.span, notes)
    return None


def _directions(x: Array) -> Iterator[tuple[str, Array]]:
    if x.size <= SMALL:
        for spot in np.ndindex(x.shape):
            direction = np.zeros(x.shape)
            direction[spot] = 1.0
            yield f" at [{', '.join(map(str, spot))}]" if spot else "", direction
        return
    chance = np.random.default_rng(0)
    for n in range(DIRECTIONS):
        signs = np.where(np.frombuffer(chance.bytes(x.size), np.uint8) < 128, -1.0, 1.0).reshape(x.shape)
        yield f" along direction {n + 1} of {DIRECTIONS}", signs / np.sqrt(x.size)


def _quotient(check: GradientCheck, given: Sequence[Array], n: int, direction: Array, state: MutableMapping[str, Array]) -> float:
    moved = direction != 0
    step = STEP * max(1.0, float(np.max(np.abs(given[n][moved]), initial=0.0)))
    ends: list[float] = []
    for h in (step, -step):
        arrays = [*given[:n], given[n] + h * direction, *given[n + 1 :]]
        ends.append(float(run(check.func, arrays, dict(state))[0]))
    return (ends[0] - ends[1]) / (2 * step)
