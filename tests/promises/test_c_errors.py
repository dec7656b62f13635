"""Every kind of failure as C sees it: its number, its words, its place, and a state that is as it was."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flowc.codegen.artifact import write
from flowc.target import host
from tests.codegen.program import planned

TEXT = """dim N in 0..4096
state total: i64[8, 64] = full([8, 64], 5 as i64)
graph add(ids: i64[N], at_most: i64) -> (found: i64[?..N], rounds: i64) {
  total := total + sum(ids)
  found = ids[ids > 2]
  x, rounds = loop (x = total[ids], rounds: i64 = 0) while rounds < at_most limit 9 { yield x + 1, rounds + 1 }
  assert sum(x) != 12345, "the sum is fine"
}
"""
MAIN = r"""
#include "kinds.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job { void (*task)(void *, int64_t); void *argument; int64_t number; };
static void *work(void *p) { struct job *j = p; j->task(j->argument, j->number); return NULL; }
static void run(void *context, void (*task)(void *, int64_t), void *argument, int64_t tasks) {
    pthread_t threads[8];
    struct job jobs[8];
    ++*(int *)context;
    for (int64_t n = 0; n < tasks; n++) {
        jobs[n].task = task, jobs[n].argument = argument, jobs[n].number = n;
        if (pthread_create(&threads[n], NULL, work, &jobs[n])) abort();
    }
    for (int64_t n = 0; n < tasks; n++) pthread_join(threads[n], NULL);
}

static int64_t ids[4096], found[4096], size, rounds;
static char *state, *before, *workspace;

static void told(const char *what, int code, const flow_error *error) {
    int same = !memcmp(state, before, kinds_state_bytes());
    printf("%s: %d %s", what, code, flow_message(code));
    if (error) printf(", %lld %lld at %s", (long long)error->index, (long long)error->bound, kinds_site(error->site));
    printf("%s\n", same ? "" : ", the state changed");
}

int main(void) {
    int runs = 0;
    volatile int32_t cancel = 0;
    flow_pool pool = {&runs, 4, run};
    flow_error error;
    flow_context context = {sizeof context, &pool, &cancel, &error, NULL, NULL};
    state = aligned_alloc(64, (kinds_state_bytes() + 63) / 64 * 64), before = malloc(kinds_state_bytes());
    workspace = aligned_alloc(64, 64 + (kinds_add_workspace(4096, 4) + 63) / 64 * 64);
    int code = kinds_init(state, workspace, &context);
    memcpy(before, state, kinds_state_bytes());
    told("init", code, NULL);
    for (int n = 0; n < 4096; n++) ids[n] = n % 8;
    ids[3000] = 8, ids[4000] = -9;
    told("index", kinds_add(state, 4096, ids, 1, found, &size, &rounds, workspace, &context), &error);
    printf("the pool %s\n", runs ? "ran" : "rested");
    told("index without a pool", kinds_add(state, 4096, ids, 1, found, &size, &rounds, workspace, NULL), NULL);
    ids[3000] = ids[4000] = 0;
    told("limit", kinds_add(state, 8, ids, 10, found, &size, &rounds, workspace, &context), &error);
    told("size", kinds_add(state, 4097, ids, 1, found, &size, &rounds, workspace, &context), &error);
    told("negative size", kinds_add(state, -1, ids, 1, found, &size, &rounds, workspace, &context), &error);
    told("misaligned workspace", kinds_add(state, 8, ids, 1, found, &size, &rounds, workspace + 8, &context), NULL);
    told("misaligned state", kinds_add(state + 8, 8, ids, 1, found, &size, &rounds, workspace, &context), NULL);
    told("overlap", kinds_add(state, 8, ids, 1, ids + 7, &size, &rounds, workspace, &context), NULL);
    told("overlap with a size", kinds_add(state, 8, ids, 1, found, found, &rounds, workspace, &context), NULL);
    cancel = 1;
    told("cancelled", kinds_add(state, 8, ids, 1, found, &size, &rounds, workspace, &context), NULL);
    cancel = 0;
    told("done", kinds_add(state, 4096, ids, 9, found, &size, &rounds, workspace, &context), NULL);
    printf("%lld %lld %lld %lld\n", (long long)size, (long long)rounds, (long long)found[size - 1], (long long)*(int64_t *)state);
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_failures_have_their_numbers_words_and_places_in_c(tmp_path: Path) -> None:
    write(planned(TEXT, "kinds.flow"), tmp_path / "kinds.o", host())
    (tmp_path / "main.c").write_text(MAIN)
    flags = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-pthread")
    built = subprocess.run(["gcc", *flags, "main.c", "kinds.o", "-o", "main"], cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True)
    total = 5 + sum(n % 8 for n in range(4096))
    assert (done.returncode, done.stdout) == (
        0,
        "init: 0 done\n"
        "index: 2 index out of range, 8 8 at kinds.flow:6:25: ids indexes total\n"
        "the pool ran\n"
        "index without a pool: 2 index out of range\n"
        "limit: 3 limit reached, 9 9 at kinds.flow:6:15: the loop reaches its limit\n"
        "size: 1 size out of range, 4097 4096 at kinds.flow:3:7: N in 0..4096\n"
        "negative size: 1 size out of range, -1 0 at kinds.flow:3:7: N in 0..4096\n"
        "misaligned workspace: 5 misaligned\n"
        "misaligned state: 5 misaligned\n"
        "overlap: 6 overlap\n"
        "overlap with a size: 6 overlap\n"
        "cancelled: 7 cancelled\n"
        "done: 0 done, the state changed\n"
        f"{4096 * 5 // 8} 9 7 {total}\n",
    )
