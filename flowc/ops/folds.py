"""The folds of kernels in numpy, along the last axis of arrays and with the bits of native code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowc.ir.types import DType
from flowc.ops.kernel import BLOCK, LANES, PAIRS, start_of
from flowc.ops.numerics import larger, smaller
from flowc.ops.rounding import exact_fma
from flowc.ops.tensor import Array


def product_sum(x: Array, y: Array, total: Array) -> Array:
    """x * y + total, rounded once for floats, wrapping for integers."""
    if x.dtype.kind == "f":
        return exact_fma(x, y, total)
    with np.errstate(all="ignore"):
        return x * y + total


def blocks(fold: str, terms: Sequence[Array], active: Array, dtype: DType) -> Array:
    """Blocks of 65,536 terms, each in 64 lanes and their tree, joined in order."""
    total = None
    for begin in range(0, max(active.shape[-1], 1), BLOCK):
        part = tree(fold, lanes(fold, [t[..., begin : begin + BLOCK] for t in terms], active[..., begin : begin + BLOCK], dtype))
        total = part if total is None else joined(fold, total, part)
    assert total is not None
    return total


def lanes(fold: str, terms: Sequence[Array], active: Array, dtype: DType) -> Array:
    totals = np.full((*active.shape[:-1], LANES), start_of(fold, dtype), dtype.numpy)
    for begin in range(0, active.shape[-1], LANES):
        part = slice(begin, begin + LANES)
        count = active[..., part].shape[-1]
        old = totals[..., :count]
        if fold in PAIRS:
            new = product_sum(terms[0][..., part], terms[1][..., part], old)
        else:
            new = joined(fold, old, terms[0][..., part])
        totals[..., :count] = np.where(active[..., part], new, old)
    return totals


def tree(fold: str, totals: Array) -> Array:
    half = LANES // 2
    while half:
        totals = joined(fold, totals[..., :half], totals[..., half : 2 * half])
        half //= 2
    return totals[..., 0]


def joined(fold: str, x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        match fold:
            case "sum" | "lanes":
                return x + y
            case "prod":
                return x * y
            case "max":
                return larger(x, y)
            case "min":
                return smaller(x, y)
            case "any":
                return x | y
            case _:
                return x & y


def arg(fold: str, terms: Array, active: Array) -> Array:
    """The first NaN, else the first largest or smallest; -1 of nothing."""
    if not terms.shape[-1]:
        return np.full(terms.shape[:-1], -1, np.int64)
    best = np.full(terms.shape[:-1], -1, np.int64)
    held = terms[..., 0]
    for k in range(terms.shape[-1]):
        x = terms[..., k]
        better = x > held if fold == "argmax" else x < held
        if x.dtype.kind == "f":
            better = (better & ~np.isnan(held)) | (np.isnan(x) & ~np.isnan(held))
        takes = active[..., k] & ((best < 0) | better)
        best, held = np.where(takes, k, best), np.where(takes, x, held)
    return best


def scattered(fold: str, into: Array, places: Array, terms: Array) -> Array:
    """Folds each term into the element at its place, those of one place in their order; what each place held before."""
    before = np.empty_like(terms)
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))  # of the terms of each place
    turn = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    by_turn = np.argsort(turn, kind="stable")
    ends = np.cumsum(np.bincount(turn))
    for begin, end in zip((0, *ends), ends, strict=False):
        chosen = order[by_turn[begin:end]]
        at = places[chosen]
        before[chosen] = into[at]
        into[at] = terms[chosen] if fold == "set" else joined(fold, into[at], terms[chosen])
    return before
