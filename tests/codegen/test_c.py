"""Artefacts used from C: objects, libraries and headers with gcc and g++, a pool of the caller's, several models in one program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import flowc_runtime
from flowc.codegen.artifact import compiled, write
from flowc.codegen.header import parameters
from flowc.codegen.signature import Port, Signature
from flowc.codegen.symbols import undefined_symbols
from flowc.errors import UsageError
from flowc.ir.core import Module
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType
from flowc.target import host, named
from tests.codegen.program import planned

STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic")
TARGETS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "riscv64-unknown-linux-gnu",
    "x86_64-pc-windows-msvc",
    "x86_64-w64-windows-gnu",
    "arm64-apple-macosx",
    "wasm32-unknown-unknown",
)

DENSE = """import weights "big.npz" as big
dim N in 1..256
graph layer(x: f32[N, 64]) -> (y: f32[N, 64], best: i64[N]) {
  y = x @ big.w
  best = argmax(y, axis=-1)
}
graph take(ids: i64[N], s: f32) -> (rows: f32[N, 64]) { rows = big.w[ids] * s }
"""
COUNTER = """param w: f32[4] = full([4], 0.5)
state count: i64 = 40
graph step(x: f32[4], ok: bool) -> (y: f32[4], count_now: i64) {
  y = w * x
  w := y
  count := count + 1
  count_now = count + 1
  assert ok, "ok holds"
}
"""
MAIN = r"""
#include "dense.h"
#include "counter.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job { void (*task)(void *, int64_t); void *argument; int64_t number; };
static void *work(void *p) { struct job *j = p; j->task(j->argument, j->number); return NULL; }
static int64_t most;
static void run(void *context, void (*task)(void *, int64_t), void *argument, int64_t tasks) {
    pthread_t threads[16];
    struct job jobs[16];
    (void)context;
    if (tasks > most) most = tasks;
    for (int64_t n = 0; n < tasks; n++) {
        jobs[n].task = task, jobs[n].argument = argument, jobs[n].number = n;
        if (pthread_create(&threads[n], NULL, work, &jobs[n])) abort();
    }
    for (int64_t n = 0; n < tasks; n++) pthread_join(threads[n], NULL);
}
static float x[200 * 64], y[200 * 64], z[200 * 64];
static int64_t best[200], ids[2] = {3, 64};

