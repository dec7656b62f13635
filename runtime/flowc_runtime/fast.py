"""Binds the native Python call of a compiled graph.

Compiled code holds a CPython function for each graph (METH_FASTCALL | METH_KEYWORDS).  Its `self` is a table of addresses:
what it needs of the interpreter, of NumPy and of the graph; so the code itself names nothing outside.  What the native call
does not take (other dtypes, strides, keywords in another order, a failing check) it hands to the graph's own `__call__`.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

import numpy as np

from flowc_runtime.abi import FlowContext
from flowc_runtime.call import Graph
from flowc_runtime.dtypes import MissingExtra, numpy_dtype

_PYTHON = (
    "PyObject_Vectorcall", "PyObject_CallFunction", "PyEval_SaveThread", "PyEval_RestoreThread", "PyMem_RawMalloc", "PyMem_RawFree",
    "PyThread_acquire_lock", "PyThread_release_lock", "PyTuple_New", "PyTuple_SetItem", "PyLong_AsLongLongAndOverflow", "Py_IncRef",
    "Py_DecRef", "PySequence_GetSlice", "PyErr_Clear",
)  # fmt: skip
_NUMPY = {"PyArray_Scalar": 60, "PyArray_Resize": 80, "PyArray_NewFromDescr": 94}
_OBJECTS: dict[str, object] = {
    "None": None, "True": True, "bool": bool, "int": int, "float": float, "ndarray": np.ndarray, "tuple": tuple,
    "tuple_new": vars(tuple)["__new__"], "out": sys.intern("out"),
}  # fmt: skip
_GRAPH = ("workspace", "state", "weights", "pool", "threads", "slow", "fail", "failure_format", "result", "items")

# The places of the table; after them three for each input (its dtype, its scalar type, its name), then one for each output.
SLOTS = {name: place for place, name in enumerate([*_GRAPH, *_OBJECTS, *_PYTHON, *_NUMPY])}

# Bytes from the start of an object of CPython, of an ndarray, of a NumPy scalar or a float, of a tuple.
TYPE, DATA, RANK, SHAPE, DTYPE, FLAGS, SCALAR, LENGTH = 8, 16, 24, 32, 56, 64, 16, 16
CONTIGUOUS_ALIGNED, WRITEABLE = 0x101, 0x501  # flags; what is writeable, too
CONTEXT_BYTES = ctypes.sizeof(FlowContext)


def input_slot(n: int) -> int:
    """The place of an input's dtype; those after it have the scalar type and the name."""
    return len(SLOTS) + 3 * n


def output_slot(inputs: int, n: int) -> int:
    """The place of an output's dtype."""
    return len(SLOTS) + 3 * inputs + n


class Table(np.ndarray[Any, np.dtype[np.uint64]]):
    """Addresses, and the objects that must live as long as they do."""

    kept: tuple[object, ...]


class _MethodDef(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


_METH_FASTCALL_KEYWORDS = 0x82
_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.py_object)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)
_capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))


def fast_call(graph: Graph, entry: int) -> Callable[..., Any]:
    """The graph as a built-in function whose code is at `entry`; the graph itself where this interpreter is not as the code expects."""
    if not layout_holds():
        return graph
    signature = graph.signature
    try:
        inputs = [numpy_dtype(port.dtype) for port in signature.inputs]
        outputs = [numpy_dtype(port.dtype) for port in signature.outputs]
    except MissingExtra:
        return graph
    slow, fail, text = graph.__call__, graph.fail, ctypes.create_string_buffer(b"iiLL")
    own = {
        "workspace": graph.workspace.cell.ctypes.data,
        "state": graph.state.cell.ctypes.data if graph.state else 0,
        "weights": graph.weights,
        "pool": graph.pool.address if graph.pool else 0,
        "threads": graph.threads,
        "slow": id(slow),
        "fail": id(fail),
        "failure_format": ctypes.addressof(text),
        "result": id(graph.result),
        "items": tuple.__basicsize__,
    }
    addresses = own | {name: id(found) for name, found in _OBJECTS.items()} | _functions()
    names = [sys.intern(port.name) for port in signature.inputs]  # what a call site writes is interned, too
    types = [address for dtype, name in zip(inputs, names, strict=True) for address in (id(dtype), id(dtype.type), id(name))]
    table = np.array([*(addresses[name] for name in SLOTS), *types, *map(id, outputs)], np.uint64).view(Table)
    doc = ", ".join(port.name for port in signature.inputs)
    definition = _MethodDef(signature.name.encode(), entry, _METH_FASTCALL_KEYWORDS, f"{signature.name}({doc})".encode())
    table.kept = (graph, slow, fail, text, inputs, outputs, names, definition)
    return _new_function(ctypes.addressof(definition), table, "flowc")


def layout_holds() -> bool:
    """Whether objects of this interpreter and this NumPy lie in memory as the native call reads them."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED") or object.__basicsize__ != DATA:
        return False
    array, scalar, names = np.zeros((2, 3), np.float32)[:, :2], np.float32(1.5), ("x", "y")
    at, shape, number = id(array), ctypes.c_int64 * 2, float(scalar)
    return (
        ctypes.c_void_p.from_address(at + TYPE).value == id(np.ndarray)
        and ctypes.c_void_p.from_address(at + DATA).value == array.ctypes.data
        and ctypes.c_int.from_address(at + RANK).value == 2
        and tuple(shape.from_address(ctypes.c_size_t.from_address(at + SHAPE).value)) == array.shape
        and ctypes.c_void_p.from_address(at + DTYPE).value == id(array.dtype)
        and ctypes.c_int.from_address(at + FLAGS).value == array.flags.num
        and ctypes.c_float.from_address(id(scalar) + SCALAR).value == scalar
        and ctypes.c_double.from_address(id(number) + SCALAR).value == number
        and ctypes.c_ssize_t.from_address(id(names) + LENGTH).value == 2
        and ctypes.c_void_p.from_address(id(names) + tuple.__basicsize__).value == id(names[0])
    )


def _functions() -> dict[str, int]:
    multiarray = importlib.import_module("numpy._core.multiarray" if hasattr(np, "_core") else "numpy.core.multiarray")
    api = (ctypes.c_void_p * 128).from_address(_capsule_pointer(multiarray._ARRAY_API, None))
    found = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in _PYTHON}
    return {name: address or 0 for name, address in (found | {name: api[index] for name, index in _NUMPY.items()}).items()}
