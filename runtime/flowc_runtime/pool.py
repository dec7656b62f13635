"""A thread pool of this process, made of compiled pool text."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable

from flowc_runtime.abi import FlowPool
from flowc_runtime.processors import available_threads

TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)


class Pool:
    """A `flow_pool` whose threads start at the first run that needs them and end with this object.

    `address` gives the address of a function of the pool text; `threads` counts the caller, 0 is what the process may use.
    In the child of a fork the same pool works, with threads of its own.
    """

    def __init__(self, address: Callable[[str], int], threads: int = 0) -> None:
        create = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int)(address("flow_pool_create"))
        self.threads = threads or available_threads()
        self._forked = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address("flow_pool_forked"))
        self.address = create(self.threads)
        if not self.address:
            raise MemoryError(f"no memory for a pool of {self.threads} threads")
        self._run = _RUN(FlowPool.from_address(self.address).run)
        self.close = weakref.finalize(self, _destroy, address, self.address)
        self.close.atexit = False
        os.register_at_fork(after_in_child=_forgetting(weakref.ref(self)))

    def run(self, task: Callable[[int, int], None] | int, tasks: int, argument: int = 0) -> None:
        """Calls `task(argument, i)` once for each i below `tasks`; a task is a Python function or the address of a native one."""
        self._run(self.address, ctypes.cast(task, TASK) if isinstance(task, int) else TASK(task), argument, tasks)

    def forget_threads(self) -> None:
        """In the child of a fork: the threads are not there; the next run starts others."""
        self._forked(self.address)


_RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, TASK, ctypes.c_void_p, ctypes.c_int64)


def _destroy(address: Callable[[str], int], pool: int) -> None:
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address("flow_pool_destroy"))(pool)


def _forgetting(pool: weakref.ref[Pool]) -> Callable[[], None]:
    def forget() -> None:
        if (living := pool()) is not None:
            living.forget_threads()

    return forget
