"""x * y + z rounded once, for targets that have no instruction for it."""

from __future__ import annotations

from flowc.codegen.llvm.scalars import vector_type
from flowc.codegen.text import Text


def fma_f32(lanes: int) -> str:
    """Through f64, where the product is exact: the sum is rounded to odd there, so that rounding to f32 is the only one.

    Boldo and Melquiond, Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd, 2008.
    """
    single, double, whole, truth = (vector_type(s, lanes) for s in ("float", "double", "i64", "i1"))
    one, zero = ("splat (i64 1)", "zeroinitializer") if lanes else ("1", "0")
    none = "zeroinitializer" if lanes else "0.0"
    name = f"@flow.fma.v{lanes}f32" if lanes else "@flow.fma.f32"
    t = Text(f"define internal {single} {name}({single} %x, {single} %y, {single} %z) #0")
    x, y, z = (t.value(f"fpext {single} {v} to {double}") for v in ("%x", "%y", "%z"))
    product = t.value(f"fmul {double} {x}, {y}")
    total = t.value(f"fadd {double} {product}, {z}")
    back = t.value(f"fsub {double} {total}, {product}")
    early = t.value(f"fsub {double} {product}, {t.value(f'fsub {double} {total}, {back}')}")
    rest = t.value(f"fadd {double} {early}, {t.value(f'fsub {double} {z}, {back}')}")
    bits = t.value(f"bitcast {double} {total} to {whole}")
    even = t.value(f"icmp eq {whole} {t.value(f'and {whole} {bits}, {one}')}, {zero}")
    inexact = t.value(f"and {truth} {even}, {t.value(f'fcmp one {double} {rest}, {none}')}")
    above, positive = (t.value(f"fcmp ogt {double} {v}, {none}") for v in (rest, total))
    inward = t.value(f"xor {truth} {above}, {positive}")
    more, less = t.value(f"add {whole} {bits}, {one}"), t.value(f"sub {whole} {bits}, {one}")
    odd = t.value(f"select {truth} {inward}, {whole} {less}, {whole} {more}")
    kept = t.value(f"select {truth} {inexact}, {whole} {odd}, {whole} {bits}")
    rounded = t.value(f"fptrunc {double} {t.value(f'bitcast {whole} {kept} to {double}')} to {single}")
    t.do(f"ret {single} {rounded}")
    return str(t)


def fma_f64() -> str:
    """In integers of 128 bits, as pairs: product and addend aligned, added, normalised, rounded to even."""
    t = Text("define internal double @flow.fma.f64(double %x, double %y, double %z) #0")
    x, y, z = (_Unpacked(t, v) for v in ("%x", "%y", "%z"))
    plain = t.value(f"or i1 {x.special}, {y.special}")
    plain = t.value(f"or i1 {plain}, {z.special}")
    plain = t.value(f"or i1 {plain}, {t.value(f'or i1 {x.zero}, {y.zero}')}")
    t.branch(plain, "plain", "exact")
    t.at("plain")
    product_alone = t.value("fmul double %x, %y")
    t.do(f"ret double {t.value(f'fadd double {product_alone}, %z')}")
    t.at("exact")
    sign = t.value(f"xor i64 {x.sign}, {y.sign}")
    product = _Wide(t, *_multiplied(t, x.fraction, y.fraction)).shifted_left("20")
    scale = t.value(f"sub i64 {t.value(f'add i64 {x.exponent}, {y.exponent}')}, 20")
    addend = _Wide(t, t.value(f"shl i64 {z.fraction}, 8"), "0")
    addend_scale = t.value(f"sub i64 {z.exponent}, 72")
    lower = t.value(f"select i1 {z.zero}, i64 {scale}, i64 {addend_scale}")
    distance = t.value(f"sub i64 {scale}, {lower}")
    up = t.value(f"call i64 @llvm.smax.i64(i64 {distance}, i64 0)")
    down = t.value(f"call i64 @llvm.smax.i64(i64 {t.value(f'sub i64 0, {distance}')}, i64 0)")
    a, b = product.jammed_right(down), addend.jammed_right(up)
    common = t.value(f"call i64 @llvm.smax.i64(i64 {scale}, i64 {lower})")
    total, flipped = a.plus_signed(b, t.value(f"xor i64 {sign}, {z.sign}"))
    sign = t.value(f"xor i64 {sign}, {flipped}")
    nothing = t.value(f"icmp eq i64 {t.value(f'or i64 {total.high}, {total.low}')}, 0")
    t.branch(nothing, "none", "some")
    t.at("none")
    t.do("ret double 0.0")
    t.at("some")
    zeros = total.leading_zeros()
    high = total.shifted_left(zeros).jammed()
    exponent = t.value(f"add i64 {t.value(f'sub i64 {common}, {zeros}')}, 1150")  # 127 bits below the leading one, bias 1023
    t.do(f"ret double {_rounded(t, high, exponent, sign)}")
    return str(t)


