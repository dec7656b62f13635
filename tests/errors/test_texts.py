"""What users read: each case of `python`, `ir` and `cli` ends in the text below it, whole.

    a program
    ----
    what it ends in
    ====
    the next program

`pytest --bless` writes what came out.
"""

import linecache
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import flowc as fc
from flowc.cli import cli
from flowc.errors import Error
from flowc.ir.parser import parse_module
from flowc.ops.catalog import catalog
from flowc.options import Options
from flowc.transforms.verify import verify

HERE = Path(__file__).parent
RULE, NEXT = "----\n", "====\n"
SCALE = """dim N in 1..100
graph scale(x: f32[N]) -> (y: f32[N], s: f32) {
  h = x + 1.0
  y = h * 2.0
  s = sum(h)
}
test "doubles" {
  y, s = scale([1.0, 2.0])
  assert y == [4.0, 7.0]
}
"""
STEP = "state n: i32 = 0\ngraph up(x: i32) -> (y: i32) {\n  n := n + x\n  y = n\n}\ngraph down(x: i32) -> (y: i32) { y = n - x }\n"
TWICE = """// flowc ir 1
module @m

state @n: i32 kind="state"

func @f(%x: i32) -> (%y: i32) {
  write_state @n, %x
  write_state @n, %x
  return %x
}
"""


def cases(kind: str) -> list[Path]:
    return sorted((HERE / kind).glob("*.txt"))


@pytest.mark.parametrize("file", cases("python"), ids=lambda file: file.stem)
def test_python_ends_in(file: Path, bless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    held(file, python, bless)


@pytest.mark.parametrize("file", cases("ir"), ids=lambda file: file.stem)
def test_ir_text_is_refused_with(file: Path, bless: bool) -> None:
    held(file, ir, bless)


@pytest.mark.parametrize("file", cases("cli"), ids=lambda file: file.stem)
def test_command_ends_in(file: Path, bless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scale.flow").write_text(SCALE)
    (tmp_path / "step.flow").write_text(STEP)
    (tmp_path / "twice.fir").write_text(TWICE)
    (tmp_path / "params.flow").write_text("param w: f32 = 1.0\n")
    (tmp_path / "m.fir").write_text(loads(SCALE).ir("simplify"))
    (tmp_path / "bad.npy").write_bytes(b"no array")
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    np.savez(tmp_path / "pair.npz", first=np.ones(3, np.float32), second=np.ones(2, np.float32))
    held(file, command, bless)


def held(file: Path, outcome: Callable[[str], str], bless: bool) -> None:
    """Every program of `file` ends as it says there."""
    found: list[str] = []
    text = file.read_text(encoding="utf-8")
    for case in text.split(NEXT):
        program, _, _ = case.partition(RULE)
        found.append(f"{program}{RULE}{outcome(program)}\n")
    if bless:
        file.write_text(NEXT.join(found), encoding="utf-8")
    assert NEXT.join(found) == file.read_text(encoding="utf-8")


def python(program: str) -> str:
    """The error of a program in `model.py`, in a graph of its own and without a cache."""
    linecache.cache["model.py"] = len(program), None, program.splitlines(keepends=True), "model.py"
    names = {"__name__": "model", "np": np, "fc": fc, "options": Options(cache=False), "loads": loads}
    try:
        with fc.Graph().as_default():
            exec(compile(program, "model.py", "exec"), names)
    except (Error, AttributeError, LookupError, OSError, TypeError) as error:
        return str(error) if isinstance(error, Error) else f"{type(error).__name__}: {error}"
    return "nothing is wrong"


def loads(text: str) -> fc.Model:
    return fc.loads(text, Options(cache=False, threads=1), "model.flow")


def command(line: str) -> str:
    """The exit status of a command line and what it says on stderr."""
    name, *arguments = shlex.split(line)
    assert name == "flowc"
    said = CliRunner().invoke(cli, arguments, input=SCALE, env={"FLOWC_CACHE": ""})
    return f"{said.exit_code}\n{said.stderr.rstrip()}"


def ir(text: str) -> str:
    catalog()
    with pytest.raises(Error) as refused:
        verify(parse_module(text, "model.fir"))
    return str(refused.value)


def test_there_are_cases_and_each_is_refused() -> None:
    texts = [file.read_text(encoding="utf-8") for kind in ("python", "ir", "cli") for file in cases(kind)]
    assert sum(text.count(RULE) for text in texts) >= 100
    assert not any("nothing is wrong" in text for text in texts)
