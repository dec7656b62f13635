"""A shared library is loaded and run without the compiler."""

import ctypes
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

import flowc
import flowc_runtime
from flowc.codegen.declared import text_constant
from flowc.codegen.python_entry import python_entry
from flowc.codegen.signature import Port, Signature, described
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType
from flowc_runtime.locks import Memory
from flowc_runtime.pool_text import pool_text
from flowc_runtime.signature import FORMAT

N = Size("N", 1, 1000)
SQUARES = Signature("squares", "m_squares", (N,), (Port("x", DType.i64, (dim(N),)),), (Port("y", DType.i64, (dim(N),)),))
STEP = Signature("step", "m_step", (), (Port("by", DType.i64, ()),), (Port("count", DType.i64, ()),), stateful=True)
STATE = (
    {"name": "w", "dtype": "f32", "shape": ["2", "3"], "offset": 0, "trainable": True, "initialised": True},
    {"name": "count", "dtype": "i64", "shape": [], "offset": 64, "trainable": False, "initialised": True},
)

# squares: a task for each element, on the pool of the context where there is one; step: count += by, 2 at the start.
CODE = """
define internal void @square(ptr %arguments, i64 %i) {
  %x = load ptr, ptr %arguments
  %y.at = getelementptr ptr, ptr %arguments, i64 1
  %y = load ptr, ptr %y.at
  %from = getelementptr i64, ptr %x, i64 %i
  %to = getelementptr i64, ptr %y, i64 %i
  %e = load i64, ptr %from
  %square = mul i64 %e, %e
  store i64 %square, ptr %to
  ret void
}
define i64 @m_squares_workspace(i64 %N, i32 %threads) {
  ret i64 16
}
define i32 @m_squares(i64 %N, ptr %x, ptr %y, ptr %workspace, ptr %context) {
entry:
  store ptr %x, ptr %workspace
  %second = getelementptr ptr, ptr %workspace, i64 1
  store ptr %y, ptr %second
  %pool.at = getelementptr i64, ptr %context, i64 1
  %pool = load ptr, ptr %pool.at
  %none = icmp eq ptr %pool, null
  br i1 %none, label %alone, label %shared
shared:
  %owner = load ptr, ptr %pool
  %run.at = getelementptr i8, ptr %pool, i64 16
  %run = load ptr, ptr %run.at
  call void %run(ptr %owner, ptr @square, ptr %workspace, i64 %N)
  ret i32 0
alone:
  %i = phi i64 [ 0, %entry ], [ %following, %alone ]
  call void @square(ptr %workspace, i64 %i)
  %following = add i64 %i, 1
  %more = icmp slt i64 %following, %N
  br i1 %more, label %alone, label %done
done:
  ret i32 0
}
define i64 @m_state_bytes() {
  ret i64 72
}
define i64 @m_init_workspace(i32 %threads) {
  ret i64 0
}
define i32 @m_init(ptr %state, ptr %workspace, ptr %context) {
  %count = getelementptr i8, ptr %state, i64 64
  store i64 2, ptr %count
  store float 0.5, ptr %state
  ret i32 0
}
define i64 @m_step_workspace(i32 %threads) {
  ret i64 0
}
define i32 @m_step(ptr %state, i64 %by, ptr %result, ptr %workspace, ptr %context) {
  %count.at = getelementptr i8, ptr %state, i64 64
  %old = load i64, ptr %count.at
  %count = add i64 %old, %by
  store i64 %count, ptr %count.at
  store i64 %count, ptr %result
  ret i32 0
}
"""
Linker = Callable[[str, Path], Path]


def signature_of(prefix: str, graphs: Sequence[Signature], state: Sequence[object] = (), weights: int = 0) -> str:
    """The description of a library, as LLVM text."""
    told = {"flowc": FORMAT, "prefix": prefix, "graphs": [described(graph) for graph in graphs], "state": state, "sites": ["m.flow:1:1: α"]}
    return constant(prefix, json.dumps(told | {"weights": weights, "init_weights": False}, ensure_ascii=False))


def constant(prefix: str, text: str) -> str:
    return f"@{prefix}_signature = constant {text_constant(text)}\n"


