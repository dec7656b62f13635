"""`flowc compile`: what is written, what is told, where it stops."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import flowc_runtime
from flowc.cli.compile import SUFFIXES
from flowc.cli.stages import NAMES, file_name
from flowc.ir.dims import show
from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.lang.format import format
from flowc.options import Options
from flowc.source import Source
from flowc.stages import STAGE_NAMES, compiled, elaborated

from .conftest import SCALE, Flowc

PEAK = show(compiled(elaborated(Source("scale.flow", SCALE)), Options(), stop="plan").module.func("scale").body.params[-1].type.shape[0])


def test_stages_are_those_of_the_road() -> None:
    assert NAMES == STAGE_NAMES


def test_object_and_header_lie_beside_the_source(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow")
    assert (said.exit_code, said.stderr) == (0, "")
    sizes = {name: f"{Path(name).stat().st_size:,} bytes" for name in ("scale.o", "scale.h")}
    launches = texts(flowc)["plan"].count("  launch [")
    *told, took = said.stdout.splitlines()
    assert told == [
        f"scale.o  {sizes['scale.o']}",
        f"scale.h  {sizes['scale.h']}",
        f"scale: peak memory {PEAK} bytes, {launches} launch{'es' * (launches > 1)}",
    ]
    assert re.fullmatch(r"compiled in [\d.]+ m?s", took)


def texts(flowc: Flowc) -> dict[str, str]:
    """The text of each stage of `scale.flow` by name."""
    found = {"read": format(Source("scale.flow", SCALE))}

    def observe(stage: str, what: object) -> None:
        found[stage] = what if isinstance(what, str) else print_module(what)  # type: ignore[arg-type]

    module = elaborated(Source("scale.flow", SCALE))
    observe("elaborate", module)
    compiled(module, Options(), observe, stop="plan")
    return found


def test_peak_memory_of_fixed_sizes_is_a_number(flowc: Flowc) -> None:
    said = json.loads(flowc("compile", "scale.flow", "--dim", "N=1000", "--json").stdout)
    module = elaborated(Source("scale.flow", SCALE))
    planned = compiled(module, Options(dims={"N": 1000}), stop="plan").module.func("scale")
    assert said["graphs"][0]["memory"] == planned.body.params[-1].type.shape[0]
    assert [w["path"] for w in said["written"]] == ["scale.o", "scale.h"]


@pytest.mark.parametrize("suffix", [".o", ".obj", ".a", ".so"])
def test_binary_comes_with_its_header(flowc: Flowc, suffix: str) -> None:
    assert flowc("compile", "scale.flow", "-o", f"made{suffix}").exit_code == 0
    assert Path(f"made{suffix}").stat().st_size and "int scale_scale(int64_t N, " in Path("made.h").read_text()


@pytest.mark.parametrize(("suffix", "mark"), [(".ll", "define i32 @scale_scale("), (".s", "scale_scale:"), (".h", "int scale_scale(")])
def test_text_stands_alone(flowc: Flowc, suffix: str, mark: str) -> None:
    assert flowc("compile", "scale.flow", "-o", f"made{suffix}").exit_code == 0
    assert mark in Path(f"made{suffix}").read_text()
    assert [path.name for path in Path().glob("made.*")] == [f"made{suffix}"]


def test_library_runs_without_the_compiler(flowc: Flowc) -> None:
    assert flowc("compile", "scale.flow", "-o", "scale.so").exit_code == 0
    y, s = flowc_runtime.load("./scale.so").scale(np.array([1, 2], np.float32))
    assert (y.tolist(), s) == ([4, 6], 5)


def test_fir_is_the_graph_or_what_the_last_stage_left(flowc: Flowc) -> None:
    assert flowc("compile", "scale.flow", "-o", "graph.fir").exit_code == 0
    assert flowc("compile", "scale.flow", "-o", "plan.fir", "--stop-after", "plan").exit_code == 0
    assert Path("graph.fir").read_text() == texts(flowc)["elaborate"]
    assert Path("plan.fir").read_text() == texts(flowc)["plan"]


def test_ir_of_level_graph_compiles_as_its_program_does(flowc: Flowc) -> None:
    flowc("compile", "scale.flow", "-o", "scale.fir")
    for source in ("scale.flow", "scale.fir"):
        assert flowc("compile", source, "-o", f"{source}.h").exit_code == 0
    assert Path("scale.flow.h").read_text() == Path("scale.fir.h").read_text()


def test_ir_of_a_later_level_is_not_compiled(flowc: Flowc) -> None:
    flowc("compile", "scale.flow", "-o", "scale.fir", "--stop-after", "fuse")
    said = flowc("compile", "scale.fir")
    assert said.exit_code == 1
    assert said.stderr == (
        "error: scale.fir is IR of level kernel; compiling begins with that of level graph\nhelp: flowc opt takes it on from any stage\n"
    )


def test_artefact_does_not_depend_on_the_folder_of_its_source(flowc: Flowc) -> None:
    Path("far/away").mkdir(parents=True)
    Path("far/away/checked.flow").write_text(Path("checked.flow").read_text())
    for source in ("checked.flow", "far/away/checked.flow"):
        assert flowc("compile", source).exit_code == 0
    assert Path("checked.o").read_bytes() == Path("far/away/checked.o").read_bytes()


def test_mistake_is_told_under_the_name_that_was_given(flowc: Flowc) -> None:
    Path("far").mkdir()
    Path("far/wrong.flow").write_text(Path("wrong.flow").read_text())
    assert flowc("compile", "far/wrong.flow").stderr.startswith("far/wrong.flow:2:7: error: ")


def test_only_the_graph_that_is_named_is_compiled(flowc: Flowc) -> None:
    assert flowc("compile", "checked.flow", "--graph", "add", "-o", "one.h").exit_code == 0
    assert "checked_add" in Path("one.h").read_text() and "checked_pick" not in Path("one.h").read_text()


def test_program_of_the_standard_input_is_named_by_the_output(flowc: Flowc) -> None:
    assert flowc("compile", "-", "-o", "named.o", given=SCALE).exit_code == 0
    assert "int named_scale(" in Path("named.h").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-", "Say with -o where to write what comes from the standard input."),
        ("scale.flow -o a.foo", f"There is no output of kind .foo: the suffixes are {', '.join(SUFFIXES)}."),
        ("scale.flow -o a/b.o", "There is no folder a to write b.o to."),
        ("scale.flow -o a.o --stop-after fuse", "--stop-after fuse leaves a text of the IR, which goes into a .fir file, not a.o."),
        ("scale.flow -o a.fir --stop-after read", "--stop-after read leaves no IR to write; --dump-after read prints the program."),
        ("scale.flow --dump-dir d", "--dump-dir says where --dump-after writes: give it a stage, or all."),
        ("scale.flow --dump-after plan --stop-after fuse", "There is nothing to dump after plan: compiling stops after fuse."),
        ("scale.flow --graph scael", 'scale.flow has no graph scael: did you mean "scale"?'),
        ("scale.flow --dim M=3", "there is no size M to fix: the sizes are N"),
        ("scale.flow --dim N=0", "N=0 is not in 1.."),
        ("scale.flow --dim N=x", "Invalid value for '--dim': N is a size, and x is none"),
        ("scale.flow --dim N", "Invalid value for '--dim': N is not of the form NAME=SIZE"),
        ("scale.flow --dump-after fuze", "Invalid value for '--dump-after': there is no stage fuze: did you mean \"fuse\"?"),
        ("scale.flow --target aarch66", 'LLVM has no target aarch66: did you mean "aarch64"?'),
        (
            "scale.flow --target x86_64-unknown-linux-gnu --cpu pentium9",
            "LLVM knows no CPU pentium9 of x86_64-unknown-linux-gnu; --cpu help lists what there is.",
        ),
        (
            "scale.flow --target x86_64-unknown-linux-gnu --features +warp",
            "LLVM knows no feature +warp of x86_64-unknown-linux-gnu; --cpu help lists what there is.",
        ),
    ],
)
def test_wrong_usage_of_compile_is_told(flowc: Flowc, arguments: str, message: str) -> None:
    said = flowc("compile", *arguments.split())
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr == f"Usage: flowc compile [OPTIONS] MODEL\nTry 'flowc compile --help' for help.\n\nError: {message}\n"


def test_program_without_sizes_has_none_to_fix(flowc: Flowc) -> None:
    Path("fixed.flow").write_text("graph f(x: f32[3]) -> f32[3] {\n  return x\n}\n")
    assert flowc("compile", "fixed.flow", "--dim", "M=3").stderr.endswith("\nError: there is no size M to fix: the sizes are (none)\n")


def test_targets_are_listed(flowc: Flowc) -> None:
    said = flowc("compile", "--target", "help")
    assert (said.exit_code, said.stderr) == (0, "")
    assert "\nx86_64        x86_64-unknown-linux-gnu         64-bit x86\n" in said.stdout


def test_cpus_of_a_target_are_listed(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow", "--target", "riscv64-unknown-linux-gnu", "--cpu", "help")
    assert said.exit_code == 0
    assert "sifive-u74" in said.stdout and "Available features for this target" in said.stdout


def test_code_is_made_for_another_machine(flowc: Flowc) -> None:
    assert flowc("compile", "scale.flow", "--target", "aarch64-unknown-linux-gnu", "-o", "arm.o").exit_code == 0
    assert Path("arm.o").read_bytes()[18:20] == b"\xb7\x00"  # the ELF number of the machine


def test_fast_precision_is_not_there_yet(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow", "--precision", "fast")
    assert (said.exit_code, said.stderr) == (1, "error: --precision fast is not there yet\n")


def test_code_for_gpus_is_not_there_yet(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow", "-o", "a.ptx")
    assert (said.exit_code, said.stderr) == (1, "error: code for GPUs, .ptx, is not there yet\n")


def test_workspace_above_the_limit_is_refused(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow", "--memory-limit", "1000")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == (
        f"scale.flow:1:7: error: the workspace of scale is {PEAK} bytes, above the limit of 1000\n"
        "    graph scale(x: f32[N]) -> (y: f32[N], s: f32) {\n          ^~~~~\n"
        "help: declare smaller ranges of sizes, or fix them with --dim\n"
    )


def test_text_after_a_stage_goes_to_the_standard_output(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow", "--dump-after", "elaborate", "--stop-after", "elaborate")
    assert (said.exit_code, said.stdout) == (0, texts(flowc)["elaborate"])
    assert said.stderr.startswith("compiled in ")


def test_dumps_are_the_stages_that_changed_something(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow", "--dump-after", "all", "--dump-dir", "dumps")
    assert said.exit_code == 0
    wanted: dict[str, str] = {}
    for stage, text in texts(flowc).items():
        if text not in wanted.values():
            wanted[file_name(stage)] = text
    written = {path.name: path.read_text() for path in Path("dumps").iterdir()}
    assert written.pop("09-emit.ll").startswith('source_filename = "scale"\n')
    assert written == wanted
    assert {"01-read.flow", "02-elaborate.fir", "06-fuse.fir", "07-schedule.fir", "08-plan.fir"} <= set(wanted)
    assert print_module(parse_module(written["08-plan.fir"])) == written["08-plan.fir"]


def test_stopping_writes_nothing(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow", "--stop-after", "read")
    assert said.exit_code == 0 and re.fullmatch(r"compiled in [\d.]+ [mu]?s\n", said.stdout)
    assert not list(Path().glob("scale.[oh]"))


def test_time_is_told_for_each_stage(flowc: Flowc) -> None:
    said = json.loads(flowc("compile", "scale.flow", "--time", "--json").stdout)
    assert list(said["stages"]) == list(NAMES)
    assert all(seconds >= 0 for seconds in said["stages"].values()) and sum(said["stages"].values()) <= said["seconds"]


def test_ir_without_the_elements_of_its_arrays_is_not_compiled(flowc: Flowc) -> None:
    np.savez("w.npz", w=np.zeros(1000, np.float32))
    Path("m.flow").write_text('import weights "w.npz" as w\ngraph f(x: f32[1000]) -> (y: f32[1000]) { y = x + w.w }\n')
    flowc("compile", "m.flow", "-o", "m.fir")
    for command in (("compile", "m.fir"), ("opt", "m.fir", "--run", "simplify,fuse,schedule,plan,emit")):
        said = flowc(*command)
        assert (said.exit_code, said.stdout) == (1, "")
        told = said.stderr.splitlines()
        assert told[0] == "m.fir:5:3: error: the elements of w.w are not at hand, only their hash"
        assert told[-1] == "help: compile the program itself: the text of the IR holds no large arrays"


def test_separate_weights_are_a_file_of_their_own(flowc: Flowc) -> None:
    w = np.arange(2000, dtype=np.float32)
    np.savez("w.npz", w=w)
    Path("m.flow").write_text('import weights "w.npz" as w\ngraph f(x: f32[2000]) -> (y: f32[2000]) { y = x + w.w }\n')
    said = flowc("compile", "m.flow", "--weights", "separate", "--json")
    assert [entry["path"] for entry in json.loads(said.stdout)["written"]] == ["m.o", "m.h", "m.weights"]
    np.testing.assert_array_equal(np.fromfile("m.weights", np.float32)[:2000], w)


def test_machine_without_fused_multiply_add_is_warned_of(flowc: Flowc) -> None:
    said = flowc("compile", "scale.flow", "--target", "x86_64-unknown-linux-gnu", "--cpu", "x86-64")
    assert said.exit_code == 0
    assert said.stderr == (
        "warning: x86_64-unknown-linux-gnu x86-64 has no fused multiply-add: "
        "products of matrices take about 30 times as long, in software\n"
    )
