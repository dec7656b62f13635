"""The documents keep their word: every block of code in them runs, and prints what they show.

What a block is stands after its fence: a language, and the file it is kept in.

    ```flow a.flow        a program without mistakes; `flow a.flow wrong`: one with mistakes; `fails`: a test does
    ```c a.c              a file for the commands after it
    ```python [a.py]      runs; all of a document share their names
    ```console            commands after `$ `, each with what it prints
    ```text               right after a block: what it printed, or its mistakes; elsewhere not checked

`...` in what is shown stands for anything on its line.  `pytest --bless` writes what came out.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = ("flow", "c", "python", "console", "text")
FENCE = re.compile(r"^```(\w*) ?(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
# What may differ from run to run.
MEASURED = re.compile(r"(?<= in )[\d.]+ (s|ms|µs)$|(?<=\.[oh]  )[\d,]+(?= bytes)|\d+(?= launch)", re.MULTILINE)
TIME_LIMIT = 120


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: its language, what stands after that, its text, and the characters it takes."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int
    begin: int
    end: int


def blocks(document: str) -> list[Block]:
    return [
        Block(m[1], tuple(m[2].split()), m[3], document.count("\n", 0, m.start()) + 1, m.start(3), m.end(3))
        for m in FENCE.finditer(document)
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=[str(p.relative_to(ROOT)) for p in DOCUMENTS])
def test_every_block_of_code_runs_and_prints_what_the_document_shows(path: Path, tmp_path: Path, bless: bool) -> None:
    found = blocks(path.read_text(encoding="utf-8"))
    if any(b.language == "c" for b in found) and not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    home = ROOT
    if any(word.startswith("flowc/") for b in found for word in b.words):  # the document adds to the compiler: to a copy of it
        home = tmp_path
        for folder in ("flowc", "grammar", "runtime"):
            shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("FLOWC_", "PYTEST_"))},
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "PYTHONPATH": os.pathsep.join((str(home), str(home / "runtime"))),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, __file__, str(path), *(["--bless"] if bless else [])]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=[str(p.relative_to(ROOT)) for p in DOCUMENTS])
def test_every_block_has_a_language_that_is_checked(path: Path) -> None:
    found = blocks(path.read_text(encoding="utf-8"))
    assert [f"{path.name}:{b.line}: {b.language or '(none)'}" for b in found if b.language not in LANGUAGES] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=[str(p.relative_to(ROOT)) for p in DOCUMENTS])
def test_every_link_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["stages", "ops"])
def test_page_that_a_program_writes_is_what_it_writes(page: str, bless: bool) -> None:
    command = [sys.executable, ROOT / "docs" / f"make_{page}.py"]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    path = ROOT / "docs" / f"{page}.md"
    if bless:
        path.write_text(written, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == written


def test_every_sample_is_laid_out_and_passes_its_tests() -> None:
    samples = sorted(map(str, (ROOT / "samples").glob("*.flow")))
    for command in (["fmt", "--check", *samples], ["test", *samples]):
        done = subprocess.run([sys.executable, "-m", "flowc.cli", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def matches(shown: str, printed: str) -> bool:
    """Whether `printed` is `shown`, where `...` stands for anything on its line."""
    pattern = ".*".join(re.escape(part) for part in shown.rstrip().split("..."))
    return re.fullmatch(pattern, printed.rstrip()) is not None


def run(path: Path, bless: bool) -> None:
    """Runs a document's blocks in order, in the folder this process is in; raises `AssertionError` at the first that differs."""
    document = path.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    printed, end = "", 0
    came: list[tuple[Block, str]] = []
    for block in blocks(document):
        shows = block.language == "text" and not document[end : block.begin].replace("```text", "").strip("`\n")
        assert shows or not printed, f"{path.name}:{block.line}: the document does not show what the block before prints:\n{printed}"
        if shows:
            came.append((block, printed.rstrip() + "\n"))
        printed, end = "", block.end
        match block.language:
            case "console":
                came.append((block, "".join(answered(block.text))))
            case "python":
                printed = executed(block, path, names)
            case "flow":
                printed = mistakes(block)
            case _:
                kept(block)
    assert not printed, f"{path.name}: the document does not show what its last block prints:\n{printed}"
    if bless:
        for block, text in reversed(came):
            if not matches(block.text, text):
                document = document[: block.begin] + MEASURED.sub("...", text) + document[block.end :]
        path.write_text(document, encoding="utf-8")
        return
    for block, text in came:
        assert matches(block.text, text), f"{path.name}:{block.line}: shown\n{block.text}\nprinted\n{text}"


def kept(block: Block) -> Path | None:
    """The file the block is written to, where it names one."""
    if not block.words or block.language == "text":
        return None
    file = Path(block.words[0])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(block.text, encoding="utf-8")
    return file


def answered(text: str) -> Iterator[str]:
    """The commands of a console, each followed by what it prints."""
    for command in re.findall(r"^\$ (.*(?:\\\n.*)*)$", text, re.MULTILINE):
        done = subprocess.run(["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        yield f"$ {command}\n{done.stdout}"
        assert done.returncode == 0, f"$ {command}\n{done.stdout}exit status {done.returncode}"


def executed(block: Block, path: Path, names: dict[str, Any]) -> str:
    """What the Python of the block prints."""
    file = kept(block)
    if file is not None and file.parts[0] == "flowc":
        return ""
    name = str(file or f"{path.stem}.py")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(block.text if file else "\n" * block.line + block.text, name, "exec"), names)
    return out.getvalue()


def mistakes(block: Block) -> str:
    """The rendered mistakes of the program in the block, "" where it should have none."""
    import flowc

    file = kept(block)
    try:
        model = flowc.load(file) if file else flowc.loads(block.text)
        assert model.linked
    except flowc.CompileError as error:
        assert "wrong" in block.words, str(error)
        return str(error)
    assert "wrong" not in block.words, f"no mistake is found in\n{block.text}"
    if file and 'test "' in block.text and "fails" not in block.words:
        subprocess.run(["flowc", "test", str(file)], check=True)
    return ""


if __name__ == "__main__":
    run(Path(sys.argv[1]), "--bless" in sys.argv)