MAIN = "\n".join([CODE, signature_of("m", (SQUARES, STEP), STATE), pool_text(llvm.get_default_triple())])


@pytest.fixture(scope="module")
def link() -> Linker:
    """Makes a shared library of LLVM text."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no system linker")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()

    def linked(text: str, path: Path) -> Path:
        module = llvm.parse_assembly(text)
        machine = llvm.Target.from_default_triple().create_target_machine(opt=2, reloc="pic")
        path.with_suffix(".o").write_bytes(machine.emit_object(module))
        subprocess.run([compiler, "-shared", "-pthread", "-o", path, path.with_suffix(".o")], check=True)
        return path

    return linked


@pytest.fixture(scope="module")
def library(link: Linker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return link(MAIN, tmp_path_factory.mktemp("plain") / "m.so")


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_a_library_runs_on_any_number_of_threads(library: Path, threads: int) -> None:
    model = flowc_runtime.load(library, threads=threads)
    np.testing.assert_array_equal(model.squares(np.arange(100)), np.arange(100) ** 2)
    assert repr(model) == "<flowc_runtime.Model m: squares, step>" and {"squares", "step"} <= set(dir(model))


def test_a_library_may_hold_the_native_call(link: Linker, tmp_path: Path) -> None:
    model = flowc_runtime.load(link(MAIN + python_entry(SQUARES) + python_entry(STEP), tmp_path / "libm.so"))
    assert type(model.squares) is type(len)
    np.testing.assert_array_equal(model.squares(np.arange(100)), np.arange(100) ** 2)
    assert model.step(3) == 5 and model.step(by=np.int64(-1)) == 4


def test_state_is_initialised_kept_and_assignable(library: Path) -> None:
    model, other = flowc_runtime.load(library), flowc_runtime.load(library)
    assert model.step(1) == 3 and model.step(1) == 4 and other.step(5) == 7
    assert model.state["count"] == 4 and dict(other.state) == {"count": 7}
    np.testing.assert_array_equal(model.params["w"], [[0.5, 0, 0], [0, 0, 0]])
    model.state["count"] = 10
    model.params["w"] = np.ones((2, 3), np.float32)
    assert model.step(0) == 10 and model.params["w"].sum() == 6
    assert not other.params["w"][1].any()


def test_wrong_values_for_the_state_are_refused(library: Path) -> None:
    model = flowc_runtime.load(library)
    with pytest.raises(flowc_runtime.Error) as caught:
        model.params["w"] = np.ones((3, 2), np.float32)
    assert str(caught.value) == "w: f32[2, 3]: given f32[3, 2]"
    with pytest.raises(flowc_runtime.Error) as caught:
        model.state["count"] = 1.5
    assert str(caught.value) == "count: i64: given 1.5, which is no integer"
    with pytest.raises(KeyError) as unknown:
        model.params["ww"] = 1
    assert unknown.value.args == ("ww is not kept here, did you mean w?; kept: w",)


def test_an_unknown_graph_is_named_with_the_known_ones(library: Path) -> None:
    with pytest.raises(AttributeError) as caught:
        flowc_runtime.load(library).square(1)
    assert str(caught.value) == "m has no graph square, did you mean squares?; graphs: squares, step"


def test_a_renamed_library_is_found_by_its_prefix(library: Path, tmp_path: Path) -> None:
    renamed = shutil.copy(library, tmp_path / "other.so")
    with pytest.raises(flowc_runtime.Error) as caught:
        flowc_runtime.load(renamed)
    assert str(caught.value) == (
        f"{renamed} has no symbol other_signature: "
        "it is no library of flowc's, or flowc compiled it under another name than other: pass prefix="
    )
    assert flowc_runtime.load(renamed, prefix="m").step(1) == 3
    with pytest.raises(flowc_runtime.Error) as caught:
        flowc_runtime.load(renamed, prefix="n")
    assert str(caught.value) == f"{renamed} has no symbol n_signature: it is no library of flowc's, or its prefix is not n"


def test_weights_kept_apart_must_be_passed(link: Linker, tmp_path: Path) -> None:
    first = Signature("first", "w_first", (), (), (Port("y", DType.i64, ()),), weights=True)
    code = """
