"""Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; 2011).

A 64-bit key and a 64-bit counter, each as two words of 32 bits, the low one
first, give two words.  Where 64 bits are wanted, the first word is the high one.
"""

from __future__ import annotations

import numpy as np

from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_most
from flowc.ir.types import DType, Type
from flowc.ops.elementwise import add, cast
from flowc.ops.integers import bit_or, bit_xor, shift_left, shift_right_logical
from flowc.ops.tensor import Array, SizeValue, constant, like

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
ROUNDS = 20
SECOND = 1 << 31  # added to a counter's high word where an element takes a second pair of words

Words = tuple[Value, Value]
Arrays = tuple[Array, Array]


def counter(position: Dim) -> Words:
    """A row-major position as two words."""
    if at_most(position, (1 << 32) - 1):
        return SizeValue((position,), Type(DType.u32)).result, constant(0, DType.u32)
    return words(SizeValue((position,), Type(DType.i64)).result)


def words(x: Value) -> Words:
    """An i64 scalar as two u32, the low one first."""
    return cast(x, DType.u32), cast(shift_right_logical(x, like(x, 32)), DType.u32)


def threefry(key: Words, x: Words) -> Words:
    """The two words of a counter."""
    keys = (*key, bit_xor(bit_xor(key[0], key[1]), constant(PARITY, DType.u32)))
    a, b = add(x[0], keys[0]), add(x[1], keys[1])
    for n in range(ROUNDS):
        a = add(a, b)
        b = bit_xor(_rotated(b, ROTATIONS[n % 8]), a)
        if n % 4 == 3:
            k = n // 4 + 1
            a, b = add(a, keys[k % 3]), add(add(b, keys[(k + 1) % 3]), constant(k, DType.u32))
    return a, b


def _rotated(x: Value, by: int) -> Value:
    return bit_or(shift_left(x, like(x, by)), shift_right_logical(x, like(x, 32 - by)))


def second(x: Words) -> Words:
    """The counter of an element's second pair of words."""
    return x[0], bit_xor(x[1], constant(SECOND, DType.u32))


def threefry_of(key: Arrays, x: Arrays) -> Arrays:
    """`threefry` in numpy, of u32 arrays."""
    keys = (*key, key[0] ^ key[1] ^ np.uint32(PARITY))
    a, b = x[0] + keys[0], x[1] + keys[1]
    for n in range(ROUNDS):
        a = a + b
        r = ROTATIONS[n % 8]
        b = ((b << np.uint32(r)) | (b >> np.uint32(32 - r))) ^ a
        if n % 4 == 3:
            k = n // 4 + 1
            a, b = a + keys[k % 3], b + keys[(k + 1) % 3] + np.uint32(k)
    return a, b


def words_of(x: Array) -> Arrays:
    """`words` in numpy, of i64 or u64 arrays."""
    wide = np.atleast_1d(x).astype(np.uint64)
    return (wide & np.uint64(0xFFFFFFFF)).astype(np.uint32), (wide >> np.uint64(32)).astype(np.uint32)