class _Unpacked:
    """The parts of a double: fraction * 2^exponent, the fraction with its leading bit at 52, or 0."""

    def __init__(self, t: Text, name: str) -> None:
        bits = t.value(f"bitcast double {name} to i64")
        self.sign = t.value(f"and i64 {bits}, -9223372036854775808")
        field = t.value(f"and i64 {t.value(f'lshr i64 {bits}, 52')}, 2047")
        below = t.value(f"and i64 {bits}, 4503599627370495")
        self.special = t.value(f"icmp eq i64 {field}, 2047")
        self.zero = t.value(f"icmp eq i64 {t.value(f'or i64 {field}, {below}')}, 0")
        small = t.value(f"icmp eq i64 {field}, 0")
        zeros = t.value(f"call i64 @llvm.ctlz.i64(i64 {below}, i1 false)")
        shift = t.value(f"call i64 @llvm.umin.i64(i64 {t.value(f'sub i64 {zeros}, 11')}, i64 53)")
        raised, normal = t.value(f"shl i64 {below}, {shift}"), t.value(f"or i64 {below}, 4503599627370496")
        self.fraction = t.value(f"select i1 {small}, i64 {raised}, i64 {normal}")
        self.exponent = t.value(f"select i1 {small}, i64 {t.value(f'sub i64 -1074, {shift}')}, i64 {t.value(f'sub i64 {field}, 1075')}")


class _Wide:
    """An unsigned integer of 128 bits in two registers."""

    def __init__(self, t: Text, high: str, low: str) -> None:
        self.t, self.high, self.low = t, high, low

    def shifted_left(self, by: str) -> _Wide:
        """By 0 to 127."""
        t = self.t
        within, far = t.value(f"and i64 {by}, 63"), t.value(f"icmp uge i64 {by}, 64")
        back = t.value(f"sub i64 63, {within}")
        carried = t.value(f"lshr i64 {t.value(f'lshr i64 {self.low}, 1')}, {back}")
        high = t.value(f"or i64 {t.value(f'shl i64 {self.high}, {within}')}, {carried}")
        low = t.value(f"shl i64 {self.low}, {within}")
        return _Wide(t, t.value(f"select i1 {far}, i64 {low}, i64 {high}"), t.value(f"select i1 {far}, i64 0, i64 {low}"))

    def jammed_right(self, by: str) -> _Wide:
        """By any amount; the last bit also says whether any bit was lost."""
        t = self.t
        by = t.value(f"call i64 @llvm.umin.i64(i64 {by}, i64 127)")
        within, far = t.value(f"and i64 {by}, 63"), t.value(f"icmp uge i64 {by}, 64")
        forth = t.value(f"sub i64 63, {within}")
        carried = t.value(f"shl i64 {t.value(f'shl i64 {self.high}, 1')}, {forth}")
        high = t.value(f"lshr i64 {self.high}, {within}")
        low = t.value(f"or i64 {t.value(f'lshr i64 {self.low}, {within}')}, {carried}")
        moved = _Wide(t, t.value(f"select i1 {far}, i64 0, i64 {high}"), t.value(f"select i1 {far}, i64 {high}, i64 {low}"))
        back = moved.shifted_left(by)
        lost = t.value(f"or i64 {t.value(f'xor i64 {back.high}, {self.high}')}, {t.value(f'xor i64 {back.low}, {self.low}')}")
        sticky = t.value(f"zext i1 {t.value(f'icmp ne i64 {lost}, 0')} to i64")
        return _Wide(t, moved.high, t.value(f"or i64 {moved.low}, {sticky}"))

    def plus_signed(self, other: _Wide, opposite: str) -> tuple[_Wide, str]:
        """|self + other|, or |self - other| where the sign bit `opposite` is set, and the sign bit of the result against self's."""
        t = self.t
        flip = t.value(f"ashr i64 {opposite}, 63")
        unit = t.value(f"lshr i64 {opposite}, 63")
        low, carry = _added(t, t.value(f"xor i64 {other.low}, {flip}"), unit)
        high = t.value(f"add i64 {t.value(f'xor i64 {other.high}, {flip}')}, {carry}")
        low, carry = _added(t, self.low, low)
        high = t.value(f"add i64 {t.value(f'add i64 {self.high}, {high}')}, {carry}")
        negative = t.value(f"ashr i64 {high}, 63")
        low, carry = _added(t, t.value(f"xor i64 {low}, {negative}"), t.value(f"and i64 {negative}, 1"))
        high = t.value(f"add i64 {t.value(f'xor i64 {high}, {negative}')}, {carry}")
        return _Wide(t, high, low), t.value(f"and i64 {negative}, -9223372036854775808")

    def leading_zeros(self) -> str:
        t = self.t
        high, low = (t.value(f"call i64 @llvm.ctlz.i64(i64 {v}, i1 false)") for v in (self.high, self.low))
        empty = t.value(f"icmp eq i64 {self.high}, 0")
        return t.value(f"select i1 {empty}, i64 {t.value(f'add i64 {low}, 64')}, i64 {high}")

    def jammed(self) -> str:
        """The high half; its last bit also says whether the low half is not 0."""
        t = self.t
        lost = t.value(f"icmp ne i64 {self.low}, 0")
        return t.value(f"or i64 {self.high}, {t.value(f'zext i1 {lost} to i64')}")


