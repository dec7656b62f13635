"""i8 i16 u16 u32 u64 f16 bf16 all the way: in the language, from Python, in sessions, libraries, weights, on the command line."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

import flowc as fc
import flowc_runtime
from flowc.cli import cli

Array = np.ndarray[Any, Any]
BF16 = ml_dtypes.bfloat16
N = fc.dim("N")
OPTIONS = fc.Options(cache=False)
INTEGERS = {"i8": np.int8, "i16": np.int16, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64}
FLOATS = {"f16": np.float16, "bf16": BF16}


def loaded(text: str) -> Any:
    return fc.loads(text, OPTIONS)


def told(run: Callable[[], object]) -> str:
    with pytest.raises(fc.Error) as refused:
        run()
    return str(refused.value)


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_wrap_and_shift_by_the_amount_modulo_their_width(name: str) -> None:
    dtype: Any = INTEGERS[name]
    limits = np.iinfo(dtype)
    x = np.array([limits.min, limits.min + 1, 0, 1, 100, limits.max - 1, limits.max], dtype)
    y = np.array([-1 % (int(limits.max) + 1), 3, 5, limits.max, 7, 2, limits.bits + 1], dtype)
    found = loaded(f"""graph f(x: {name}[7], y: {name}[7]) -> (
  sum: {name}[7], product: {name}[7], negative: {name}[7], left: {name}[7], right: {name}[7], total: {name}, most: {name}, first: i64
) {{
  sum = x + y
  product = x * y
  negative = -x
  left = bitwise_left_shift(x, y)
  right = bitwise_right_shift(x, y)
  total = sum(x)
  most = max(x)
  first = argmin(x)
}}""").f(x, y)

    def wrapped(of: Callable[[int, int], int]) -> list[int]:
        exact = (of(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True))
        return [(n - int(limits.min)) % (1 << limits.bits) + int(limits.min) for n in exact]

    for column, of in (
        (found.sum, operator.add), (found.product, operator.mul), (found.negative, lambda a, _: -a),
        (found.left, lambda a, b: a << b % limits.bits), (found.right, lambda a, b: a >> b % limits.bits),
    ):  # fmt: skip
        assert column.dtype == dtype and column.tolist() == wrapped(of)
    assert (found.total, found.most, found.first) == (x.sum(dtype=dtype), limits.max, 0)


@pytest.mark.parametrize("name", FLOATS)
def test_floats_go_in_and_out_as_arrays_scalars_numbers_and_lists(name: str) -> None:
    dtype: Any = FLOATS[name]
    model = loaded(f"graph f(x: {name}[N], k: {name}) -> (y: {name}[N], s: {name}) {{\n  y = x * k + 0.1\n  s = y[0]\n}}")
    x, k = np.array([1.5, -2.25, 3.0], dtype), dtype(2)
    wanted = ((x.astype(np.float32) * 2).astype(dtype).astype(np.float32) + np.float32(dtype(0.1))).astype(dtype)
    for given in ((x, k), (x, 2), (x, np.array(2, dtype)), ([1.5, -2.25, 3], 2.0), (np.repeat(x, 2)[::2], 2)):
        y, s = model.f(*given)
        assert (y.dtype, type(s)) == (np.dtype(dtype), dtype)
        np.testing.assert_array_equal(y, wanted)
        assert s == wanted[0]
    out = (np.zeros(3, dtype), np.zeros((), dtype))
    model.f(x, k, out=out)
    np.testing.assert_array_equal(out[0], wanted)


def test_arrays_of_another_dtype_are_refused_with_both() -> None:
    model = loaded("graph f(x: bf16[2], n: i8[2]) -> bf16[2] { return x }")
    assert told(lambda: model.f(np.ones(2, np.float16), [1, 2])) == (
        "error: f: input x: bf16[2]: given f16[2]: convert it with .astype(ml_dtypes.bfloat16)"
    )
    assert told(lambda: model.f(np.ones(2, BF16), [1, 128])) == (
        "error: f: input n: i8[2]: given 128, which does not fit: i8 holds -128..127"
    )


def test_a_number_beside_f16_or_bf16_is_rounded_once() -> None:
    # 1 + 2^-8 + 2^-30 lies above the middle of two numbers of bf16, and is that middle in f32
    y = loaded("graph f(x: bf16) -> bf16 { return x * 1.003906250931322574615478515625 }").f(1)
    assert y == BF16(1.0078125)
    z = loaded("graph f() -> f16 { return 1.00048828218 as f16 }").f()
    assert z == np.float16(1.00048828218)


def test_a_generic_function_takes_any_dtype() -> None:
    model = loaded("""fn twice(x: T[N]) -> T[N] { return x + x }
