"""The commands that the interface names, their options, and how a command ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import click
import llvmlite.binding as llvm
import pytest

from flowc.cli import COMMANDS, cli
from flowc.ir import VERSION

from .conftest import Flowc

OPTIONS = {
    "compile": "-o --graph --target --cpu --features --dim --threads --precision --memory-limit --weights --time --dump-after --dump-dir"
    " --stop-after",
    "run": "--feed --fetch --out --check-nan --save --load --repeat",
    "check": "--pin",
    "test": "-k",
    "fmt": "--check",
    "opt": "--from --run --trace-laws",
    "diff": "",
    "explain": "",
    "bench": "--dim --threads --profile -o",
    "ops": "--missing --json",
    "cache": "--clear --json",
    "devices": "--json",
}


@pytest.mark.parametrize("name", OPTIONS)
def test_command_of_the_interface_has_the_options_named_there(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    there = {option for param in command.params for option in param.opts}
    assert set(OPTIONS[name].split()) <= there


def test_commands_are_those_of_the_interface() -> None:
    assert set(COMMANDS) == set(OPTIONS)


def test_every_option_has_a_line_of_help() -> None:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None and command.help
        assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


def test_version_tells_those_of_flowc_llvm_and_the_ir(flowc: Flowc) -> None:
    said = flowc("--version")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout == f"flowc {version('flowc')}, LLVM {'.'.join(map(str, llvm.llvm_version_info))}, IR {VERSION}\n"


def test_version_imports_neither_numpy_nor_the_parser() -> None:
    told = "print(sorted({'numpy', 'lark'} & set(sys.modules)))"
    program = f"import sys\nfrom flowc.cli import cli\ntry: cli.main(['--version'])\nexcept SystemExit: {told}"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.splitlines()[1] == "[]"


def test_unknown_command_is_wrong_usage_with_the_nearest_one(flowc: Flowc) -> None:
    said = flowc("complie")
    assert said.exit_code == 2
    assert said.stderr == (
        "Usage: flowc [OPTIONS] COMMAND [ARGS]...\nTry 'flowc --help' for help.\n\n"
        'Error: There is no command complie: did you mean "compile"?\n'
    )


@pytest.mark.parametrize("command", ["compile", "run", "check", "test", "fmt", "opt", "explain"])
def test_missing_file_is_wrong_usage(flowc: Flowc, command: str) -> None:
    said = flowc(command, "absent.flow")
    assert said.exit_code == 2
    assert said.stderr.endswith(": File 'absent.flow' does not exist.\n")
    assert flowc("diff", "absent.flow", "scale.flow").exit_code == 2


@pytest.mark.parametrize("command", ["compile", "run", "check", "test"])
def test_mistakes_in_a_program_are_rendered_on_stderr(flowc: Flowc, command: str) -> None:
    said = flowc(command, "wrong.flow")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == 'wrong.flow:2:7: error: there is no function rel\n    y = rel(x)\n        ^~~\nhelp: did you mean "relu"?\n'


@pytest.mark.parametrize("command", ["run", "check", "test"])
def test_standard_input_is_named_in_messages(flowc: Flowc, command: str) -> None:
    said = flowc(command, "-", given=Path("wrong.flow").read_text())
    assert (said.exit_code, said.stderr.splitlines()[0]) == (1, "<stdin>:2:7: error: there is no function rel")


def test_text_that_is_not_utf_8_is_the_inputs_fault(flowc: Flowc) -> None:
    said = flowc("check", "-", given=b"graph \xff")
    assert (said.exit_code, said.stderr.splitlines()[0]) == (1, "<stdin>:1:7: error: the file is not UTF-8: byte 0xff at offset 6")


def test_standard_input_named_twice_is_wrong_usage(flowc: Flowc) -> None:
    said = flowc("diff", "-", "-")
    assert said.exit_code == 2
    assert said.stderr.endswith("Error: - stands for the standard input, which can be read once.\n")


def test_what_is_not_there_yet_says_so_in_a_line(flowc: Flowc) -> None:
    said = flowc("explain", "scale.flow")
    assert (said.exit_code, said.stdout, said.stderr) == (1, "", "error: flowc explain is not there yet\n")


def test_internal_error_is_one_line_and_a_folder_that_reproduces_it(flowc: Flowc, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> str:
        raise KeyError("lost")

    monkeypatch.setattr("flowc.codegen.artifact.emit", broken)
    said = flowc("compile", "scale.flow")
    assert (said.exit_code, said.stdout) == (70, "")
    told = re.fullmatch(r"flowc: internal error after stage plan: KeyError: 'lost'; a reproducer is in (.+)\n", said.stderr)
    assert told is not None
    folder = Path(told[1])
    files = {file.name: file.read_text() for file in folder.iterdir()}
    shutil.rmtree(folder)
    assert sorted(files) == ["08-plan.fir", "command.txt", "traceback.txt", "versions.txt"]
    assert files["command.txt"] == "flowc compile scale.flow\n"
    assert 'level="plan"' in files["08-plan.fir"]
    assert files["traceback.txt"].endswith("KeyError: 'lost'\n")


def test_traceback_is_shown_where_it_is_asked_for(flowc: Flowc, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> str:
        raise KeyError("lost")

    monkeypatch.setattr("flowc.codegen.artifact.emit", broken)
    said = flowc("compile", "scale.flow", env={"FLOWC_TRACEBACK": "1"})
    assert said.exit_code == 70
    assert said.stderr.startswith("Traceback (most recent call last):\n")
    shutil.rmtree(said.stderr.split()[-1])


def test_what_the_system_refuses_is_told_without_a_traceback(flowc: Flowc, tmp_path: Path) -> None:
    (tmp_path / "scale.h").mkdir()
    said = flowc("compile", "scale.flow")
    assert (said.exit_code, said.stderr) == (1, "error: scale.h: Is a directory\n")


def test_closed_pipe_is_quiet(flowc: Flowc) -> None:
    with subprocess.Popen([sys.executable, "-m", "flowc.cli", "ops"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_interrupt_is_quiet() -> None:
    program = "from flowc.cli import cli\nprint('ready', flush=True)\ncli.main(['fmt', '-'])"
    program = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n" + program  # a job in the background ignores it
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        for _ in range(60):  # an interrupt may come while a module is being imported, which can lose it
            time.sleep(0.5)
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGINT)
        assert (process.wait(timeout=30), process.stdout.read(), process.stderr.read()) == (130, b"", b"")
