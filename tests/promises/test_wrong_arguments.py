"""Whatever a compiled graph is called with, it gives the right answer or an error that says what is wrong."""

from __future__ import annotations

import array
import ctypes
import datetime
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import flowc as fc

Array = np.ndarray[Any, Any]
CALLS = 6000
TEXT = """dim N in 0..4096
graph f(x: f32[N, 3], a: i64[M], s: f32, k: i32, b: bool[N]) -> (y: f32[N, 3], n: i64, z: i64[M]) {
  y = where(b[:, new], x * s, k as f32)
  n = sum(a)
  z = a + 1
}
"""
NAMES = "xaskb"


class Raises:
    """An object whose every reading fails."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("not today")

    def __repr__(self) -> str:
        raise ZeroDivisionError


class NoArray:
    """An object that says it is an array and is none."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return 3


class NoTensor:
    """An object that says it holds a tensor and holds none."""

    def __dlpack__(self, **given: Any) -> Any:
        return 5

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


def nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


def endless() -> list[Any]:
    made: list[Any] = []
    made += [made, made]
    return made


OTHERS: tuple[Callable[[], Any], ...] = (
    lambda: None, lambda: "abc", lambda: b"abcdef", lambda: bytearray(12), dict, set, object, Raises, NoArray, NoTensor, lambda: nested(40),
    lambda: nested(100_000), endless, lambda: len, lambda: 1j, lambda: np.complex64(1), lambda: np.array(["a"]),
    lambda: np.array([None, 1]),
    lambda: np.zeros(3, "M8[s]"), lambda: np.zeros(3, [("a", "f4")]), lambda: np.broadcast_to(np.float32(0), (1 << 40, 3)),
    lambda: np.broadcast_to(np.int64(0), (1 << 50,)), lambda: np.zeros((1,) * 32, np.float32), lambda: np.zeros((0, 1 << 40), np.float32),
    lambda: 10**400, lambda: -(10**400), lambda: float("nan"), lambda: True, lambda: 1.5, lambda: [1, 2, [3]], lambda: [[1, 2], [3]],
    lambda: [], lambda: [[]], lambda: ["a"], lambda: [None], lambda: [True, 1], lambda: array.array("f", [1, 2]),
    lambda: (ctypes.c_float * 3)(),
    lambda: np.longdouble(1), lambda: np.void(b"ab"), lambda: range(3), lambda: iter([1]), datetime.datetime.now, lambda: 1 << 63,
    lambda: np.uint64(1 << 63), lambda: np.lib.stride_tricks.as_strided(np.ones((1, 3), np.float32), (4, 3), (0, 4)),
)  # fmt: skip


@cache
def function() -> Any:
    return fc.loads(TEXT, fc.Options(cache=False, threads=1), "model.flow").f


class Fuzzer:
    """Calls that are right but for a few changes; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def chance(self, part: float) -> bool:
        return bool(self.rng.random() < part)

    def pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def right(self) -> dict[str, Any]:
        n, m = (int(self.pick(1, 2, 5, 300)) for _ in range(2))
        x = self.rng.standard_normal((n, 3)).astype(np.float32)
        return dict(x=x, a=self.rng.integers(-9, 9, m), s=0.5, k=int(self.rng.integers(-9, 9)), b=self.rng.random(n) < 0.5)

    def call(self) -> tuple[list[Any], dict[str, Any], Any]:
        """Positional arguments, named ones, and what is passed as `out`."""
        given = self.right()
        out: Any = [np.empty_like(given["x"]), np.empty((), np.int64), np.empty_like(given["a"])] if self.chance(0.3) else None
        for name in NAMES:
            if self.chance(0.15):
                given[name] = self.changed(given[name])
        if out is not None and self.chance(0.5):
            at = int(self.rng.integers(len(out)))
            out[at] = self.pick(given["x"], given["a"], self.changed(out[at]))
            out = self.pick(out, tuple(out), out[:at], out[at], [*out, None])
        ordered = list(given.values())
        count = int(self.rng.integers(len(NAMES) + 1))
        named = dict(zip(NAMES[count:], ordered[count:], strict=True))
        if named and self.chance(0.05):
            named.pop(next(iter(named)))
        if self.chance(0.03):
            named[self.pick("y", "xx", "x", "out_", "")] = 1
        return ordered[:count], named, out

    def changed(self, value: Any) -> Any:
        if self.chance(0.4):
            return self.pick(*OTHERS)()
        whole = np.asarray(value)
        match self.rng.integers(12):
            case 0:
                with np.errstate(invalid="ignore", over="ignore"):
                    return whole.astype(self.pick("f4", "f8", "i4", "i8", "u1", "?", "f2", ">f4", ">i8", "c8"))
            case 1:
                return whole.reshape(whole.shape[::-1])
            case 2:
                return whole[..., None]
            case 3:
                return whole.ravel()
            case 4:
                return np.repeat(whole, 2, axis=0)[::2] if whole.ndim else whole[()]
            case 5:
                return whole[::-1].copy()[::-1] if whole.ndim else whole
            case 6:
                return whole[1:] if whole.ndim else [whole]
            case 7:
                return whole.tolist()
            case 8:
                return np.asfortranarray(whole)
            case 9:
                return misaligned(whole)
            case 10:
                fixed = whole.copy()
                fixed.flags.writeable = False
                return fixed
            case _:
                return np.concatenate([whole] * 2000) if whole.ndim else list(map(list, [[value]]))


def misaligned(whole: Array) -> Array:
    """The same array one byte beside every alignment."""
    memory = np.empty(whole.nbytes + 1, np.uint8)
    made = np.ndarray(whole.shape, whole.dtype, memory.data, 1)
    made[...] = whole
    return made


def expected(given: dict[str, Any]) -> tuple[Array, np.int64, Array]:
    """What numpy makes of arguments that were accepted."""
    x, a, b = np.asarray(given["x"], np.float32), np.asarray(given["a"], np.int64), np.asarray(given["b"], bool)
    with np.errstate(all="ignore"):
        y = np.where(b.reshape(-1, 1), x.reshape(-1, 3) * single(given["s"]), np.float32(np.int32(given["k"])))
    return y, a.sum(dtype=np.int64), a + 1


def single(number: Any) -> np.float32:
    """A number rounded to f32; of an integer too large, infinity."""
    try:
        return np.float32(number)
    except OverflowError:
        return np.float32(np.inf if number > 0 else -np.inf)


@pytest.mark.parametrize("seed", range(4))
def test_a_call_gives_the_right_answer_or_says_what_is_wrong(seed: int) -> None:
    fuzzer, answers, errors = Fuzzer(seed), 0, set[str]()
    for _ in range(CALLS // 4):
        positional, named, out = fuzzer.call()
        kept = {name: np.array(v) for name, v in zip(NAMES, positional, strict=False) if isinstance(v, np.ndarray) and v.size < 1 << 20}
        try:
            found = function()(*positional, **named, **({} if out is None else {"out": out}))
        except fc.Error as error:
            errors.add(str(error))
            continue
        answers += 1
        wanted = expected({**dict(zip(NAMES, positional, strict=False)), **named})
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
        for name, before in kept.items():
            np.testing.assert_array_equal(positional[NAMES.index(name)], before)
    assert answers > CALLS // 40 and len(errors) > CALLS // 40
    unclear = [text for text in errors if not text.startswith(("error: f: ", "model.flow:")) or len(text) < 25 or text.isspace()]
    assert unclear == []
