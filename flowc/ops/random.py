"""Random tensors: element i is a pure function of the seed and of i, its row-major position.

The seed is the key of Threefry-2x32, the position its counter; see threefry.py for the words.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.data import Scalar
from flowc.ir.dims import Dim, at_least, product, show
from flowc.ir.narrow import in_f32, rounded
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Number, Seed, Shape, Size, fixed
from flowc.ops.elementwise import add, cast, less, mul, sqrt, sub, where
from flowc.ops.functions import Cos, log
from flowc.ops.integers import bit_or, shift_left, shift_right_logical
from flowc.ops.kernel import flattened
from flowc.ops.tensor import Array, Function, SizeValue, Tensor, constant, like, read
from flowc.ops.threefry import SECOND, Arrays, Words, counter, second, threefry, threefry_of, words, words_of

BITS = {DType.f16: 11, DType.bf16: 8, DType.f32: 24, DType.f64: 53}  # of a uniform number


class Random(Tensor):
    """A random tensor of `type`."""

    seed: Value
    floats: ClassVar[bool] = True
    costly = True

    def checked(self, type: Type) -> tuple[Type, ...]:
        if self.seed.type != Type(DType.i64):
            raise OpError(f"the seed of {self.name} is an i64 scalar, not {self.seed.type}", help="convert it: `... as i64`")
        if self.floats and type.dtype not in BITS:
            dtype = type.dtype.value
            raise OpError(f"{self.name} gives floats, not {dtype}", help=f"convert the result: `{self.name}(f32, ...) as {dtype}`")
        return (type,)

    def drawn(self, i: tuple[Dim, ...], again: bool = False) -> Words:
        """The words of the element at `i`."""
        at = counter(flattened(i, self.result.type.shape))
        return threefry(words(read(self.seed)), second(at) if again else at)

    def drawn_of(self, seed: Array, again: bool = False) -> Arrays:
        """The words of every element, in order."""
        low, high = words_of(np.arange(product(self.result.type.shape)))  # type: ignore[arg-type]
        return threefry_of(words_of(seed), (low, high ^ np.uint32(SECOND if again else 0)))


def computed_in(dtype: DType) -> DType:
    """The dtype a random number of `dtype` is computed in."""
    return DType.f32 if dtype.is_narrow else dtype


def number_before(x: float, dtype: DType) -> float:
    """The largest number of `dtype` below x, which is rounded to it."""
    near = Scalar.of(x, dtype)
    if not dtype.is_narrow:
        return np.nextafter(near.element, -np.inf).item()
    bits = int(near.element.view(np.uint16))
    below = bits - 1 if 0 < bits < 1 << 15 else bits + 1 if near.number else (1 << 15) + 1
    return Scalar(dtype, np.uint16(below).tobytes()).number


def unit(x: Words, dtype: DType) -> Value:
    """The top bits of the words, as many as a number of `dtype` has, as one in [0, 1); that of f16 and bf16 in f32."""
    if dtype is not DType.f64:
        top = shift_right_logical(x[0], like(x[0], 32 - BITS[dtype]))
        return mul(cast(top, DType.f32), constant(2.0 ** -BITS[dtype], DType.f32))
    high, low = cast(x[0], DType.u64), cast(x[1], DType.u64)
    word = bit_or(shift_left(high, like(high, 32)), low)
    return mul(cast(shift_right_logical(word, like(word, 11)), dtype), constant(2.0**-53, dtype))


def unit_of(x: Arrays, dtype: DType) -> Array:
    """`unit` in numpy."""
    if dtype is not DType.f64:
        return (x[0] >> np.uint32(32 - BITS[dtype])).astype(np.float32) * np.float32(2.0 ** -BITS[dtype])
    word = x[0].astype(np.uint64) << np.uint64(32) | x[1].astype(np.uint64)
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Uniform(Random, name="uniform"):
    """`low + u * (high - low)`, u the top 24 bits of the words in [0, 1); the number before `high` where that rounds to it.

    In f64 u has 53 bits, in f16 11 and in bf16 8; f16 and bf16 are computed in f32 and rounded once.
    """

    low: float
    high: float
    type: Type
    exact = True

    @classmethod
    def make(cls, dtype: DType, shape: Shape, seed: Seed, low: Number = 0, high: Number = 1) -> Value:
        begin, end = fixed(low, "uniform"), fixed(high, "uniform")
        if not begin < end:
            raise OpError(f"uniform lies from low to high, and {begin:g} is not below {end:g}")
        return cls(seed, begin, end, Type(dtype, shape)).result

    def infer(self) -> tuple[Type, ...]:
        types, dtype = self.checked(self.type), self.type.dtype
        if not math.isfinite(Scalar.of(self.high - self.low, dtype).number):
            raise OpError(f"uniform from {self.low:g} to {self.high:g}: the numbers in between reach further than {dtype.value} does")
        if Scalar.of(self.low, dtype).number == Scalar.of(self.high, dtype).number:
            raise OpError(f"uniform from {self.low:g} to {self.high:g}: {dtype.value} has one number for both")
        return types

    def evaluate(self, seed: Array) -> Array:
        dtype = self.type.dtype
        own = computed_in(dtype)
        low, span, high = (np.asarray(x, own.numpy) for x in self.ends())
        found = low + unit_of(self.drawn_of(seed), dtype) * span
        if dtype.is_narrow:
            found = in_f32(rounded(found, dtype), dtype)
        found = np.where(found < high, found, np.asarray(number_before(self.high, dtype), own.numpy))
        return (rounded(found, dtype) if dtype.is_narrow else found).reshape(self.type.shape)  # type: ignore[arg-type]

    def ends(self) -> tuple[float, ...]:
        """`low`, `high - low` and `high` as numbers of the result's dtype."""
        return tuple(Scalar.of(x, self.type.dtype).number for x in (self.low, self.high - self.low, self.high))

    def at(self, *i: Dim) -> Value:
        dtype = self.type.dtype
        own, found = computed_in(dtype), unit(self.drawn(i), dtype)
        if (self.low, self.high) == (0, 1):
            return cast(found, dtype)
        low, span, high = (constant(x, own) for x in self.ends())
        found = cast(add(low, mul(found, span)), dtype)
        return where(less(cast(found, own), high), found, constant(number_before(self.high, dtype), dtype))