int main(void) {
    flow_pool pool = {NULL, 3, run};
    flow_error error = {0, 0, 0, 0};
    flow_context context = {sizeof context, NULL, NULL, NULL, NULL, NULL};
    void *workspace = aligned_alloc(64, 64 + (dense_layer_workspace(200, 3) + 63) / 64 * 64);
    for (int n = 0; n < 200 * 64; n++) x[n] = (float)(n % 7) - 3;
    int code = dense_layer(200, x, y, best, workspace, NULL);
    context.pool = &pool, context.error = &error;
    code += dense_layer(200, x, z, best, workspace, &context);
    printf("%d %d %d %g %lld\n", code, memcmp(y, z, sizeof y), (int)most, y[64 * 199 + 63], (long long)best[199]);
    code = dense_take(2, ids, 2.0f, y, workspace, &context);
    printf("%d %s %lld %lld %s\n", code, flow_message(code), (long long)error.index, (long long)error.bound, dense_site(error.site));
    printf("%d %d\n", (int)DENSE_LAYER_N_MIN, (int)DENSE_LAYER_N_MAX);

    void *state = aligned_alloc(64, counter_state_bytes());
    float *w = (float *)((char *)state + COUNTER_PARAM_W_OFFSET), given[4] = {1, 2, 3, 4};
    code = counter_init(state, workspace, NULL);
    code += counter_step(state, given, 1, y, ids, workspace, NULL);
    printf("%d %g %g %lld %d\n", code, w[0], w[3], (long long)ids[0], (int)(COUNTER_PARAM_W_BYTES + COUNTER_STATE_COUNT_BYTES));
    code = counter_step(state, given, 0, y, ids, workspace, &context);
    printf("%s at %s: %g\n", flow_message(code), counter_site(error.site), w[3]);
    return 0;
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of `DENSE`."""
    made = tmp_path_factory.mktemp("c")
    np.savez(made / "big.npz", w=weights())
    return made


def weights() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return ((np.arange(64 * 64) * 5) % 11 - 5).astype(np.float32).reshape(64, 64)


def module(folder: Path, name: str) -> Module:
    text = {"dense": DENSE, "counter": COUNTER}[name]
    return planned(text, f"{name}.flow", path=folder / f"{name}.flow")


def built(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected() -> str:
    x = ((np.arange(200 * 64) % 7) - 3).astype(np.float32).reshape(200, 64)
    y = x @ weights()
    return (
        f"0 0 3 {y[199, 63]:g} {y[199].argmax()}\n"
        "2 index out of range 64 64 dense.flow:7:64: ids indexes big.w\n"
        "1 256\n"
        "0 0.5 2 41 24\n"
        "assert failed at counter.flow:8:3: ok holds: 2\n"
    )


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("suffix", [".o", ".a"])
def test_two_models_in_one_program_run_with_and_without_a_pool(folder: Path, suffix: str) -> None:
    for name in ("dense", "counter"):
        write(module(folder, name), folder / f"{name}{suffix}", host())
    (folder / "main.c").write_text(MAIN)
    built(folder, "gcc", "-std=c11", *STRICT, "main.c", f"dense{suffix}", f"counter{suffix}", "-pthread", "-o", "main")
    assert built(folder, "./main") == expected()


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_header_stands_alone_in_c_and_in_cpp(folder: Path) -> None:
    for name, place in (("dense", "inside"), ("dense", "separate"), ("counter", "inside")):
        (folder / f"{name}.h").write_text(compiled(module(folder, name), host(), place).header)
        for language, compiler in (("c", ["gcc", "-std=c99"]), ("c++", ["g++", "-std=c++98"]), ("c++", ["g++", "-std=c++20"])):
            built(folder, *compiler, *STRICT, "-Wno-long-long", "-fsyntax-only", "-x", language, f"{name}.h")


def test_header_declares_the_interface(folder: Path) -> None:
    text = compiled(module(folder, "counter"), host()).header
    own = text[text.rindex('extern "C" {\n#endif\n') :].partition("#endif\n\n")[2]
    assert own == (
        "/* step: x: f32[4], ok: bool -> y: f32[4], count_now: i64 */\n"
        "size_t counter_step_workspace(int threads);\n"
        "int counter_step(void *state, const float *x, uint8_t ok, float *y, int64_t *count_now, void *workspace, "
        "const flow_context *context);\n"
        "\n"
        "/* The place in the source of a failure, by flow_error.site; an overlap gives in index the site of the other buffer. */\n"
        "const char *counter_site(int32_t site);\n"
        "\n"
        "#define COUNTER_PARAM_W_OFFSET 0 /* w: f32[4] */\n"
        "#define COUNTER_PARAM_W_BYTES 16\n"
        "#define COUNTER_STATE_COUNT_OFFSET 64 /* count: i64 */\n"
        "#define COUNTER_STATE_COUNT_BYTES 8\n"
        "\n"
        "size_t counter_state_bytes(void);\n"
        "\n"
        "size_t counter_init_workspace(int threads);\n"
        "int counter_init(void *state, void *workspace, const flow_context *context);\n"
        "\n"
        "#ifdef __cplusplus\n"
        "}\n"
        "#endif\n"
        "#endif\n"
    )


def test_names_that_c_cannot_have_are_changed() -> None:
    signature = Signature(
        "f",
        "m_f",
        (Size("int", 0, 9), Size("état")),
        (Port("state", DType.f32, ()), Port("int", DType.f16, (dim(Size("int", 0, 9)),)), Port("a.b/c", DType.bool, (3,))),
        (Port("int", DType.i64, ()),),
    )
    assert parameters(signature) == [
        "int64_t int_2",
        "int64_t _tat",
        "float state_2",
        "const uint16_t *int_3",
        "const uint8_t *a_b_c",
        "int64_t *int_4",
        "void *workspace",
        "const flow_context *context",
    ]


@pytest.mark.parametrize("triple", TARGETS)
def test_objects_need_nothing_on_any_target(folder: Path, triple: str) -> None:
    made = compiled(module(folder, "dense"), named(triple))
    assert undefined_symbols(made.code) == ()
    assert weights().tobytes() in made.code


def test_targets_that_need_a_library_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError) as refused:
        compiled(module(folder, "dense"), named("i686-unknown-linux-gnu"))
    assert str(refused.value) == (
        "error: code for i686-unknown-linux-gnu would need __divdi3, __moddi3 from outside, and an object of flowc needs nothing: "
        "compile for a 64-bit processor, or for wasm32"
    )


def test_artefacts_are_the_same_each_time(folder: Path) -> None:
    for suffix in (".o", ".a", ".so"):
        paths = [folder / f"{n}" / f"dense{suffix}" for n in (1, 2)]
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            write(module(folder, "dense"), path, host())
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_separate_weights_are_a_file(folder: Path) -> None:
    path, header, data = write(module(folder, "dense"), folder / "apart.o", host(), "separate")
    assert data.read_bytes() == weights().tobytes() and weights().tobytes() not in path.read_bytes()
    assert "float *y, int64_t *best, const void *weights, void *workspace, const flow_context *context);" in header.read_text()


def test_text_without_its_weights_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError) as refused:
        write(module(folder, "dense"), folder / "dense.ll", host())
    assert str(refused.value) == "error: 16384 bytes of weights do not go into .ll text: keep them apart with --weights separate"


def test_unknown_suffix_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError) as refused:
        write(module(folder, "counter"), folder / "counter.exe", host())
    assert str(refused.value) == (
        "error: there is no output of kind .exe: the suffixes are .o, .obj, .a, .so, .dylib, .dll, .wasm, .ll, .s"
    )


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a linker")
def test_shared_library_runs_without_the_compiler(folder: Path) -> None:
    write(module(folder, "dense"), folder / "libdense.so", host())
    loaded = flowc_runtime.load(folder / "libdense.so")
    x = np.arange(3 * 64, dtype=np.float32).reshape(3, 64) % 5
    y, best = loaded.layer(x)
    np.testing.assert_array_equal(y, x @ weights())
    np.testing.assert_array_equal(best, (x @ weights()).argmax(axis=1))


POOL = r"""
#include "dense.h"
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    flow_pool *pool = flow_pool_create(2);
    flow_context context = {sizeof context, pool, NULL, NULL, NULL, NULL};
    int64_t ids[2] = {3, 63};
    static float rows[2 * 64];
    void *workspace = aligned_alloc(64, (dense_take_workspace(2, 2) + 127) / 64 * 64);
    int code = dense_take(2, ids, 1.0f, rows, workspace, &context);
    printf("%d threads, %s, %.9g %.9g\n", pool->threads, flow_message(code), rows[0], rows[64]);
    free(workspace);
    flow_pool_destroy(pool);
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_shared_library_gives_c_a_pool(folder: Path) -> None:
    write(module(folder, "dense"), folder / "dense.so", host())
    (folder / "pool.c").write_text(POOL)
    built(folder, "gcc", "-std=c11", *STRICT, "pool.c", "dense.so", f"-Wl,-rpath,{folder}", "-o", "pool")
    assert built(folder, "./pool") == f"2 threads, done, {float(weights()[3, 0]):.9g} {float(weights()[63, 0]):.9g}\n"
