"""The error function and its complement."""

from __future__ import annotations

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import absolute, add, div, fma, less, mul, sub, where
from flowc.ops.math.arithmetic import at_most, in_f64, narrow_in_f32, polynomial, quotient, two_sum, with_sign
from flowc.ops.math.exponential import bell, one_minus_exp
from flowc.ops.tensor import like

# (erf(x) - x) / x in x^2 for |x| <= 1, relative error of erf 2^-29.3; erf(2.1025390625 + t) for x from 1 to 3.93, error 2^-26.8
MIDDLE = 2.1025390625
NEAR_F32 = (0.12837917, -0.37612626, 0.1128358, -0.026853494, 0.005187614, -0.0008003343, 7.82999e-05)
FAR_F32 = (
    0.9970552, 0.0135701345, -0.028531455, 0.03546794, -0.027778596, 0.012727689, -0.0015041383, -0.0021422163, 0.001437729,
    -0.00023444077, -0.00015243518, 8.230804e-05, -4.6399136e-06, -5.657638e-06, 1.140504e-06,
)  # fmt: skip
# the same for |x| <= 0.9375, relative error of erf 2^-56.0; -log(1 - erf(1 + t)) for x from 0.9375 to 5.95, error of erf 2^-58.9
NEAR_F64 = (
    0.12837916709551256, -0.37612638903183454, 0.11283791670942436, -0.02686617064289774, 0.0052239776046728165, -0.0008548325869719607,
    0.00012055292001779012, -1.4924685044957932e-05, 1.6446824313461883e-06, -1.620414041172516e-07, 1.3702222295977105e-08,
    -7.764129897521589e-10,
)  # fmt: skip
TAIL_F64 = (
    1.8496055099332482, 2.6389675142347913, 0.8431072563584989, 0.0415610980464386, -0.0100338254362281, 0.001977903050811271,
    -0.00023732489359308065, -2.6269695072236887e-05, 2.7139490512163065e-05, -9.574652824388686e-06, 2.0154441178292898e-06,
    -9.982919850211192e-08, -1.2907237627255916e-07, 6.942900916541966e-08, -2.2078106353105932e-08, 5.031325695376683e-09,
    -8.341556381163697e-10, 9.608745716867478e-11, -6.878190168514617e-12, 2.2989610118704263e-13,
)  # fmt: skip

# (1 + 2 x) e^(x^2) erfc(x) in (x - CENTRE) / (x + CENTRE) for x from 0.44 to 28, relative error 2^-55.7
CENTRE = 2.5
COMPLEMENT = (
    1.2648381843668615, -0.1223567630824043, -0.09902453957359439, 0.15762991902321713, -0.10296705603901442, 0.032760893268795235,
    0.0009318928279445611, -0.004382078344859084, 0.0004918656807670725, 0.0006321244141136056, -8.847827146454365e-05,
    -0.00011352301896454802, 6.261606068652144e-06, 2.2703212565282764e-05, 2.6218365715629125e-06, -4.2302616059043435e-06,
    -1.6091176687479067e-06, 5.543502949950454e-07, 5.59671074340158e-07, -3.888230455164475e-09, -1.3987354267268731e-07,
    -1.2107567231361583e-08, 2.0419464792962197e-08,
)  # fmt: skip


@narrow_in_f32
def erf(x: Value) -> Value:
    """The error function within 0.992 ulp (f64: 0.96 in the sample); 1 and -1 at infinity, the sign of 0 stays.

    An odd polynomial near 0.  Beyond, in f32, a polynomial about a point where erf is nearly a number
    of f32, so that the constant term costs no accuracy; in f64 1 - e^-p(x) (Juffa's form).
    """
    size, square = absolute(x), mul(x, x)
    if x.type.dtype is DType.f32:
        threshold, near = 1.0, polynomial(square, NEAR_F32)
        far = polynomial(sub(at_most(size, 3.94), like(x, MIDDLE)), FAR_F32)
    else:
        threshold, near = 0.9375, polynomial(square, NEAR_F64)
        far = one_minus_exp(polynomial(sub(at_most(size, 5.95), like(x, 1)), TAIL_F64))
    return with_sign(where(less(size, like(x, threshold)), fma(size, near, size), far), x)


@in_f64
def erfc(x: Value) -> Value:
    """1 - erf(x) within 2.1 ulp, denormal results included; computed in f64, that of f32 rounded.

    From 0.45 on e^(-x^2) p / (1 + 2 x) (Shepherd and Laframboise 1981).
    """
    size, one = at_most(absolute(x), 28.0), like(x, 1)
    ratio = div(sub(size, like(x, CENTRE)), add(size, like(x, CENTRE)))
    far = bell(size, *quotient(polynomial(ratio, COMPLEMENT), like(x, 0), *two_sum(add(size, size), one)))
    far = where(less(x, like(x, 0)), sub(like(x, 2), far), far)
    return where(less(size, like(x, 0.45)), sub(one, erf(x)), far)
