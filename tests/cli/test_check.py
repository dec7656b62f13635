"""`flowc check` and `flowc test`: mistakes, checks of a run, test blocks."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from .conftest import Flowc

TESTS = """graph next(x: f32[N]) -> (y: f32[N]) {
  y = x + 1.0
}

test "one more" {
  assert next([1.0, 2.0]) == [2.0, 3.0]
}

test "far off" {
  y = next([1.0, 2.0])
  assert y == [2.0, 3.5] within 1e-3
}
"""


def test_checks_of_the_run_and_ranges_of_sizes_are_listed(flowc: Flowc) -> None:
    Path("m.flow").write_text(
        "dim N in 1..100\ngraph f(a: f32[N], b: f32[M], t: f32[N + 2]) -> (c: f32[N], d: f32[2 * N]) {\n"
        '  c = a + b\n  d = zeros([2 * N])\n  assert sum(t) > 0.0, "positive"\n}\n'
    )
    said = flowc("check", "m.flow", "scale.flow")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout == (
        "m.flow: no errors\n  graph f\n    N in 1..100\n    M in 1..\n    N + 2 in 3..102\n    2*N in 2..200\n"
        "    checked during the run: N equals M (m.flow:3:7)\n    checked during the run: positive (m.flow:5:3)\n"
        "scale.flow: no errors\n  graph scale\n    N in 1..\n"
    )


def test_the_indices_of_a_scatter_are_listed_as_its_one_check(flowc: Flowc) -> None:
    Path("m.flow").write_text("graph f(x: f32[9], ids: i64[3]) -> (y: f32[9]) {\n  y = scatter(x, ids, 1.0)\n}\n")
    assert flowc("check", "m.flow").stdout == (
        "m.flow: no errors\n  graph f\n    checked during the run: ids indexes x (m.flow:2:7)\n"
    )


def test_mistakes_of_all_files_are_told_at_once(flowc: Flowc) -> None:
    Path("other.flow").write_text("graph f(x: f32[N]) -> (y: f32[N]) { y = nope }\n")
    said = flowc("check", "wrong.flow", "scale.flow", "other.flow")
    assert (said.exit_code, said.stdout) == (1, "scale.flow: no errors\n  graph scale\n    N in 1..\n")
    assert said.stderr == (
        "other.flow:1:41: error: there is no value nope\n    graph f(x: f32[N]) -> (y: f32[N]) { y = nope }\n"
        f"    {' ' * 40}^~~~\n\n"
        'wrong.flow:2:7: error: there is no function rel\n    y = rel(x)\n        ^~~\nhelp: did you mean "relu"?\n\n2 errors\n'
    )


def test_check_as_json_tells_places_as_numbers(flowc: Flowc) -> None:
    said = flowc("check", "wrong.flow", "checked.flow", "--json")
    assert said.exit_code == 1
    wrong, right = json.loads(said.stdout)
    assert wrong["errors"] == [
        {
            "severity": "error", "message": "there is no function rel", "file": "wrong.flow", "line": 2, "column": 7,
            "help": 'did you mean "relu"?',
        }
    ]  # fmt: skip
    assert right["graphs"][0] == {
        "name": "add",
        "sizes": {"N": "1..", "M": "1.."},
        "checks": [{"place": "checked.flow:2:7", "what": "N equals M"}],
    }


def test_state_of_a_size_of_the_run_is_a_mistake_before_it_is_compiled(flowc: Flowc) -> None:
    Path("m.flow").write_text("dim N in 1..4\nparam w: f32[N] = zeros()\ngraph f(x: f32[N]) -> (y: f32[N]) { y = x + w }\n")
    assert flowc("check", "m.flow").exit_code == 1


def test_failing_test_shows_both_values_the_index_and_the_place(flowc: Flowc) -> None:
    Path("m.flow").write_text(TESTS)
    said = flowc("test", "m.flow")
    assert (said.exit_code, said.stderr) == (3, "")
    *told, total = said.stdout.splitlines()
    assert told == [
        "passed m.flow: one more",
        "FAILED m.flow: far off",
        "m.flow:11:3: error: assert failed: 3.0 is not within 0.001 of 3.5 at [1]",
        "    assert y == [2.0, 3.5] within 1e-3",
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
        "note: so it is on native code and the interpreter",
    ]
    assert re.fullmatch(r"1 passed, 1 failed in [\d.]+ m?s", total)


def test_tests_are_chosen_by_a_part_of_their_title(flowc: Flowc) -> None:
    Path("m.flow").write_text(TESTS)
    said = flowc("test", "m.flow", "-k", "one", "--json")
    assert said.exit_code == 0
    (outcome,) = json.loads(said.stdout)
    assert (outcome["test"], outcome["passed"], outcome["failures"]) == ("one more", True, [])
    said = flowc("test", "m.flow", "-k", "two")
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (2, "Error: No test of m.flow has two in its title.")


def test_run_that_a_check_ends_fails_its_test_once_for_both_sides(flowc: Flowc) -> None:
    program = "graph f(t: f32[N], i: i64[M]) -> (r: f32[M]) { r = take(t, i) }\n"
    Path("m.flow").write_text(program + 'test "past" {\n  t = ones([1])\n  i = full([1], 1, i64)\n  assert f(t, i) == 1.0\n}\n')
    said = flowc("test", "m.flow")
    assert said.exit_code == 3
    assert said.stdout.splitlines()[1] == "m.flow:1:52: error: index 1 is out of range for size 1: i indexes t"
    assert said.stdout.count("error:") == 1


def test_side_that_fails_alone_is_named(flowc: Flowc, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("m.flow").write_text(TESTS)
    monkeypatch.setattr("flowc.cli.test._interpreted", lambda test, bits: [np.array([2, 4], np.float32), np.array([2, 3], np.float32)])
    said = flowc("test", "m.flow", "-k", "one")
    assert said.exit_code == 3
    assert said.stdout.splitlines()[1:5] == [
        "m.flow:6:3: error: assert failed: 4.0 == 3.0 does not hold at [1]",
        "    assert next([1.0, 2.0]) == [2.0, 3.0]",
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
        "note: so it is on the interpreter",
    ]


def test_tests_begin_with_the_first_values_of_the_state(flowc: Flowc) -> None:
    program = Path("step.flow").read_text() + 'test "first step" { l, c = step([1.0, 2.0, 2.0])\n assert l == 9.0\n assert c == 0 }\n'
    Path("m.flow").write_text(program)
    assert flowc("test", "m.flow").exit_code == 0


def test_pin_writes_the_hashes_of_what_is_imported(flowc: Flowc) -> None:
    np.savez("w.npz", a=np.ones(3, np.float32))
    Path("other.flow").write_text("const C = 2.0\n")
    found = {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in ("w.npz", "other.flow")}
    text = 'import weights "w.npz" as w  # the weights\nimport "other.flow" as m sha256 "{}"\ngraph f() -> f32[3] {{ return w.a * m.C }}\n'
    Path("m.flow").write_text(text.format("00"))
    assert flowc("check", "m.flow").exit_code == 1
    said = flowc("check", "--pin", "m.flow")
    assert (said.exit_code, said.stdout) == (
        0, "m.flow: pinned w.npz\nm.flow: pinned other.flow\nm.flow: no errors\n  graph f\n",
    )  # fmt: skip
    line = f'import weights "w.npz" as w sha256 "{found["w.npz"]}"  # the weights\n'
    assert Path("m.flow").read_text() == line + text.partition("\n")[2].format(found["other.flow"])
    assert "pinned" not in flowc("check", "--pin", "m.flow").stdout
    Path("w.npz").unlink()
    assert 'there is no file "w.npz"' in flowc("check", "--pin", "m.flow").stderr


def test_pin_of_the_standard_input_is_wrong_usage(flowc: Flowc) -> None:
    said = flowc("check", "--pin", "-")
    assert said.exit_code == 2 and "--pin changes files in place, and - is none." in said.stderr


def test_the_interpreter_judges_in_the_order_of_the_language(flowc: Flowc) -> None:
    text = """fn product(x: f32[N, K], w: f32[K, M]) -> f32[N, M] {
  y[i, j] = reduce sum k: x[i, k] * w[k, j]
  return y
}
test "by index as by @" {
  x = normal(f32, [7, 300], seed=1)
  w = normal(f32, [300, 9], seed=2)
  assert product(x, w) == x @ w
}
"""
    Path("m.flow").write_text(text)
    said = flowc("test", "m.flow")
    assert (said.exit_code, said.output.splitlines()[0]) == (0, "passed m.flow: by index as by @")