def _added(t: Text, x: str, y: str) -> tuple[str, str]:
    """The sum and its carry."""
    total = t.value(f"add i64 {x}, {y}")
    return total, t.value(f"zext i1 {t.value(f'icmp ult i64 {total}, {x}')} to i64")


def _multiplied(t: Text, x: str, y: str) -> tuple[str, str]:
    """The high and the low half of a product, from halves of 32 bits."""
    mask = 0xFFFFFFFF
    (xl, xh), (yl, yh) = ((t.value(f"and i64 {v}, {mask}"), t.value(f"lshr i64 {v}, 32")) for v in (x, y))
    ll, lh, hl, hh = (t.value(f"mul i64 {a}, {b}") for a, b in ((xl, yl), (xl, yh), (xh, yl), (xh, yh)))
    middle = t.value(f"add i64 {t.value(f'lshr i64 {ll}, 32')}, {t.value(f'and i64 {lh}, {mask}')}")
    middle = t.value(f"add i64 {middle}, {t.value(f'and i64 {hl}, {mask}')}")
    low = t.value(f"or i64 {t.value(f'shl i64 {middle}, 32')}, {t.value(f'and i64 {ll}, {mask}')}")
    high = t.value(f"add i64 {hh}, {t.value(f'lshr i64 {middle}, 32')}")
    high = t.value(f"add i64 {high}, {t.value(f'lshr i64 {lh}, 32')}")
    return t.value(f"add i64 {high}, {t.value(f'lshr i64 {hl}, 32')}"), low


def _rounded(t: Text, high: str, exponent: str, sign: str) -> str:
    """The double nearest to a fraction whose leading bit is at 63; `exponent` is its field, denormal from 0 down."""
    down = t.value(f"sub i64 1, {exponent}")
    down = t.value(f"call i64 @llvm.smin.i64(i64 {t.value(f'call i64 @llvm.smax.i64(i64 {down}, i64 0)')}, i64 63)")
    shifted = t.value(f"lshr i64 {high}, {down}")
    lost = t.value(f"icmp ne i64 {t.value(f'shl i64 {shifted}, {down}')}, {high}")
    kept = t.value(f"or i64 {shifted}, {t.value(f'zext i1 {lost} to i64')}")
    fraction, rest = t.value(f"lshr i64 {kept}, 11"), t.value(f"and i64 {kept}, 2047")
    odd = t.value(f"and i64 {fraction}, 1")
    up = t.value(f"icmp ugt i64 {t.value(f'add i64 {rest}, {odd}')}, 1024")
    field = t.value(f"sub i64 {t.value(f'call i64 @llvm.smax.i64(i64 {exponent}, i64 1)')}, 1")
    bits = t.value(f"add i64 {t.value(f'shl i64 {field}, 52')}, {fraction}")
    bits = t.value(f"add i64 {bits}, {t.value(f'zext i1 {up} to i64')}")
    infinite = t.value(f"icmp sgt i64 {exponent}, 2046")
    bits = t.value(f"select i1 {infinite}, i64 9218868437227405312, i64 {bits}")
    return t.value(f"bitcast i64 {t.value(f'or i64 {bits}, {sign}')} to double")