graph f(a: i8[2], b: bf16[2], c: u64[2]) -> (d: i8[2], g: bf16[2], h: u64[2]) {
  d = twice(a)
  g = twice(b)
  h = twice(c)
}""")
    found = model.f([100, -3], [1.5, 2], [2**63, 1])
    assert [part.tolist() for part in found] == [[-56, -6], [3.0, 4.0], [0, 2]]


def test_sessions_name_the_dtypes_as_tensorflow_does() -> None:
    x = fc.placeholder("float16", [None])
    n = fc.placeholder(np.int8, [None])
    b = fc.constant([1.5, 2.5], "bfloat16")
    with fc.Session() as session:
        y, m, c = session.run([x * 2 + 1, n + n, b * b], {x: np.array([1, 2], np.float16), n: [100, 1]})
    assert (y.dtype, m.dtype, c.dtype) == (np.float16, np.int8, np.dtype(BF16))
    assert (y.tolist(), m.tolist(), c.tolist()) == ([3.0, 5.0], [-56, 2], [2.25, 6.25])
    assert str(x.dtype) == "f16" and "dtype=bfloat16" in repr(b) and "dtype=float16" in repr(x)


def test_functions_are_traced_and_written_with_any_dtype() -> None:
    @fc.function
    def f(x: fc.bf16[N], n: fc.u16[N]) -> Any:
        return x * 0.1 + n.astype(fc.bf16)

    found = f(np.array([1, 2], BF16), np.array([1, 300], np.uint16))
    assert found.dtype == np.dtype(BF16)
    again = fc.loads(f.text(), OPTIONS)
    np.testing.assert_array_equal(again.f(np.array([1, 2], BF16), np.array([1, 300], np.uint16)), found)


def test_a_library_runs_with_any_dtype(tmp_path: Path) -> None:
    model = loaded("graph f(x: bf16[N], k: f16, n: i8[N]) -> (y: bf16[N], m: i8[N], h: f16) {\n  y = x + 1.0\n  m = n - 1\n  h = k * k\n}")
    model.write(tmp_path / "m.so")
    y, m, h = flowc_runtime.load(tmp_path / "m.so").f(np.array([1, 2], BF16), np.float16(1.5), np.array([-128, 0], np.int8))
    assert (y.tolist(), m.tolist(), h) == ([2.0, 3.0], [127, -1], np.float16(2.25))


def test_weights_and_checkpoints_keep_bf16_and_f16(tmp_path: Path) -> None:
    a, b = np.array([0.1, 2, -3], BF16), np.array([0.1, 2, -3], np.float16)
    save_file({"a": a, "b": b}, tmp_path / "w.safetensors")
    (tmp_path / "m.flow").write_text(
        'import weights "w.safetensors" as w\nparam p: bf16[3] = w.a\nstate n: u16 = 65535\n'
        "graph f() -> (x: bf16[3], y: f16[3]) {\n  x = p + w.a\n  y = w.b * 2.0\n  n := n + 1\n}\n"
    )
    model = fc.load(tmp_path / "m.flow", OPTIONS)
    x, y = model.f()
    np.testing.assert_array_equal(x, a + a)
    np.testing.assert_array_equal(y, b * np.float16(2))
    assert model.state["n"] == 0 and model.params["p"].dtype == np.dtype(BF16)
    model.params["p"] = [1, 2, 3]
    model.save(tmp_path / "c.safetensors")
    other = fc.load(tmp_path / "m.flow", OPTIONS)
    other.restore(tmp_path / "c.safetensors")
    assert other.params["p"].tolist() == [1.0, 2.0, 3.0]


def test_bf16_in_an_npz_file_is_told_to_have_no_type_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.ones(3, BF16))
    (tmp_path / "m.flow").write_text('import weights "w.npz" as w\ngraph f() -> bf16[3] { return w.a }\n')
    assert told(lambda: fc.load(tmp_path / "m.flow", OPTIONS)).startswith(
        'm.flow:1:16: error: w.npz: a has elements of 2 bytes without a type; bf16 is kept in a safetensors file\n'
    )


PROGRAM = """graph f(x: bf16[N], n: i8[N], k: f16) -> (y: bf16[N], m: i8[N], h: f16, many: bf16[100]) {
  y = x * 0.1
  m = n + 100
  h = k / 3.0
  many = full([100], 0.3) as bf16
}
test "narrow" {
  y, m, h, many = f([1.0, 2.0], [1, 100], 1.0)
  assert y == [0.1, 0.2] within 1e-2
  assert m == [101, -56]
}
"""


def test_the_command_line_feeds_prints_writes_and_tests_any_dtype(tmp_path: Path) -> None:
    file = tmp_path / "m.flow"
    file.write_text(PROGRAM)
    np.save(tmp_path / "x.npy", np.array([1, 2], BF16))
    feeds = ["--feed", f"x={tmp_path / 'x.npy'}", "--feed", "n=[1,100]", "--feed", "k=1"]
    said = CliRunner().invoke(cli, ["run", str(file), *feeds, "--out", f"y={tmp_path / 'y.npy'}"])
    assert (said.exit_code, said.stdout.splitlines()[:4]) == (
        0, ["y: bf16[2] [0.1, 0.2]", "m: i8[2] [101, -56]", "h: f16 0.3333", "many: bf16[100] min 0.3 mean 0.300781 max 0.3"],
    )  # fmt: skip
    assert np.load(tmp_path / "y.npy").view(BF16).tolist() == [BF16(0.1), BF16(0.2)]
    assert CliRunner().invoke(cli, ["test", str(file)]).exit_code == 0


def test_only_what_is_bf16_in_a_call_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    text = "param p: bf16[2] = zeros()\ngraph f(x: bf16) -> f32 { return x as f32 }\ngraph g(x: f32) -> bf16 { return x as bf16 }\n"
    model = loaded(f"{text}graph h(x: f32) -> f32 {{ return x as bf16 as f32 }}\n")
    assert model.h(1.003) == 1.0
    lacks = "arrays of bf16 need the package ml_dtypes: install flowc[bf16]"
    assert told(lambda: model.f(1)) == f"error: f: input x: bf16: {lacks}"
    assert told(lambda: model.g(1)) == f"error: g: result result: bf16: {lacks}"
    assert told(lambda: model.params["p"]) == f"error: p: bf16[2]: {lacks}"
    assert told(lambda: np.zeros(2, fc.bf16)).splitlines()[0].endswith(f"error: {lacks}")
