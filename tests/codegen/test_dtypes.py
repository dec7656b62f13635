"""Every dtype from C and on any target: by value, in buffers, as results, with nothing to link but the object."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from flowc.codegen.artifact import compiled, write
from flowc.codegen.symbols import undefined_symbols
from flowc.ir.narrow import as_stored, in_f32, rounded
from flowc.ir.types import DType
from flowc.target import host, named
from tests.codegen.program import Program, planned
from tests.codegen.test_c import STRICT, TARGETS

TEXT = """
graph mixed(a: i8[3], b: i8, c: u16[3], d: u16, e1: i16[3], f: i16, g: u32[3], h: u32, i: u64[3], j: u64) -> (
  s: i8[3], t: u16[3], u: i16[3], v: u32[3], w: u64[3], top: u64
) {
  s = a + b
  t = c * d
  u = e1 - f
  v = g // h
  w = i + j
  top = max(i)
}
graph floats(x: f16[N], k: f16, y: bf16[N], l: bf16) -> (p: f16[N], q: bf16[N], total: f16, mean_y: bf16, wide: f64[N], whole: i16[N]) {
  p = x * k + 1.0
  q = exp(y) - l
  total = sum(x)
  mean_y = mean(y)
  wide = x as f64
  whole = (y * 1000.0) as i16
}
"""
MAIN = r"""
#include "m.h"
#include <stdio.h>

int main(void) {
    const int8_t a[3] = {127, -128, 5};
    const uint16_t c[3] = {65535, 300, 7};
    const int16_t e[3] = {-32768, 0, 9};
    const uint32_t g[3] = {4294967295u, 6, 0};
    const uint64_t i[3] = {18446744073709551615u, 1, 2};
    int8_t s[3]; uint16_t t[3]; int16_t u[3]; uint32_t v[3]; uint64_t w[3], top;
    const uint16_t x[2] = {0x3c00, 0x7bff}, y[2] = {0x3f80, 0xc000};  /* 1, 65504; 1, -2 */
    uint16_t p[2], q[2], total, mean_y;
    double wide[2];
    int16_t whole[2];
    static _Alignas(64) unsigned char space[1 << 16];
    int code;
    if (m_mixed_workspace(1) > sizeof space || m_floats_workspace(2, 1) > sizeof space) return 1;
    code = m_mixed(a, -3, c, 65534, e, -1, g, 4, i, 2, s, t, u, v, w, &top, space, NULL);
    printf("%d: %d %d %d, %u %u %u, %d %d %d, %u %u %u, ", code, s[0], s[1], s[2], t[0], t[1], t[2], u[0], u[1], u[2], v[0], v[1], v[2]);
    printf("%llu %llu %llu %llu\n", (unsigned long long)w[0], (unsigned long long)w[1], (unsigned long long)w[2], (unsigned long long)top);
    code = m_floats(2, x, 0x3800, y, 0x4000, p, q, &total, &mean_y, wide, whole, space, NULL);  /* 0.5; 2 */
    printf("%d: %x %x, %x %x, %x, %x, %g %g, %d %d\n", code, p[0], p[1], q[0], q[1], total, mean_y, wide[0], wide[1], whole[0], whole[1]);
    return 0;
}
"""


def expected() -> str:
    """What the program prints, computed in numpy."""
    with np.errstate(all="ignore"):
        s = np.array([127, -128, 5], np.int8) + np.int8(-3)
        t = np.array([65535, 300, 7], np.uint16) * np.uint16(65534)
        u = np.array([-32768, 0, 9], np.int16) - np.int16(-1)
        v = np.array([4294967295, 6, 0], np.uint32) // np.uint32(4)
        w = np.array([18446744073709551615, 1, 2], np.uint64) + np.uint64(2)
        x, y = np.array([1, 65504], np.float16), np.array([1, -2], np.float32)
        p = x * np.float16(0.5) + np.float16(1)
        e = in_f32(rounded(np.exp(y.astype(np.float64)), DType.bf16), DType.bf16)
        q = rounded(e - np.float32(2), DType.bf16)
        total = rounded(x.astype(np.float32).sum(), DType.f16)
        mean = rounded(y.mean(), DType.bf16)
        whole = np.array([1000, -2000])
    integers = ", ".join(" ".join(map(str, part.tolist())) for part in (s, t, u, v))
    bits = [" ".join(f"{b:x}" for b in part.reshape(-1).view(np.uint16)) for part in (p, q, np.asarray(total), np.asarray(mean))]
    whole = in_f32(rounded(np.array([1000, -2000], np.float32), DType.bf16), DType.bf16)
    return (
        f"0: {integers}, {' '.join(map(str, w.tolist()))} {2**64 - 1}\n"
        f"0: {', '.join(bits)}, {x[0]:g} {x[1]:g}, {int(whole[0])} {int(whole[1])}\n"
    )


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_every_dtype_goes_in_and_out_of_c(tmp_path: Path) -> None:
    write(planned(TEXT), tmp_path / "m.o", host())
    (tmp_path / "main.c").write_text(MAIN)
    subprocess.run(["gcc", "-std=c11", *STRICT, "main.c", "m.o", "-o", "main"], cwd=tmp_path, check=True)
    assert subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout == expected()


def test_the_header_says_each_dtype_in_c(tmp_path: Path) -> None:
    text = compiled(planned(TEXT), host()).header
    assert (
        "int m_mixed(const int8_t *a, int8_t b, const uint16_t *c, uint16_t d, const int16_t *e1, int16_t f, const uint32_t *g, "
        "uint32_t h, const uint64_t *i, uint64_t j, int8_t *s, uint16_t *t, int16_t *u, uint32_t *v, uint64_t *w, "
        "uint64_t *top, void *workspace, const flow_context *context);\n"
    ) in text
    assert (
        "int m_floats(int64_t N, const uint16_t *x, uint16_t k, const uint16_t *y, uint16_t l, uint16_t *p, uint16_t *q, uint16_t *total, "
        "uint16_t *mean_y, double *wide, int16_t *whole, void *workspace, const flow_context *context);\n"
    ) in text


@pytest.mark.parametrize("triple", TARGETS)
def test_objects_with_any_dtype_need_nothing(triple: str) -> None:
    assert undefined_symbols(compiled(planned(TEXT, target=named(triple)), named(triple)).code) == ()


@pytest.mark.parametrize("dtype", [DType.f16, DType.bf16], ids=lambda d: d.value)
def test_weights_states_branches_and_loops_hold_f16_and_bf16(dtype: DType) -> None:
    text = f"""state total: {dtype.value}[3] = full([3], 0.5 as {dtype.value})
graph f(x: {dtype.value}[3], up: bool) -> (y: {dtype.value}[3]) {{
  z = if up {{ yield x + [1.0, 2.0, 3.0] }} else {{ yield x }}
  y, _ = loop (v = z, n: i32 = 0) while n < 3 {{ yield v * 2.0, n + 1 }}
  total := total + y
}}
"""
    program = Program(text)
    for up, wanted in ((True, [16.0, 24.0, 32.0]), (False, [8.0, 8.0, 8.0])):
        assert in_f32(program("f", as_stored(np.ones(3), dtype), up).outputs[0], dtype).tolist() == wanted
    assert in_f32(program.states()["total"], dtype).tolist() == [24.5, 32.5, 40.5]
