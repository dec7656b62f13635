"""What an optimiser promises: a rule for one tensor, and the two surfaces that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np

from flowc.errors import CompileError, Diagnostic
from flowc.graph.derivatives import gradients
from flowc.graph.function import Function
from flowc.graph.graph import Graph, Operation
from flowc.graph.structure import layout, leaves, mapped
from flowc.graph.tensor import Tensor
from flowc.graph.variables import Variable, group, trainable_variables
from flowc.source import python_location

Slots = dict[str, Any]
Pairs = Iterable[tuple[Any, Any]]


class Optimizer:
    """`rule` says how a tensor changes; `slots` are the names of what is kept for each tensor from step to step.

    The learning rate is a number, a tensor, or a function from the number of steps done, an i64 scalar, to one of these.
    """

    slots: tuple[str, ...] = ()
    counts: ClassVar[bool] = False  # the rule needs the number of the step

    def __init__(self, learning_rate: Any, name: str | None = None) -> None:
        self.learning_rate = learning_rate
        self.name = name or type(self).__name__
        self._variables: dict[tuple[Tensor, str], Variable] = {}
        self._counters: dict[Graph, Variable] = {}
        self._compiled: Function | None = None

    def rule(self, x: Tensor, g: Tensor, slots: Slots, rate: Any, t: Any) -> tuple[Tensor, Slots]:
        """x after a step along the gradient `g`, and its slots; t is the number of the step, from 1.

        `rate`, where it is no number, and t are in f32, in f64 where x is; `fitting` puts what comes of them into the dtype of x.
        """
        raise NotImplementedError(type(self).__name__)

    def first(self, slot: str) -> float:
        """What every element of a slot begins as."""
        return 0.0

    # In a graph with variables

    def minimize(
        self,
        loss: Tensor,
        global_step: Variable | None = None,
        var_list: Sequence[Variable] | None = None,
        name: str | None = None,
    ) -> Operation:
        """The operation of one step for `loss`, a scalar or a tensor whose sum is meant, by `var_list`: all trainable variables.

        It reads every variable as it was before the run; `global_step` counts the steps.
        """
        return self.apply_gradients(self.compute_gradients(loss, var_list), global_step, name)

    def compute_gradients(self, loss: Tensor, var_list: Sequence[Variable] | None = None) -> list[tuple[Tensor | None, Variable]]:
        """The gradient of `loss` by each variable with the variable, None where there is none."""
        variables = trainable_variables(loss.graph) if var_list is None else list(var_list)
        if not variables:
            raise _wrong("there is no trainable variable to change", "make one with Variable()")
        return list(zip(gradients(loss, variables), variables, strict=True))

    def apply_gradients(self, grads_and_vars: Pairs, global_step: Variable | None = None, name: str | None = None) -> Operation:
        """The operation that changes each variable along its gradient and counts `global_step`; pairs whose gradient is None are left."""
        given = list(grads_and_vars)
        pairs = cast("list[tuple[Tensor, Variable]]", [(g, v) for g, v in given if g is not None])
        if not pairs:
            names = ", ".join(v.called for _, v in given)
            raise _wrong(f"no variable has a gradient: the loss depends on none of {names or 'them'}")
        graph = pairs[0][1].graph
        counter = self._counter(graph) if self.counts or callable(self.learning_rate) else None
        slots = {v: {slot: self._slot(v, slot) for slot in self.slots} for _, v in pairs}
        with graph.name_scope(name or self.name):
            rate = self.learning_rate(counter) if callable(self.learning_rate) else self.learning_rate
            done: list[Tensor | Operation] = []
            for g, v in pairs:
                t = (counter + 1).astype(wide(v)) if counter is not None else None
                new, kept = self.rule(v, g, cast(Slots, slots[v]), _in(rate, wide(v)), t)
                done += [v.assign(new), *(slots[v][slot].assign(value) for slot, value in kept.items())]
            done += [counter.assign(counter + 1)] if counter is not None else []
            done += [global_step.assign_add(1)] if global_step is not None else []
            return group(*done, name="step")

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """The variable that keeps a slot of another; None where there is none yet."""
        return self._variables.get((var, name))

    def get_slot_names(self) -> list[str]:
        return list(self.slots)

    def variables(self) -> list[Variable]:
        """What the optimiser itself keeps in graphs."""
        return [*self._variables.values(), *self._counters.values()]

    def _slot(self, v: Variable, slot: str) -> Variable:
        if (v, slot) not in self._variables:
            type = v.state.type
            first = v.graph.call("full", (type.shape, self.first(slot)), {"dtype": v.dtype})
            self._variables[v, slot] = _hidden(v.graph, f"{v.state.name}/{self.name}/{slot}", first)
        return self._variables[v, slot]

    def _counter(self, graph: Graph) -> Variable:
        if graph not in self._counters:
            self._counters[graph] = _hidden(graph, f"{self.name}/step", graph.as_tensor(0, "i64"))
        return self._counters[graph]

    # Of values

    def init(self, params: Any) -> dict[str, Any]:
        """What is kept beside `params`, a structure of arrays or tensors, before the first step.

        It is the number of steps done, and each slot in that structure.
        """

        def kept(x: Any, slot: str) -> Any:
            if isinstance(x, Tensor):
                return x.graph.call("full_like", (x, self.first(slot)), {})
            array = np.asarray(x)
            return np.full(array.shape, self.first(slot), array.dtype)

        graph = next((x.graph for x in leaves(params) if isinstance(x, Tensor)), None)
        step = np.int64(0) if graph is None else graph.as_tensor(0, "i64")
        return {"step": step} | {slot: mapped(params, lambda x, slot=slot: kept(x, slot)) for slot in self.slots}

    def update(self, params: Any, grads: Any, state: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """`params` after a step along `grads`, which are structured as they are or None in places, and what is kept after it."""
        if layout(grads) != layout(params):
            raise _wrong("the gradients are structured as the parameters are")
        if any(isinstance(x, Tensor) for x in leaves([params, grads, dict(state)])):
            return self._updated(params, grads, dict(state))
        if self._compiled is None:
            self._compiled = Function(self._updated, f"{self.name}_update")
        return self._compiled(params, grads, dict(state))

    def _updated(self, params: Any, grads: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        step = state["step"]
        rate = self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate
        values: list[Any] = []
        kept: dict[str, list[Any]] = {slot: [] for slot in self.slots}
        for x, g, *own in zip(leaves(params), leaves(grads), *(leaves(state[slot]) for slot in self.slots), strict=True):
            slots: Slots = dict(zip(self.slots, own, strict=True))
            new, after = (x, slots) if g is None else self.rule(x, g, slots, _in(rate, wide(x)), (step + 1).astype(wide(x)))
            values.append(new)
            for slot in self.slots:
                kept[slot].append(after[slot])
        return _like(params, values), {"step": step + 1} | {slot: _like(params, kept[slot]) for slot in self.slots}


def _like(structure: Any, values: Sequence[Any]) -> Any:
    following = iter(values)
    return mapped(structure, lambda _: next(following))


def fitting(value: Any, x: Tensor) -> Any:
    """A scalar in the dtype of x; a number takes it by itself."""
    return _in(value, x.dtype)


def wide(x: Tensor) -> str:
    """The dtype in which rates and numbers of steps for x are computed."""
    return "f64" if x.dtype.name == "f64" else "f32"


def _in(value: Any, dtype: Any) -> Any:
    return value.astype(dtype) if isinstance(value, Tensor) else value


def _hidden(graph: Graph, name: str, first: Tensor) -> Variable:
    """A variable that is not trained, whatever scope is open."""
    with graph.name_scope(""):
        return Variable(first, trainable=False, name=name)


def _wrong(message: str, help: str = "") -> CompileError:
    return CompileError((Diagnostic(message, python_location(), help=help),))
