"""Functions of scalars as fixed sequences of IEEE operations: the same bits at every vector width and on every processor."""

from flowc.ops.math.error_function import erf as erf
from flowc.ops.math.exponential import exp as exp, sigmoid as sigmoid, tanh as tanh
from flowc.ops.math.logarithm import log as log
from flowc.ops.math.power import pow as pow
from flowc.ops.math.trigonometric import cos as cos, sin as sin