class Normal(Random, name="normal"):
    """`mean + std * z`, z = sqrt(-2 log(1 - u)) * cos(2 pi v) (Box & Muller 1958); in f16 and bf16 that of f32, rounded.

    u is the uniform number of the element, v that of its second word; in f64 that of a second pair of words,
    whose counter has the top bit set.
    """

    mean: float
    std: float
    type: Type

    @classmethod
    def make(cls, dtype: DType, shape: Shape, seed: Seed, mean: Number = 0, std: Number = 1) -> Value:
        return cls(seed, fixed(mean, "normal"), fixed(std, "normal"), Type(dtype, shape)).result

    def infer(self) -> tuple[Type, ...]:
        return self.checked(self.type)

    def evaluate(self, seed: Array) -> Array:
        dtype = computed_in(self.type.dtype)
        x = self.drawn_of(seed)
        y = x[::-1] if dtype is DType.f32 else self.drawn_of(seed, again=True)
        u, v = unit_of(x, dtype).astype(np.float64), unit_of(y, dtype).astype(np.float64)  # type: ignore[arg-type]
        z = np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * math.pi * v)
        found = np.asarray(self.mean + self.std * z, dtype.numpy)
        return (rounded(found, self.type.dtype) if self.type.dtype.is_narrow else found).reshape(self.type.shape)  # type: ignore[arg-type]

    def at(self, *i: Dim) -> Value:
        dtype = computed_in(self.type.dtype)
        x = self.drawn(i)
        y = (x[1], x[0]) if dtype is DType.f32 else self.drawn(i, again=True)
        u, v = sub(constant(1, dtype), unit(x, dtype)), unit(y, dtype)
        radius = sqrt(mul(constant(-2, dtype), log(u)))
        z = mul(radius, Cos(mul(constant(2 * math.pi, dtype), v)).result)
        return cast(add(constant(self.mean, dtype), mul(constant(self.std, dtype), z)), self.type.dtype)


