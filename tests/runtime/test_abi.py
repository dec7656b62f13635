"""flow.h and the ctypes structures say the same."""

import ctypes
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from flowc_runtime.abi import KINDS, Failure, FlowContext, FlowError, FlowEvent, FlowPool
from flowc_runtime.errors import explained

PROGRAM = """
#include "flow.h"
#include "flow.h"
#include <stdio.h>
int main(void) {
    printf("%zu %zu %zu ", sizeof(flow_pool), offsetof(flow_pool, threads), offsetof(flow_pool, run));
    printf("%zu %zu %zu ", sizeof(flow_error), offsetof(flow_error, index), offsetof(flow_error, bound));
    printf("%zu %zu %zu ", sizeof(flow_event), offsetof(flow_event, launch), offsetof(flow_event, phase));
    printf("%zu %zu ", sizeof(flow_context), offsetof(flow_context, pool));
    printf("%zu %zu ", offsetof(flow_context, error), offsetof(flow_context, user));
    for (int code = 0; code < 9; code++) printf("%s,", flow_message(code));
    return 0;
}
"""


@pytest.mark.parametrize("language", ["c99", "c++11"])
def test_the_header_has_the_layout_and_the_messages_of_the_runtime(language: str, tmp_path: Path) -> None:
    compiler = shutil.which("cc" if language == "c99" else "c++")
    if compiler is None:
        pytest.skip(f"there is no compiler for {language}")
    (tmp_path / "flow.h").write_text(files("flowc_runtime").joinpath("flow.h").read_text())
    source = tmp_path / f"main.{'c' if language == 'c99' else 'cc'}"
    source.write_text(PROGRAM)
    flags = [f"-std={language}", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", tmp_path / "main", source], check=True)
    layout = [
        *(ctypes.sizeof(FlowPool), FlowPool.threads.offset, FlowPool.run.offset),
        *(ctypes.sizeof(FlowError), FlowError.index.offset, FlowError.bound.offset),
        *(ctypes.sizeof(FlowEvent), FlowEvent.launch.offset, FlowEvent.phase.offset),
        *(ctypes.sizeof(FlowContext), FlowContext.pool.offset, FlowContext.error.offset, FlowContext.user.offset),
    ]
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    assert said == " ".join(map(str, layout)) + " " + ",".join(["done", *KINDS, "unknown", ""])


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Failure(1, 0, 5000, 4096), "m.flow:2:1: N: size out of range: 5000, the bound is 4096"),
        (Failure(3, 1, 0, 10), "m.flow:4:5: loop: limit reached: 10"),
        (Failure(4, 2), "m.flow:9:3: x is positive: assert failed"),
        (Failure(5), "misaligned"),
        (Failure(7, 99), "cancelled"),
        (Failure(42), "error 42"),
    ],
)
def test_a_failed_run_is_told_by_place_kind_and_numbers(failure: Failure, said: str) -> None:
    assert explained(failure, ["m.flow:2:1: N", "m.flow:4:5: loop", "m.flow:9:3: x is positive"]) == said
