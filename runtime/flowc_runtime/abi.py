"""The shared types of compiled graphs, as `flow.h` declares them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

# A result that is not 0 is the place of its kind here, counted from 1.
KINDS = ("size out of range", "index out of range", "limit reached", "assert failed", "misaligned", "overlap", "cancelled")


class FlowPool(ctypes.Structure):
    """A parallel-for: `run(context, task, argument, tasks)` calls `task(argument, i)` for each i below tasks."""

    _fields_ = (("context", ctypes.c_void_p), ("threads", ctypes.c_int), ("run", ctypes.c_void_p))


class FlowError(ctypes.Structure):
    """What a run that failed says."""

    _fields_ = (("code", ctypes.c_int32), ("site", ctypes.c_int32), ("index", ctypes.c_int64), ("bound", ctypes.c_int64))


class FlowEvent(ctypes.Structure):
    """Begin (phase 0) or end (phase 1) of launch number `launch` of a run, which is of the kernel named."""

    _fields_ = (("kernel", ctypes.c_char_p), ("launch", ctypes.c_int32), ("phase", ctypes.c_int32))


class FlowContext(ctypes.Structure):
    """What a caller gives a run; zero fields mean none."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("pool", ctypes.c_void_p),
        ("cancel", ctypes.c_void_p),
        ("error", ctypes.c_void_p),
        ("event", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
    )


@dataclass(frozen=True)
class Failure:
    """Why a run failed: its code, the number of the place in the source, and the index and the bound it broke."""

    code: int
    site: int = -1
    index: int = 0
    bound: int = 0

    @property
    def kind(self) -> str:
        """What `flow_message` says of the code."""
        return KINDS[self.code - 1] if 1 <= self.code <= len(KINDS) else f"error {self.code}"