class RandInt(Random, name="randint"):
    """`low + (w * (high - low) >> 32)`, w the first word: an integer in [low, high), of at most 2^32."""

    low: tuple[Dim, ...]
    high: tuple[Dim, ...]
    type: Type
    floats = False
    exact = True

    @classmethod
    def make(cls, dtype: DType, shape: Shape, low: Size, high: Size, seed: Seed) -> Value:
        return cls(seed, (low,), (high,), Type(dtype, shape)).result

    def infer(self) -> tuple[Type, ...]:
        (low,), (high,), dtype = self.low, self.high, self.type.dtype
        if not dtype.is_integer:
            raise OpError(f"randint gives integers, not {dtype.value}", help=f"convert the result: `randint(i32, ...) as {dtype.value}`")
        if at_least(low - high, 0) or at_least(high - low, (1 << 32) + 1):
            raise OpError(f"randint from {show(low)} to {show(high)}: between 1 and 2^32 integers lie in between")
        least, most = dtype.limits()
        if isinstance(low, int) and low < least or isinstance(high, int) and high - 1 > most:
            raise OpError(f"randint from {show(low)} to {show(high)} does not fit {dtype.value}, which holds {least} to {most}")
        return self.checked(self.type)

    def evaluate(self, seed: Array) -> Array:
        (low,), (high,) = self.low, self.high
        scaled = self.drawn_of(seed)[0].astype(np.uint64) * np.uint64(high - low)  # type: ignore[arg-type]
        chosen = (scaled >> np.uint64(32)) + np.uint64(low % (1 << 64))  # type: ignore[arg-type]
        return chosen.astype(self.type.dtype.numpy).reshape(self.type.shape)  # type: ignore[arg-type]

    def at(self, *i: Dim) -> Value:
        (low,), (high,) = self.low, self.high
        word = cast(self.drawn(i)[0], DType.u64)
        scaled = mul(word, SizeValue((high - low,), Type(DType.u64)).result)
        chosen = cast(shift_right_logical(scaled, like(scaled, 32)), DType.i64)
        return cast(add(chosen, SizeValue((low,), Type(DType.i64)).result), self.type.dtype)


class Bernoulli(Function, name="bernoulli"):
    """true with probability p: where the f32 uniform number is below p."""

    @classmethod
    def make(cls, p: Value, shape: Shape, seed: Seed) -> Value:
        if not p.type.dtype.is_float:
            raise OpError(f"p of bernoulli is a float, not {p.type}")
        return less(Uniform(seed, 0.0, 1.0, Type(DType.f32, shape)).result, cast(p, DType.f32))


class GlorotUniform(Function, name="glorot_uniform"):
    """Uniform in [-a, a), a = sqrt(6 / (fan in + fan out)) (Glorot & Bengio 2010)."""

    @classmethod
    def make(cls, dtype: DType, shape: Shape, seed: Seed) -> Value:
        into, out = fans(shape, "glorot_uniform")
        return spread(dtype, shape, seed, math.sqrt(6 / max(into + out, 1)))


class GlorotNormal(Function, name="glorot_normal"):
    """Normal with std = sqrt(2 / (fan in + fan out)) (Glorot & Bengio 2010)."""

    @classmethod
    def make(cls, dtype: DType, shape: Shape, seed: Seed) -> Value:
        into, out = fans(shape, "glorot_normal")
        return Normal(seed, 0.0, math.sqrt(2 / max(into + out, 1)), Type(dtype, shape)).result


class HeUniform(Function, name="he_uniform"):
    """Uniform in [-a, a), a = sqrt(6 / fan in) (He, Zhang, Ren, Sun 2015)."""

    @classmethod
    def make(cls, dtype: DType, shape: Shape, seed: Seed) -> Value:
        return spread(dtype, shape, seed, math.sqrt(6 / max(fans(shape, "he_uniform")[0], 1)))


class HeNormal(Function, name="he_normal"):
    """Normal with std = sqrt(2 / fan in) (He, Zhang, Ren, Sun 2015)."""

    @classmethod
    def make(cls, dtype: DType, shape: Shape, seed: Seed) -> Value:
        return Normal(seed, 0.0, math.sqrt(2 / max(fans(shape, "he_normal")[0], 1)), Type(dtype, shape)).result


def spread(dtype: DType, shape: tuple[Dim, ...], seed: Value, a: float) -> Value:
    return Uniform(seed, -a, a, Type(dtype, shape)).result


def fans(shape: tuple[Dim, ...], what: str) -> tuple[int, int]:
    """Inputs and outputs of a unit: the sizes of a matrix [in, out]; of a convolution [out, in, ...] those times the window."""
    sizes = [d for d in shape if isinstance(d, int)]
    if len(sizes) != len(shape) or len(shape) < 2:
        raise OpError(f"{what} fills a tensor of two known sizes or more, not [{', '.join(map(show, shape))}]")
    if len(sizes) == 2:
        return sizes[0], sizes[1]
    window = math.prod(sizes[2:])
    return sizes[1] * window, sizes[0] * window
