"""What a program takes from other files, and its tests."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from flowc.errors import CompileError, render
from flowc.ir.core import Module
from flowc.ir.printer import print_module
from flowc.lang.elaborate import ElaborateOptions, Test as Block, elaborate, elaborate_tests, failures
from flowc.lang.parse import parse
from flowc.ops.interpret import initial_state, run
from flowc.source import Source
from flowc.transforms.verify import verify

SAMPLES = Path(__file__).parent.parent.parent / "samples"
W = np.arange(6, dtype=np.float32).reshape(2, 3)


def load(path: Path, options: ElaborateOptions | None = None) -> Module:
    source = Source(path.name, path.read_text(), path)
    return verify(elaborate(parse(source), source, options))


def blocks(text: str) -> tuple[Block, ...]:
    source = Source("m.flow", text)
    return elaborate_tests(parse(source), source)


def judged(test: Block) -> str:
    """The rendered failures of a test that the interpreter runs."""
    state = initial_state(test.module)
    return render(failures(test.checks, run(test.module.func("test"), (), state)))


def refused(path: Path, options: ElaborateOptions | None = None) -> str:
    with pytest.raises(CompileError) as error:
        load(path, options)
    return str(error.value)


def test_weights_are_named_by_attribute_and_by_text(tmp_path: Path) -> None:
    save_file({"fc1.weight": W, "layers.0": W * 2, "fc1.bias": W[0]}, tmp_path / "w.safetensors")
    file = tmp_path / "m.flow"
    file.write_text(
        'import weights "w.safetensors" as w\n'
        'graph f(x: f32[N, 2]) -> (y: f32[N, 3]) {\n  y = x @ w.fc1.weight + w["fc1.bias"] + x @ w["layers.0"]\n}\n'
    )
    made = load(file)
    x = np.array([[1, 2], [3, 4]], np.float32)
    np.testing.assert_array_equal(run(made.func("f"), [x], {})[0], x @ W + W[0] + x @ (W * 2))
    assert "weight @w.fc1.weight" in print_module(made)


def test_hash_that_is_stated_must_match_and_both_are_shown(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=W)
    found = hashlib.sha256((tmp_path / "w.npz").read_bytes()).hexdigest()
    file = tmp_path / "m.flow"
    graph = "graph f(x: f32[2, 3]) -> (y: f32[2, 3]) { y = x + w.a }\n"
    file.write_text(f'import weights "w.npz" as w sha256 "{found}"\n{graph}')
    load(file)
    stated = "0" * 64
    file.write_text(f'import weights "w.npz" as w sha256 "{stated}"\n{graph}')
    assert refused(file) == (
        'm.flow:1:36: error: "w.npz" has another hash than stated\n'
        f'    import weights "w.npz" as w sha256 "{stated}"\n'
        f"    {' ' * 35}^{'~' * 65}\n"
        f"help: stated {stated}, found {found}"
    )


def test_array_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"fc1.weight": W, "half": W.astype(np.float16)})
    file = tmp_path / "m.flow"
    file.write_text(
        'import weights "w.npz" as w\ngraph f(x: f32[2, 3]) -> (y: f32[2, 3]) {\n  a = w.fc1.wieght + x\n  b = w.half + x\n  y = x\n}\n'
    )
    assert refused(file) == (
        'm.flow:3:7: error: w.npz has no array "fc1.wieght"\n'
        "    a = w.fc1.wieght + x\n"
        "        ^~~~~~~~~~~~\n"
        'help: did you mean "fc1.weight"?\n\n'
        "m.flow:4:7: error: + of f16[2, 3] and f32[2, 3]: elements do not mix\n"
        "    b = w.half + x\n"
        "        ^~~~~~~~~~\n"
        "m.flow:1:27: note: w.half is f16[2, 3]\n"
        '    import weights "w.npz" as w\n'
        "                              ^\n"
        "m.flow:2:9: note: x is declared f32[2, 3]\n"
        "    graph f(x: f32[2, 3]) -> (y: f32[2, 3]) {\n"
        "            ^\n"
        "help: convert one side: `... as f16`\n\n"
        "2 errors"
    )


OTHER = """dim N in 1..4
const SCALE = 2.0
param w: f32[3] = ones()

fn scaled(x: f32[N]) -> f32[N] { return x * SCALE }

fn learn(g: f32[3]) -> f32[3] {
  w := w - g
  return w
}

