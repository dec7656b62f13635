"""Building graphs in Python: the public names, each with the module that defines it.

`find` gives what a name stands for; built-in functions are found by the name they have in the language,
or had in TensorFlow's first edition.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "Graph": "graph", "Operation": "graph", "get_default_graph": "graph", "reset_default_graph": "graph",
        "Tensor": "tensor", "name_scope": "scopes", "device": "scopes", "control_dependencies": "scopes",
        "Session": "session", "get_default_session": "session",
        "placeholder": "sources", "constant": "sources", "Constant": "sources.constant", "identity": "sources", "cast": "sources",
        "Variable": "variables", "variable": "variables", "assign": "variables", "assign_add": "variables", "assign_sub": "variables",
        "group": "variables", "global_variables": "variables", "trainable_variables": "variables", "variables_initializer": "variables",
        "global_variables_initializer": "variables", "initialize_all_variables": "variables.global_variables_initializer",
        "cond": "control", "while_loop": "control", "scan": "control", "fori_loop": "control",
        "matmul": "first_edition", "add_n": "first_edition", "shape": "first_edition", "squared_difference": "first_edition",
        "convert_to_tensor": "first_edition", "no_op": "first_edition", "map_fn": "first_edition", "unstack": "first_edition",
        "unpack": "first_edition.unstack",
        "InteractiveSession": "first_edition",
        "set_random_seed": "random", "random_uniform": "random", "random_normal": "random", "truncated_normal": "random",
        "random_shuffle": "random", "get_variable": "scoped", "variable_scope": "scoped", "AUTO_REUSE": "scoped",
        "zeros_initializer": "initializers", "ones_initializer": "initializers", "constant_initializer": "initializers",
        "random_normal_initializer": "initializers", "random_uniform_initializer": "initializers",
        "truncated_normal_initializer": "initializers", "glorot_uniform_initializer": "initializers",
        "local_variables_initializer": "variables",
        "gradients": "derivatives", "grad": "transforms", "value_and_grad": "transforms", "vjp": "transforms", "jvp": "transforms",
        "custom_derivative": "transforms", "remat": "transforms", "vmap": "vmap",
        "function": "function", "Function": "function", "dim": "types",
    }
)  # fmt: skip
CLIPPING = ("clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm")  # also names of flowc.train
MODULES: Mapping[str, str] = MappingProxyType({"train": "flowc.train", "nn": "flowc.graph.nn"})
LATER = ("summary",)


def find(name: str) -> Any:
    """What the public name stands for; raises `AttributeError` where it stands for nothing."""
    if name in MODULES:
        return import_module(MODULES[name])
    if name in NAMES:
        module, _, attribute = NAMES[name].partition(".")
        return getattr(import_module(f"flowc.graph.{module}"), attribute or name)
    if name in CLIPPING:
        return getattr(import_module("flowc.train"), name)
    from flowc.errors import did_you_mean
    from flowc.graph.built_ins import functions
    from flowc.graph.types import ELEMENT_TYPES, SPELLINGS
    from flowc.ops.named import NAMED

    for table in (ELEMENT_TYPES, SPELLINGS, functions()):
        if name in table:
            return table[name]
    if name in LATER or name in NAMED:
        raise AttributeError(f"flowc.{name} is not there yet")
    near = did_you_mean(name, names())
    raise AttributeError(f"flowc has no {name}" + f": {near}" * bool(near))


def names() -> list[str]:
    """The public names, in order."""
    from flowc.graph.built_ins import functions
    from flowc.graph.types import ELEMENT_TYPES, SPELLINGS

    return sorted({*NAMES, *MODULES, *CLIPPING, *ELEMENT_TYPES, *SPELLINGS, *functions()})
