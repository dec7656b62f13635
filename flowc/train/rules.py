"""The optimisers: each a rule for one tensor x with gradient g, rate r, at step t = 1, 2, ..."""

from __future__ import annotations

from typing import Any

from flowc.graph.tensor import Tensor
from flowc.train.optimizer import Optimizer, Slots, fitting


class GradientDescent(Optimizer):
    """x - r * g"""

    def rule(self, x: Tensor, g: Tensor, slots: Slots, rate: Any, t: Any) -> tuple[Tensor, Slots]:
        return x - fitting(rate, x) * g, {}


class Momentum(Optimizer):
    """x - r * v with v = momentum * v + g (Polyak 1964); with `use_nesterov` x - r * (g + momentum * v) (Sutskever et al. 2013)."""

    slots = ("momentum",)

    def __init__(self, learning_rate: Any, momentum: float = 0.9, use_nesterov: bool = False, name: str | None = None) -> None:
        super().__init__(learning_rate, name)
        self.momentum, self.use_nesterov = momentum, use_nesterov

    def rule(self, x: Tensor, g: Tensor, slots: Slots, rate: Any, t: Any) -> tuple[Tensor, Slots]:
        v = self.momentum * slots["momentum"] + g
        along = g + self.momentum * v if self.use_nesterov else v
        return x - fitting(rate, x) * along, {"momentum": v}


class Adam(Optimizer):
    """x - r_t * m / (sqrt(v) + epsilon), m = beta1 * m + (1 - beta1) * g, v = beta2 * v + (1 - beta2) * g^2.

    r_t = r * sqrt(1 - beta2^t) / (1 - beta1^t): Kingma & Ba (2015), in the order at the end of their section 2.
    """

    slots = ("m", "v")
    counts = True

    def __init__(
        self, learning_rate: Any = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, name: str | None = None
    ) -> None:
        super().__init__(learning_rate, name)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def moments(self, g: Tensor, slots: Slots) -> tuple[Tensor, Tensor]:
        m = self.beta1 * slots["m"] + (1 - self.beta1) * g
        v = self.beta2 * slots["v"] + (1 - self.beta2) * (g * g)
        return m, v

    def rule(self, x: Tensor, g: Tensor, slots: Slots, rate: Any, t: Any) -> tuple[Tensor, Slots]:
        m, v = self.moments(g, slots)
        own = fitting(rate * (sqrt(1 - self.beta2**t) / (1 - self.beta1**t)), x)
        return x - own * m / (sqrt(v) + self.epsilon), {"m": m, "v": v}


class AdamW(Adam):
    """x - r * (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay * x), m and v as for Adam.

    Loshchilov & Hutter (2019), algorithm 2.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, name)
        self.weight_decay = weight_decay

    def rule(self, x: Tensor, g: Tensor, slots: Slots, rate: Any, t: Any) -> tuple[Tensor, Slots]:
        m, v = self.moments(g, slots)
        first, second = (fitting(1 - beta**t, x) for beta in (self.beta1, self.beta2))
        along = m / first / (sqrt(v / second) + self.epsilon)
        return x - fitting(rate, x) * (along + self.weight_decay * x), {"m": m, "v": v}


class RMSProp(Optimizer):
    """x - u, u = momentum * u + r * g / sqrt(s + epsilon), s = decay * s + (1 - decay) * g^2 from 1 on (Tieleman & Hinton 2012).

    With `centered` it is s - a^2 in the place of s, a = decay * a + (1 - decay) * g (Graves 2013).
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-10,
        centered: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, name)
        self.decay, self.momentum, self.epsilon, self.centered = decay, momentum, epsilon, centered
        self.slots = ("rms", "momentum", "mean") if centered else ("rms", "momentum")

    def first(self, slot: str) -> float:
        return 1.0 if slot == "rms" else 0.0

    def rule(self, x: Tensor, g: Tensor, slots: Slots, rate: Any, t: Any) -> tuple[Tensor, Slots]:
        s = self.decay * slots["rms"] + (1 - self.decay) * (g * g)
        a = self.decay * slots["mean"] + (1 - self.decay) * g if self.centered else None
        spread = s + self.epsilon if a is None else s - a * a + self.epsilon
        u = self.momentum * slots["momentum"] + fitting(rate, x) * g / sqrt(spread)
        return x - u, {"rms": s, "momentum": u} | ({} if a is None else {"mean": a})


class Adagrad(Optimizer):
    """x - r * g / sqrt(a), a = a + g^2 from `initial_accumulator_value` on (Duchi, Hazan, Singer 2011)."""

    slots = ("accumulator",)

    def __init__(self, learning_rate: Any, initial_accumulator_value: float = 0.1, name: str | None = None) -> None:
        super().__init__(learning_rate, name)
        self.initial_accumulator_value = initial_accumulator_value

    def first(self, slot: str) -> float:
        return self.initial_accumulator_value

    def rule(self, x: Tensor, g: Tensor, slots: Slots, rate: Any, t: Any) -> tuple[Tensor, Slots]:
        a = slots["accumulator"] + g * g
        return x - fitting(rate, x) * g / sqrt(a), {"accumulator": a}


def sqrt(x: Tensor) -> Tensor:
    return x.graph.call("sqrt", (x,), {})
