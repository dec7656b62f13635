"""Training: optimisers, schedules of their rate, clipping, the step counter, checkpoints of sessions.

An optimiser has two surfaces.  In a graph with variables, `minimize(loss)` is the operation of one step, as in TensorFlow's
first edition.  Of values, `state = init(params)` and `params, state = update(params, grads, state)` are one step, for
arrays and inside compiled functions alike.
"""

from flowc.train.clipping import clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from flowc.train.optimizer import Optimizer
from flowc.train.rules import Adagrad, Adam, AdamW, GradientDescent, Momentum, RMSProp
from flowc.train.saver import Saver
from flowc.train.schedules import (
    cosine_decay,
    exponential_decay,
    inverse_time_decay,
    linear_warmup,
    natural_exp_decay,
    piecewise_constant,
    polynomial_decay,
)
from flowc.train.steps import create_global_step, get_global_step, get_or_create_global_step, global_step

AdagradOptimizer = Adagrad
AdamOptimizer = Adam
AdamWOptimizer = AdamW
GradientDescentOptimizer = GradientDescent
MomentumOptimizer = Momentum
RMSPropOptimizer = RMSProp

__all__ = [
    "Adagrad",
    "AdagradOptimizer",
    "Adam",
    "AdamOptimizer",
    "AdamW",
    "AdamWOptimizer",
    "GradientDescent",
    "GradientDescentOptimizer",
    "Momentum",
    "MomentumOptimizer",
    "Optimizer",
    "RMSProp",
    "RMSPropOptimizer",
    "Saver",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "cosine_decay",
    "create_global_step",
    "exponential_decay",
    "get_global_step",
    "get_or_create_global_step",
    "global_norm",
    "global_step",
    "inverse_time_decay",
    "linear_warmup",
    "natural_exp_decay",
    "piecewise_constant",
    "polynomial_decay",
]
