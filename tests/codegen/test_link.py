"""A machine that cannot link, or whose linker fails, is told so."""

import importlib.util
from pathlib import Path

import pytest

from flowc.codegen.link import link, linker
from flowc.errors import UsageError
from flowc.target import host, named

NONE_HERE = """error: there is no linker for {} here: a C compiler (cc, gcc, clang), or pip install "flowc[link]\""""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all programs there are, empty at first."""
    if importlib.util.find_spec("ziglang") is not None:
        pytest.skip("the extra flowc[link] is installed")
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("triple", [host().triple, "riscv64-unknown-linux-gnu"])
def test_a_missing_linker_is_told_with_what_to_install(triple: str) -> None:
    with pytest.raises(UsageError) as refused:
        linker(".so", named(triple))
    assert str(refused.value) == NONE_HERE.format(triple)


@pytest.mark.usefixtures("programs")
def test_a_missing_linker_for_webassembly_is_told_with_what_to_install() -> None:
    with pytest.raises(UsageError) as refused:
        linker(".wasm", named("wasm32-unknown-unknown"))
    assert str(refused.value) == 'error: there is no linker for WebAssembly here: wasm-ld, or pip install "flowc[link]"'


def test_a_linker_that_fails_is_told_with_what_it_says(programs: Path, tmp_path: Path) -> None:
    compiler = programs / "wasm-ld"
    compiler.write_text("#!/bin/sh\necho 'no room' >&2\nexit 1\n")
    compiler.chmod(0o755)
    out = tmp_path / "model.wasm"
    with pytest.raises(UsageError) as refused:
        link(b"", out, named("wasm32-unknown-unknown"), ["model_f"])
    assert str(refused.value) == (
        f"error: linking model.wasm failed: {compiler} --no-entry --export-memory --export=model_f -o {out} model.o\nno room"
    )
