"""Quarter turns of any f64, however large, as Payne and Hanek (1983): in integers, against the bits of 2 / pi that count."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import pi

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import add, cast, equal, fma, less, mul, sub, where
from flowc.ops.integers import bit_and, bit_or, bit_xor, shift_left, shift_right_logical
from flowc.ops.math.arithmetic import bits, fast_two_sum, two_product
from flowc.ops.math.pi import INVERSE_PI, INVERSE_PI_BITS
from flowc.ops.tensor import like

HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
# 64 zeros and then the bits of 2 / pi, in words of 64: the greatest exponent reads words 16 to 19
WORDS = tuple((INVERSE_PI >> (INVERSE_PI_BITS - 1 - 64 * n)) % (1 << 64) for n in range(20))


@dataclass(frozen=True)
class Angle:
    """r + rest, from -pi / 4 to pi / 4, after `quarters` of a turn; their two low bits count."""

    r: Value
    rest: Value
    quarters: Value


def reduced(size: Value) -> Angle:
    """The angle of a finite f64 that is not negative, with an error of 2^-60 of the angle."""
    whole, fraction = _turns(size)
    quarters = shift_right_logical(add(whole, like(whole, 1 << 61)), like(whole, 62))
    r, rest = _radians(bit_or(_left(whole, 2), _right(fraction, 62)), _left(fraction, 2))
    inside = less(size, like(size, pi / 4))
    return Angle(where(inside, size, r), where(inside, like(size, 0), rest), where(inside, like(quarters, 0), quarters))


def _turns(size: Value) -> tuple[Value, Value]:
    """x * 2 / pi modulo 4: two bits of it, and 126 of its fraction, of which the last few are in doubt.

    With x = m 2^(e - 52) the 192 bits of 2 / pi from bit e - 54 on count: those before make multiples
    of 4, those after less than 2^-137.  Of the product modulo 2^192 the upper two words are kept.
    """
    i = bits(size)
    m = bit_or(bit_and(i, like(i, (1 << 52) - 1)), like(i, 1 << 52))
    start = sub(_right(i, 52), like(i, 1013))
    upper, middle, lower = _window(start)
    high, low = _wide_product(m, middle)
    carried, total = _sum(low, _high_product(m, lower))
    return add(add(mul(m, upper), high), carried), total


def _window(start: Value) -> tuple[Value, Value, Value]:
    """192 bits of WORDS from bit `start` on: words are chosen by its bits from 64 up, then all are shifted."""
    words = [like(start, word) for word in WORDS]
    for step, needed in ((16, 4), (8, 11), (4, 7), (2, 5), (1, 4)):
        stay = equal(bit_and(start, like(start, 64 * step)), like(start, 0))
        words = [where(stay, words[n], words[n + step]) for n in range(needed)] + words[needed:]
    within = bit_and(start, like(start, 63))
    back = bit_xor(within, like(start, 63))
    upper, middle, lower = (
        bit_or(shift_left(word, within), shift_right_logical(_right(following, 1), back)) for word, following in pairwise(words[:4])
    )
    return upper, middle, lower


def _wide_product(m: Value, word: Value) -> tuple[Value, Value]:
    """The upper and the lower 64 bits of a product, of which the first factor has 53."""
    (m1, m0), (w1, w0) = _halves(m), _halves(word)
    first = add(mul(m0, w1), _right(mul(m0, w0), 32))
    second = add(mul(m1, w0), _halves(first)[1])
    return add(mul(m1, w1), add(_right(first, 32), _right(second, 32))), mul(m, word)


def _high_product(m: Value, word: Value) -> Value:
    """The upper 64 bits of a product, 2 too small at most."""
    (m1, m0), (w1, w0) = _halves(m), _halves(word)
    return add(mul(m1, w1), add(_right(mul(m0, w1), 32), _right(mul(m1, w0), 32)))


def _halves(word: Value) -> tuple[Value, Value]:
    return _right(word, 32), bit_and(word, like(word, (1 << 32) - 1))


def _sum(x: Value, y: Value) -> tuple[Value, Value]:
    """The carry and the sum of unsigned words."""
    total, top = add(x, y), like(x, -(1 << 63))
    carry = less(bit_xor(total, top), bit_xor(x, top))
    return where(carry, like(x, 1), like(x, 0)), total


def _radians(fraction: Value, rest: Value) -> tuple[Value, Value]:
    """pi / 2 times a signed fraction of 128 bits, as a sum; three pieces of it are exact in f64."""
    leading = cast(bit_and(fraction, like(fraction, -0x1000)), DType.f64)
    middle = cast(bit_or(_left(bit_and(fraction, like(fraction, 0xFFF)), 40), _right(rest, 24)), DType.f64)
    trailing = cast(bit_and(rest, like(rest, 0xFFFFFF)), DType.f64)
    f, lost = fast_two_sum(mul(leading, like(leading, 2.0**-64)), mul(middle, like(middle, 2.0**-104)))
    lost = fma(trailing, like(trailing, 2.0**-128), lost)
    r, rounding = two_product(f, like(f, HALF_PI[0]))
    return r, add(rounding, fma(f, like(f, HALF_PI[1]), mul(lost, like(f, HALF_PI[0]))))


def _left(x: Value, by: int) -> Value:
    return shift_left(x, like(x, by))


def _right(x: Value, by: int) -> Value:
    return shift_right_logical(x, like(x, by))