define i64 @w_first_workspace(i32 %threads) {
  ret i64 0
}
define i32 @w_first(ptr %y, ptr %weights, ptr %workspace, ptr %context) {
  %e = load i64, ptr %weights
  store i64 %e, ptr %y
  ret i32 0
}
"""
    path = link(code + signature_of("w", (first,), weights=8) + python_entry(first), tmp_path / "w.so")
    with pytest.raises(flowc_runtime.Error) as caught:
        flowc_runtime.load(path)
    assert str(caught.value) == "w was compiled without its weights: pass weights="
    first_of = flowc_runtime.load(path, weights=np.array([41])).first  # which keeps what it reads
    assert np.array([40]) + 1 == first_of() == 41
    with pytest.raises(flowc_runtime.Error) as caught:
        flowc_runtime.load(path, weights=np.zeros(7, np.uint8))
    assert str(caught.value) == "the weights of w are 8 contiguous bytes, given 7"
    with pytest.raises(flowc_runtime.Error) as caught:
        flowc_runtime.load(path, weights=np.zeros(16, np.uint8)[::2])
    assert str(caught.value) == "the weights of w are 8 contiguous bytes, given 8 that are not contiguous"


def test_a_first_state_may_come_from_weights_kept_apart(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no system linker")
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.savez(tmp_path / "w.npz", w=table)
    (tmp_path / "m.flow").write_text(
        'flow 1.0\nimport weights "w.npz" as w\nparam p: f32[2, 3] = w.w\ngraph g(x: f32[2]) -> f32[3] {\n  return x @ p\n}\n'
    )
    flowc.load(tmp_path / "m.flow", flowc.Options(weights="separate", cache=False)).write(tmp_path / "m.so")
    block = Memory((tmp_path / "m.weights").stat().st_size).bytes
    block[:] = np.fromfile(tmp_path / "m.weights", np.uint8)
    model = flowc_runtime.load(tmp_path / "m.so", weights=block)
    np.testing.assert_array_equal(model.params["p"], table)
    np.testing.assert_array_equal(model.g(np.ones(2, np.float32)), [3, 5, 7])


def test_files_that_are_no_libraries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        flowc_runtime.load(tmp_path / "absent.so")
    (tmp_path / "text.so").write_text("not code")
    with pytest.raises(OSError) as reason:
        ctypes.CDLL(str(tmp_path / "text.so"))
    with pytest.raises(flowc_runtime.Error) as caught:
        flowc_runtime.load(tmp_path / "text.so")
    assert str(caught.value) == f"{tmp_path / 'text.so'} cannot be loaded: {reason.value}"


def test_a_library_without_the_code_of_a_graph_is_refused(link: Linker, tmp_path: Path) -> None:
    first = Signature("first", "w_first", (), (), (Port("y", DType.i64, ()),))
    path = link(signature_of("w", (first,)), tmp_path / "w.so")
    with pytest.raises(LookupError) as caught:
        flowc_runtime.load(path)
    assert str(caught.value) == "the library has no symbol w_first"


def test_a_description_of_another_format_is_refused(link: Linker, tmp_path: Path) -> None:
    path = link(constant("n", '{"flowc": 99}'), tmp_path / "n.so")
    with pytest.raises(flowc_runtime.Error) as caught:
        flowc_runtime.load(path)
    assert str(caught.value) == f"{path}: the library's description has format 99, this flowc_runtime reads format {FORMAT}"


def test_running_a_library_imports_neither_the_compiler_nor_llvm(library: Path) -> None:
    program = (
        "import sys, flowc_runtime\n"
        f"print(flowc_runtime.load({str(library)!r}).squares([1, 2, 3]))\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'flowc', 'llvmlite', 'lark', 'click', 'ml_dtypes'}))\n"
    )
    runtime = Path(flowc_runtime.__file__).parents[1]
    said = subprocess.run([sys.executable, "-c", program], cwd=runtime, capture_output=True, text=True, check=True).stdout
    assert said == "[1 4 9]\n[]\n"