graph shifted(x: f32[N]) -> (y: f32[N]) { y = scaled(x) + 1.0 }
"""


def test_other_file_gives_functions_constants_params_and_graphs_as_functions(tmp_path: Path) -> None:
    (tmp_path / "other.flow").write_text(OTHER)
    file = tmp_path / "m.flow"
    file.write_text(
        'import "other.flow" as m\n'
        "graph f(x: f32[3]) -> (a: f32[3], b: f32[3], c: f32[3], d: f32[3]) {\n"
        "  a = m.scaled(x)\n  b = m.shifted(x) * m.SCALE\n  c = m.w + x\n  d = m.learn(x)\n}\n"
    )
    made = load(file)
    assert [s.name for s in made.states] == ["m.w"] and [f.name for f in made.funcs] == ["f", "init"]
    x = np.array([1, 2, 3], np.float32)
    state = initial_state(made)
    a, b, c, d = run(made.func("f"), [x], state)
    for found, expected in ((a, x * 2), (b, (x * 2 + 1) * 2), (c, x + 1), (d, np.ones(3)), (state["m.w"], 1 - x)):
        np.testing.assert_array_equal(found, expected)


def test_sizes_of_another_file_are_parameters_in_their_range(tmp_path: Path) -> None:
    (tmp_path / "other.flow").write_text(OTHER)
    file = tmp_path / "m.flow"
    file.write_text('import "other.flow" as m\ngraph f(x: f32[5]) -> (y: f32[5]) { y = m.scaled(x) }\n')
    assert refused(file) == (
        "m.flow:2:41: error: N of scaled is 5\n"
        "    graph f(x: f32[5]) -> (y: f32[5]) { y = m.scaled(x) }\n"
        "                                            ^~~~~~~~~~~\n"
        "other.flow:1:5: note: N is declared 1..4\n"
        "    dim N in 1..4\n"
        "        ^"
    )


def test_mistakes_in_another_file_are_told_there(tmp_path: Path) -> None:
    (tmp_path / "other.flow").write_text("graph g(x: f32[3) -> (y: f32) { y = x }\n")
    file = tmp_path / "m.flow"
    file.write_text('import "other.flow" as m\ngraph f(x: f32) -> (y: f32) { y = m.g(x) }\n')
    assert [line for line in refused(file).splitlines() if "error:" in line][-1].startswith("other.flow:1:")


def test_more_files_than_may_be_are_refused_at_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowc.lang.elaborate.units.MAX_FILES", 1)
    (tmp_path / "other.flow").write_text(OTHER)
    file = tmp_path / "m.flow"
    file.write_text('import "other.flow" as a\nimport "other.flow" as b\n')
    assert refused(file) == (
        "m.flow:2:1: error: the program has more than 1 files\n"
        '    import "other.flow" as b\n'
        "    ^~~~~~~~~~~~~~~~~~~~~~~~"
    )  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that is there and cannot be read")
@pytest.mark.parametrize(
    ("stated", "message"),
    [("", '"other.flow" cannot be read: Input/output error'), (f' sha256 "{"0" * 64}"', "mem cannot be read: Input/output error")],
    ids=["text", "hash"],
)
def test_file_that_cannot_be_read_is_told_at_its_import(tmp_path: Path, stated: str, message: str) -> None:
    (tmp_path / "other.flow").symlink_to("/proc/self/mem")
    file = tmp_path / "m.flow"
    line = f'import "other.flow" as m{stated}'
    file.write_text(f"{line}\n")
    assert refused(file, ElaborateOptions(outside=True)) == (
        f"m.flow:1:8: error: {message}\n"
        f"    {line}\n"
        "           ^~~~~~~~~~~~"
    )  # fmt: skip


def test_import_leaves_the_folder_only_where_the_caller_allows(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=W)
    (tmp_path / "inner").mkdir()
    file = tmp_path / "inner" / "m.flow"
    file.write_text('import weights "../w.npz" as w\ngraph f(x: f32[2, 3]) -> (y: f32[2, 3]) { y = x + w.a }\n')
    assert refused(file).splitlines()[0] == 'm.flow:1:16: error: "../w.npz" leaves the folder of m.flow'
    assert load(file, ElaborateOptions(outside=True)).func("f")
    (tmp_path / "inner" / "link.npz").symlink_to(tmp_path / "w.npz")
    file.write_text('import weights "link.npz" as w\n')
    assert refused(file).splitlines()[0] == 'm.flow:1:16: error: "link.npz" leaves the folder of m.flow'


def test_asserts_of_a_test_are_judged_with_both_values_and_the_index() -> None:
    text = """state n: i64[] = 4
fn double(x: f32[N]) -> f32[N] { return x * 2.0 }
graph next(x: i64) -> (y: i64) { y = n + x }
test "holds" {
  assert double([1.0, 2.0]) == [2.0, 4.0]
  assert double(ones([3])) == 2.0 within 1e-6
  assert next(2) == 6
}
test "fails" {
  a = double([1.0, 2.0, 4.0])
  assert a == [2.0, 4.5, 8.5], "doubled"
  assert a == 2.0 within 0.5
  assert all(a > 3.0)
}
"""
    holds, fails = blocks(text)
    assert (holds.title, judged(holds)) == ("holds", "")
    assert judged(fails) == (
        "m.flow:11:3: error: assert failed, doubled: 4.0 == 4.5 does not hold at [1]\n"
        '    assert a == [2.0, 4.5, 8.5], "doubled"\n'
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "note: and at 1 more of 3 elements\n\n"
        "m.flow:12:3: error: assert failed: 4.0 is not within 0.5 of 2.0 at [1]\n"
        "    assert a == 2.0 within 0.5\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "note: and at 1 more of 3 elements\n\n"
        "m.flow:13:3: error: assert failed: false\n"
        "    assert all(a > 3.0)\n"
        "    ^~~~~~~~~~~~~~~~~~~\n\n"
        "3 errors"
    )


def test_digits_sample_elaborates_and_its_tests_hold() -> None:
    made = load(SAMPLES / "digits.flow")
    with np.load(SAMPLES / "digits_heldout.npz") as digits:
        (accuracy,) = run(made.func("evaluate"), [digits["images"], digits["labels"]], {})
    assert accuracy >= 0.97
    source = Source("digits.flow", (SAMPLES / "digits.flow").read_text(), SAMPLES / "digits.flow")
    found = elaborate_tests(parse(source), source)
    assert len(found) == 2 and [judged(test) for test in found] == ["", ""]


def test_a_size_is_compared_with_a_number_in_a_test() -> None:
    text = 'test "sizes" {\n  y = [1.0, -1.0, 2.0]\n  p = y[y > 0.0]\n  assert size(p, 0) == 2\n  assert size(y, 0) * 2 == 7\n}\n'
    (found,) = blocks(text)
    assert judged(found) == (
        "m.flow:5:3: error: assert failed: 6 == 7 does not hold\n    assert size(y, 0) * 2 == 7\n    ^~~~~~~~~~~~~~~~~~~~~~~~~~"
    )
