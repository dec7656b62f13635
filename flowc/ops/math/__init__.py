"""Functions of scalars as fixed sequences of IEEE operations: the same bits at every vector width and on every processor."""

from flowc.ops.math.base_two import log2 as log2, log10 as log10
from flowc.ops.math.error_function import erf as erf, erfc as erfc
from flowc.ops.math.exponential import (
    cosh as cosh,
    exp as exp,
    exp2 as exp2,
    expm1 as expm1,
    sigmoid as sigmoid,
    sinh as sinh,
    tanh as tanh,
)
from flowc.ops.math.gamma import digamma as digamma, lgamma as lgamma, polygamma as polygamma
from flowc.ops.math.inverse_hyperbolic import acosh as acosh, asinh as asinh, atanh as atanh
from flowc.ops.math.inverse_trigonometric import acos as acos, asin as asin, atan as atan, atan2 as atan2
from flowc.ops.math.logarithm import log as log, log1p as log1p
from flowc.ops.math.power import pow as pow
from flowc.ops.math.roots import cbrt as cbrt, hypot as hypot
from flowc.ops.math.trigonometric import cos as cos, sin as sin, tan as tan
