"""What a value becomes for compiled code, or why it is refused."""

import sys
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from flowc_runtime.convert import Refused, as_array
from flowc_runtime.dtypes import MissingExtra

X = np.arange(6, dtype=np.float32).reshape(2, 3)


class Unreadable:
    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise TypeError("it is on another device")


def nested(depth: int) -> list[object]:
    """1.0 in so many lists."""
    return [nested(depth - 1) if depth > 1 else 1.0]


def test_an_array_that_fits_is_not_copied() -> None:
    assert np.shares_memory(as_array(X, "f32"), X)


@pytest.mark.parametrize("view", [X.T, X[:, ::2], X.astype(">f4"), np.frombuffer(b"0" + X.tobytes(), np.uint8)[1:].view(np.float32)])
def test_an_array_elsewhere_or_otherwise_in_memory_is_copied(view: np.ndarray) -> None:
    array = as_array(view, "f32")
    np.testing.assert_array_equal(array, view)
    assert array.flags.c_contiguous and array.flags.aligned and array.dtype == np.float32 and array.dtype.isnative


def test_whatever_holds_an_array_is_taken() -> None:
    class Holder:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return X

    class Tensor:
        def __dlpack__(self, **given: object) -> object:
            return X.__dlpack__(**given)

        def __dlpack_device__(self) -> tuple[int, int]:
            return X.__dlpack_device__()

    for value in (Holder(), Tensor(), memoryview(X)):
        assert np.shares_memory(as_array(value, "f32"), X)
    np.testing.assert_array_equal(as_array(bytearray(b"\1\2"), "u8"), [1, 2])


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (3, "i32", 3),
        (-1, "f32", -1.0),
        ([[1, 2], [3, 4]], "i8", [[1, 2], [3, 4]]),
        (2**64 - 1, "u64", 2**64 - 1),
        ([True, False], "bool", [True, False]),
        ([], "f32", []),
        ([[], []], "i64", [[], []]),
        ((1, 2.5), "f64", [1, 2.5]),
        ([np.float32(1.5), np.float32(2)], "f32", [1.5, 2]),
        (float("inf"), "f16", np.inf),
        (1e300, "f32", np.inf),
        (10**400, "f64", np.inf),
        (-(10**400), "bf16", -np.inf),
    ],
    ids=lambda value: f"{value!r:.20}",
)
def test_numbers_and_lists_of_them_are_literals(value: object, dtype: str, expected: object) -> None:
    np.testing.assert_array_equal(as_array(value, dtype).astype(object), np.array(expected, object).reshape(np.shape(expected)))


@given(st.one_of(st.floats(-1e38, 1e38), st.integers(-(2**100), 2**100)), st.sampled_from(["f16", "bf16", "f32", "f64"]))
@example(2**60 + 2**36 + 1, "f32")
@example(1 + 2**-8 + 2**-40, "bf16")
def test_a_literal_is_rounded_once(number: float, dtype: str) -> None:
    limits = ml_dtypes.finfo("bfloat16") if dtype == "bf16" else np.finfo({"f16": "f2", "f32": "f4", "f64": "f8"}[dtype])
    if abs(number) > float(limits.max):
        return
    found = as_array(number, dtype)[()]
    below, above = (np.nextafter(found, found.dtype.type(side)) for side in (-np.inf, np.inf))
    error = abs(Fraction(float(found)) - Fraction(number))
    for other in (below, above):
        if np.isfinite(other):
            distance = abs(Fraction(float(other)) - Fraction(number))
            assert error < distance or error == distance and found.tobytes()[0] % 2 == 0


@pytest.mark.parametrize(
    ("value", "dtype", "said"),
    [
        (X.astype(np.float64), "f32", "given f64[2, 3]: convert it with .astype(numpy.float32)"),
        (np.float64(1), "f32", "given f64: convert it with .astype(numpy.float32)"),
        (np.int32(1), "bf16", "given i32: convert it with .astype(ml_dtypes.bfloat16)"),
        ([np.int64(1)], "i32", "given i64[1]: convert it with .astype(numpy.int32)"),
        (np.array([1 + 2j]), "f64", "given complex128[1]: convert it with .astype(numpy.float64)"),
        (1.5, "i32", "given 1.5, which is no integer"),
        ([1, 300], "u8", "given 300, which does not fit: u8 holds 0..255"),
        (True, "f32", "given True, which is a bool"),
        (1, "bool", "given 1, which is no bool"),
        ("x", "f32", "given 'x', which is no array, number or list of numbers"),
        (["x"], "f32", "given 'x', which is no number"),
        ([[1], [1, 2]], "f32", "given [[1], [1, 2]], whose rows differ in length"),
        (None, "f32", "given None, which is no array, number or list of numbers"),
        (nested(33), "f32", "given lists nested more than 32 deep"),
        (Unreadable(), "f32", "given Unreadable, which NumPy cannot read: it is on another device"),
    ],
)
def test_what_does_not_fit_is_refused(value: object, dtype: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        as_array(value, dtype)
    assert str(caught.value) == said


def test_arrays_of_bf16_are_refused_without_the_package_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(MissingExtra) as caught:
        as_array(1.0, "bf16")
    assert str(caught.value) == "arrays of bf16 need the package ml_dtypes: install flowc[bf16]"
