"""`flowc fmt`, `flowc opt`, `flowc diff`: texts in, texts out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowc.cli.stages import NAMES
from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.transforms.fuse import fuse
from flowc.transforms.simplify import simplify

from .conftest import SCALE, Flowc

TWICE = """// flowc ir 1
module @m

func @f[N in 1.., M in 1..](%x: f32[N, M]) -> (%y: f32[N, M]) {
  %t = transpose %x perm=(1, 0) : f32[M, N]
  %y = transpose %t perm=(1, 0) : f32[N, M]
  return %y
}
"""


def test_file_is_laid_out_in_place_and_named(flowc: Flowc) -> None:
    Path("loose.flow").write_text("graph f(x:f32[N])->(y:f32[N]){y=x+1.0}\r\n")
    Path("loose.flow").chmod(0o640)
    said = flowc("fmt", "loose.flow", "scale.flow")
    assert (said.exit_code, said.stdout, said.stderr) == (0, "loose.flow changed\n", "")
    assert Path("loose.flow").read_bytes() == b"graph f(x: f32[N]) -> (y: f32[N]) { y = x + 1.0 }\n"
    assert Path("loose.flow").stat().st_mode & 0o777 == 0o640
    assert flowc("fmt", "loose.flow").stdout == ""


def test_check_of_layout_only_tells(flowc: Flowc) -> None:
    text = "graph f(x:f32[N])->(y:f32[N]){y=x+1.0}\n"
    Path("loose.flow").write_text(text)
    said = flowc("fmt", "--check", "loose.flow", "scale.flow")
    assert (said.exit_code, said.stdout, said.stderr) == (3, "loose.flow would change\n", "1 of 2 files would change\n")
    assert Path("loose.flow").read_text() == text
    assert flowc("fmt", "--check", "scale.flow").exit_code == 0


def test_standard_input_is_laid_out_on_the_standard_output(flowc: Flowc) -> None:
    said = flowc("fmt", "-", given=SCALE.replace(" = ", "="))
    assert (said.exit_code, said.stdout) == (0, SCALE)


def test_files_that_cannot_be_read_stay_and_the_others_are_laid_out(flowc: Flowc) -> None:
    Path("broken.flow").write_text("graph\n")
    Path("loose.flow").write_text("const A=1\n")
    said = flowc("fmt", "broken.flow", "loose.flow")
    assert (said.exit_code, said.stdout) == (1, "loose.flow changed\n")
    assert said.stderr.startswith("broken.flow:1:")
    assert (Path("broken.flow").read_text(), Path("loose.flow").read_text()) == ("graph\n", "const A = 1\n")


def test_ir_is_read_verified_and_printed(flowc: Flowc) -> None:
    Path("m.fir").write_text(TWICE.replace("%t", "%other"))
    said = flowc("opt", "m.fir")
    assert (said.exit_code, said.stdout, said.stderr) == (0, TWICE.replace("%t", "%other"), "")


def test_ir_goes_through_the_stages_that_are_named(flowc: Flowc) -> None:
    Path("m.fir").write_text(TWICE)
    wanted = print_module(fuse(simplify(parse_module(TWICE))))
    assert flowc("opt", "m.fir", "--run", "simplify,fuse").stdout == wanted
    fused = flowc("opt", "-", "--run", "simplify", given=TWICE).stdout
    assert flowc("opt", "-", "--from", "simplify", "--run", "place, layout, fuse", given=fused).stdout == wanted


def test_ir_is_taken_on_from_every_stage(flowc: Flowc) -> None:
    text = flowc("compile", "scale.flow", "--dump-after", "elaborate", "--stop-after", "elaborate").stdout
    for stage in ("simplify", "place", "layout", "fuse", "schedule", "plan"):
        said = flowc("opt", "-", "--run", stage, given=text)
        assert (said.exit_code, said.stderr) == (0, "")
        text = said.stdout
        assert flowc("opt", "-", "--from", stage, given=text).stdout == text
    assert 'level="plan"' in text
    assert "define i32 @scale_scale(" in flowc("opt", "-", "--run", "emit", given=text).stdout


def test_uses_of_laws_are_told(flowc: Flowc) -> None:
    Path("m.fir").write_text(TWICE)
    said = flowc("opt", "m.fir", "--run", "simplify", "--trace-laws")
    assert (said.exit_code, said.stdout) == (0, print_module(simplify(parse_module(TWICE))))
    assert said.stderr == "transpose_twice: transpose(transpose(x, perm=[1, 0]), perm=[1, 0]) -> x\n"


def test_wrong_ir_is_told_with_its_place(flowc: Flowc) -> None:
    said = flowc("opt", "-", given=TWICE.replace("transpose %t", "transpoze %t"))
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr.startswith("<stdin>:6:") and 'did you mean "transpose"?' in said.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--run plan", "plan takes the level loops, and elaborate leaves the level graph."),
        ("--run fuse,simplify", "simplify takes the level graph, and fuse leaves the level kernel."),
        ("--run place,simplify", "simplify comes before place."),
        ("--from fuse", "m.fir is of level graph; fuse leaves the level kernel."),
        ("--run read", "read takes a program; flowc opt takes text of the IR."),
        ("--run fuze", 'Invalid value: there is no stage fuze: did you mean "fuse"?'),
    ],
)
def test_wrong_usage_of_opt_is_told(flowc: Flowc, arguments: str, message: str) -> None:
    Path("m.fir").write_text(TWICE)
    said = flowc("opt", "m.fir", *arguments.split())
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr == f"Usage: flowc opt [OPTIONS] FILE\nTry 'flowc opt --help' for help.\n\nError: {message}\n"


def test_names_of_values_and_layout_make_no_difference(flowc: Flowc) -> None:
    Path("a.fir").write_text(TWICE)
    Path("b.fir").write_text(TWICE.replace("%t", "%other").replace("  return", "\n// a comment\n  return"))
    said = flowc("diff", "a.fir", "b.fir")
    assert (said.exit_code, said.stdout, said.stderr) == (0, "", "")


def test_differences_are_told_function_by_function(flowc: Flowc) -> None:
    Path("a.fir").write_text(TWICE)
    Path("b.fir").write_text(print_module(simplify(parse_module(TWICE))))
    said = flowc("diff", "a.fir", "b.fir")
    assert (said.exit_code, said.stderr) == (3, "")
    assert said.stdout == (
        "func f:\n@@ -1,5 +1,3 @@\n func @f[N in 1.., M in 1..](%x: f32[N, M]) -> (%y: f32[N, M]) {\n"
        "-  %t = transpose %x perm=(1, 0) : f32[M, N]\n-  %y = transpose %t perm=(1, 0) : f32[N, M]\n-  return %y\n+  return %x\n }\n"
    )
    assert json.loads(flowc("diff", "a.fir", "b.fir", "--json").stdout)["equal"] is False


def test_program_is_compared_with_itself_at_another_stage(flowc: Flowc) -> None:
    Path("m.flow").write_text("graph f(x: f32[N, M]) -> (y: f32[N, M]) { y = transpose(transpose(x)) }\n")
    assert flowc("diff", "m.flow@elaborate", "m.flow").exit_code == 0
    assert flowc("diff", "m.flow", "m.flow@simplify").exit_code == 3
    assert flowc("diff", "m.flow", "m.flow@layout", "--stage", "simplify").exit_code == 0


def test_states_and_functions_of_one_side_alone_are_differences(flowc: Flowc) -> None:
    said = flowc("diff", "step.flow", "scale.flow")
    assert said.exit_code == 3
    assert said.stdout.startswith("state w:\n- f32[3] param\nstate n:\n- i32 state\nfunc step:\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("scale.flow absent.fir", "There is no file absent.fir."),
        ("scale.flow scale.flow@fuze", 'Invalid value: there is no stage fuze: did you mean "fuse"?'),
        ("scale.flow scale.flow@emit", f"emit leaves no IR to compare: the stages are {', '.join(NAMES[1:-1])}."),
    ],
)
def test_wrong_usage_of_diff_is_told(flowc: Flowc, arguments: str, message: str) -> None:
    said = flowc("diff", *arguments.split())
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (2, f"Error: {message}")
