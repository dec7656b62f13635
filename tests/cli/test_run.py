"""`flowc run`: feeds, results, states, and runs that fail."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from flowc.cli.run import scalars_of

from .conftest import Flowc


def test_results_are_printed_by_name(flowc: Flowc) -> None:
    said = flowc("run", "scale.flow", "--feed", "x=[1, 2.5, -.5]")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout == "y: f32[3] [4.0, 7.0, 1.0]\ns: f32 6.0\n"


def test_large_result_is_summed_up(flowc: Flowc) -> None:
    np.save("x.npy", np.arange(1000, dtype=np.float32))
    assert flowc("run", "scale.flow", "--feed", "x=x.npy").stdout == "y: f32[1000] min 2.0 mean 1001 max 2000.0\ns: f32 500500.0\n"


def test_small_matrix_stands_below_its_name(flowc: Flowc) -> None:
    Path("m.flow").write_text("graph f(x: i32[2, M]) -> (y: bool[2, M]) { y = x > 1 }\n")
    said = flowc("run", "m.flow", "f", "--feed", "x=[[1, 2], [3, 0]]")
    assert said.stdout == "y: bool[2, 2]\n  [\n    [false, true],\n    [true, false],\n  ]\n"


def test_feeds_come_from_files_and_the_standard_input(flowc: Flowc) -> None:
    x = np.array([1, 2], np.float32)
    np.save("x.npy", x)
    np.savez("several.npz", x=x, other=x)
    np.savez("one.npz", x=x)
    for feed in ("x.npy", "several.npz:x", "one.npz"):
        assert flowc("run", "scale.flow", "--feed", f"x={feed}").stdout == "y: f32[2] [4.0, 6.0]\ns: f32 5.0\n"
    said = flowc("run", "scale.flow", "--feed", "x=-", given=Path("x.npy").read_bytes())
    assert said.stdout == "y: f32[2] [4.0, 6.0]\ns: f32 5.0\n"


def test_numbers_are_fed_as_the_language_writes_them(flowc: Flowc) -> None:
    Path("m.flow").write_text("graph f(x: f32[N]) -> (y: f32[N]) { y = x * 1.0 }\n")
    said = flowc("run", "m.flow", "--feed", "x=[-1, +2, 1e3, .5, 1., inf, -inf, nan, pi]")
    assert said.stdout == "y: f32[9] [-1.0, 2.0, 1000.0, 0.5, 1.0, inf, -inf, nan, 3.1415927]\n"


def test_fraction_for_an_integer_is_refused(flowc: Flowc) -> None:
    said = flowc("run", "checked.flow", "pick", "--feed", "t=[1]", "--feed", "i=[0.5]")
    assert (said.exit_code, said.stderr) == (1, "error: pick: input i: i64[M]: given 0.5, which is no integer\n")


def test_inner_values_are_fetched_beside_the_results(flowc: Flowc) -> None:
    said = flowc("run", "scale.flow", "--feed", "x=[1]", "--fetch", "h", "--fetch", "x")
    assert said.stdout == "y: f32[1] [4.0]\ns: f32 2.0\nh: f32[1] [2.0]\nx: f32[1] [1.0]\n"


def test_results_are_written_to_files(flowc: Flowc) -> None:
    assert flowc("run", "scale.flow", "--feed", "x=[1, 2]", "--out", "y=y.npy").exit_code == 0
    np.testing.assert_array_equal(np.load("y.npy"), np.array([4, 6], np.float32))


def test_results_are_json_where_that_is_asked_for(flowc: Flowc) -> None:
    said = json.loads(flowc("run", "scale.flow", "--feed", "x=[1, inf]", "--json").stdout)
    assert said == {"y": {"dtype": "f32", "shape": [2], "value": [4.0, "inf"]}, "s": {"dtype": "f32", "shape": [], "value": "inf"}}


def test_states_go_on_from_run_to_run_and_through_files(flowc: Flowc) -> None:
    w, losses = np.zeros(3), []
    for _ in range(5):
        d = w - np.array([1, 2, 4])
        losses.append(float((d * d).sum()))
        w = w - 0.25 * d
    said = flowc("run", "step.flow", "--feed", "x=[1, 2, 4]", "--repeat", "4", "--save", "c.safetensors")
    assert said.stdout == f"loss: f32 {np.float32(losses[3])!s}\ncount: i32 3\n"
    said = flowc("run", "step.flow", "--feed", "x=[1, 2, 4]", "--load", "c.safetensors")
    assert said.stdout == f"loss: f32 {np.float32(losses[4])!s}\ncount: i32 4\n"


def test_a_training_is_told_of_on_the_way(flowc: Flowc) -> None:
    w, losses = np.float32(0), []
    for _ in range(50):
        d = w - np.float32(2)
        losses.append(d * d)
        w = w - np.float32(0.25) * d
    said = flowc("run", "step.flow", "--feed", "x=[2, 0, 0]", "--repeat", "50")
    assert said.stderr == "".join(f"run {n}/50: loss {losses[n - 1]!s}, count {n - 1}\n" for n in range(5, 51, 5))
    assert said.stdout == f"loss: f32 {losses[49]!s}\ncount: i32 49\n"
    assert flowc("run", "scale.flow", "--feed", "x=[2]", "--repeat", "50").stderr == ""


def test_what_is_told_of_a_run_are_its_scalars() -> None:
    assert scalars_of((np.float32(0.5), np.zeros(3), np.int64(7)), ("loss", "probs", "step")) == "loss 0.5, step 7"
    assert scalars_of(np.float32(0.5), ("loss",)) == "loss 0.5"
    assert scalars_of(None, ("loss",)) == ""


def test_first_value_that_is_nan_is_told_with_its_place(flowc: Flowc) -> None:
    Path("m.flow").write_text("graph f(x: f32[N]) -> (y: f32[N]) {\n  a = x / 0.0\n  b = a - a\n  y = b * 2.0\n}\n")
    said = flowc("run", "m.flow", "--feed", "x=[0.5, 2]", "--check-nan")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == (
        "m.flow:3:7: error: b: f32[N] is the first value that is nan at [0]\n    b = a - a\n        ^~~~~\nnote: y is nan in the end\n"
    )
    assert flowc("run", "scale.flow", "--feed", "x=[1]", "--check-nan").exit_code == 0


def test_nan_that_came_in_is_no_ones_fault_inside(flowc: Flowc) -> None:
    said = flowc("run", "scale.flow", "--feed", "x=[nan]", "--check-nan")
    assert (said.exit_code, said.stderr) == (1, "error: y and s are nan, which came in with the inputs or the state\n")


def test_index_out_of_range_ends_the_run_with_its_place(flowc: Flowc) -> None:
    said = flowc("run", "checked.flow", "pick", "--feed", "t=[1, 2]", "--feed", "i=[0, 2]")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == (
        "checked.flow:5:7: error: index 2 is out of range for size 2: i indexes t\n    r = take(t, i)\n        ^~~~~~~~~~\n"
    )


def test_sizes_that_differ_end_the_run_with_their_place(flowc: Flowc) -> None:
    said = flowc("run", "checked.flow", "add", "--feed", "a=[1, 2]", "--feed", "b=[1, 2, 3]")
    assert (said.exit_code, said.stderr) == (1, "checked.flow:2:7: error: N and M differ: 2 and 3\n    c = a + b\n        ^~~~~\n")


def test_array_of_another_dtype_is_refused_naming_both(flowc: Flowc) -> None:
    np.save("x.npy", np.zeros(2, np.float64))
    said = flowc("run", "scale.flow", "--feed", "x=x.npy")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == "error: scale: input x: f32[N]: given f64[2]: convert it with .astype(numpy.float32)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("checked.flow", "Say which graph of checked.flow: add, pick."),
        ("checked.flow addd", 'checked.flow has no graph addd: did you mean "add"?'),
        ("checked.flow add --feed a=[1]", "add takes b: f32[M]: give it with --feed."),
        ("checked.flow add --feed aa=[1]", 'add has no input aa: did you mean "a"?'),
        ("scale.flow --feed x", "Invalid value for '--feed': x is not of the form NAME=VALUE"),
        ("scale.flow --feed x=[1] --feed x=[2]", "Invalid value for '--feed': x is given twice"),
        ("scale.flow --feed x=x.npy", "There is no file x.npy, which x is fed from; nor is that a number or a list of numbers."),
        ("scale.flow --feed x=several.npz", "several.npz holds a, b: say which x is, x=several.npz:KEY."),
        ("scale.flow --feed x=several.npz:c", "several.npz has no array c: it holds a, b"),
        ("scale.flow --feed x=[1] --fetch k", "scale has no value k: its values are x, h.constant, h, y.constant, y, s"),
        ("scale.flow --feed x=[1] --out z=z.npy", "scale gives no z: it gives y, s"),
        ("scale.flow --feed x=[1] --out y=a/y.npy", "There is no folder a to write y.npy to."),
        ("scale.flow --feed x=[1] --dim M=1", "there is no size M to fix: the sizes are N"),
        ("scale.flow --feed x=[1] --repeat 0", "Invalid value for '--repeat': 0 is not in the range x>=1."),
    ],
)
def test_wrong_usage_of_run_is_told(flowc: Flowc, arguments: str, message: str) -> None:
    np.savez("several.npz", a=np.zeros(1, np.float32), b=np.zeros(1, np.float32))
    said = flowc("run", *arguments.split())
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr == f"Usage: flowc run [OPTIONS] MODEL [GRAPH]\nTry 'flowc run --help' for help.\n\nError: {message}\n"


def test_pickled_array_is_refused(flowc: Flowc) -> None:
    np.save("x.npy", np.array([{}], object), allow_pickle=True)
    said = flowc("run", "scale.flow", "--feed", "x=x.npy")
    assert said.exit_code == 1
    assert said.stderr == "error: x is fed from x.npy, which is no .npy file of numbers\n"


def test_threads_come_from_the_environment_too(flowc: Flowc) -> None:
    said = flowc("run", "scale.flow", "--feed", "x=[1]", env={"FLOWC_THREADS": "none"})
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (
        2,
        "Error: Invalid value for '--threads': 'none' is not a valid integer range.",
    )
    assert flowc("run", "scale.flow", "--feed", "x=[1]", env={"FLOWC_THREADS": "2"}).exit_code == 0


def test_compiled_code_is_kept_where_the_environment_says(flowc: Flowc) -> None:
    env = {"FLOWC_CACHE": "kept"}
    assert flowc("run", "scale.flow", "--feed", "x=[1]", env=env).exit_code == 0
    (entry,) = Path("kept").iterdir()
    size = entry.stat().st_size - len(b"flowc1\n") - 32
    told = json.loads(flowc("cache", "--json", env=env).stdout)
    assert (told["folder"], len(told["entries"])) == ("kept", 1) and told["bytes"] >= size
    assert flowc("run", "scale.flow", "--feed", "x=[1]", env=env).stdout == "y: f32[1] [4.0]\ns: f32 2.0\n"
    assert flowc("cache", "--clear", env=env).stdout == f"removed 1 entry, {told['bytes']:,} bytes from kept\n"
    assert flowc("cache", env=env).stdout == "0 entries, 0 bytes of at most 1,073,741,824 in kept\n"
