"""Locks and memory that compiled calls and Python share."""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager

import numpy as np

ALIGNMENT = 64  # bytes; of workspace and state
FORKS = hasattr(os, "register_at_fork")

# Each function by a prototype of its own; those of `pythonapi` itself belong to the whole process.
_allocate = ctypes.CFUNCTYPE(ctypes.c_void_p)(("PyThread_allocate_lock", ctypes.pythonapi))
_free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(("PyThread_free_lock", ctypes.pythonapi))
_acquire = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(("PyThread_acquire_lock", ctypes.pythonapi))
_release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(("PyThread_release_lock", ctypes.pythonapi))


class Lock:
    """A lock of the interpreter's that native code takes by its `address`; waiting for it releases the GIL."""

    def __init__(self) -> None:
        self.address: int = _allocate()
        weakref.finalize(self, _free, self.address).atexit = False

    def acquire(self, wait: bool = True) -> bool:
        """Whether it was taken."""
        return bool(_acquire(self.address, int(wait)))

    def release(self) -> None:
        _release(self.address)

    @contextmanager
    def held(self) -> Generator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


class Memory:
    """Aligned bytes."""

    def __init__(self, size: int) -> None:
        if size > sys.maxsize - ALIGNMENT:
            raise MemoryError
        self._bytes = np.empty(size + ALIGNMENT, np.uint8)
        start = -int(self._bytes.ctypes.data) % ALIGNMENT
        self.bytes = self._bytes[start : start + size]
        self.address = int(self._bytes.ctypes.data) + start
        self.size = size


class Workspace:
    """Memory kept from run to run; one run uses it at a time, another in the meantime gets memory of its own.

    `cell` holds what native code needs: the address of the lock, the address of the memory, its bytes.
    """

    def __init__(self) -> None:
        self._lock, self._memory = Lock(), Memory(0)
        self.cell = np.array([self._lock.address, self._memory.address, 0], np.uint64)
        if FORKS:
            os.register_at_fork(after_in_child=_freeing(weakref.ref(self._lock)))

    @contextmanager
    def of(self, size: int) -> Generator[int]:
        """The address of at least `size` bytes, for the time of a run."""
        if size == 0:
            yield 0
            return
        if not self._lock.acquire(wait=False):
            own = Memory(size)
            yield own.address
            return
        try:
            if size > self._memory.size:
                self._memory = Memory(0)  # gives the smaller one back before the larger is asked for
                self.cell[1:] = self._memory.address, 0
                self._memory = Memory(size)
                self.cell[1:] = self._memory.address, size
            yield self._memory.address
        finally:
            self._lock.release()


class State:
    """What a model keeps between runs; its runs take turns, and a fork takes its own, so that the child has a whole state.

    `cell` holds the address of the lock and of the memory.
    """

    def __init__(self, size: int) -> None:
        self.lock, self.memory = Lock(), Memory(size)
        self.memory.bytes[:] = 0
        self.cell = np.array([self.lock.address, self.memory.address], np.uint64)
        if FORKS:
            turn = _Turn(self.lock)
            os.register_at_fork(before=turn.take, after_in_parent=turn.end, after_in_child=turn.end)


class _Turn:
    """The turn a fork takes at a lock, while the lock lives."""

    def __init__(self, lock: Lock) -> None:
        self._lock = weakref.ref(lock)
        self._held: Lock | None = None

    def take(self) -> None:
        if (lock := self._lock()) is not None:
            lock.acquire()
            self._held = lock

    def end(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.release()


def _freeing(lock: weakref.ref[Lock]) -> Callable[[], None]:
    """In the child of a fork: the thread that held the lock is not there."""

    def free() -> None:
        if (living := lock()) is not None:
            living.acquire(wait=False)
            living.release()

    return free
