"""What is different from machine to machine is right or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowc as fc
from flowc.codegen.walk import word
from flowc.errors import UsageError
from flowc.target import named

TEXT = "flow 1.0\ngraph g(x: f32[3]) -> f32[3] {\n  return x * [1.0, 2.0, 3.0]\n}\n"


@pytest.mark.parametrize(
    ("triple", "bits"),
    [
        ("x86_64-unknown-linux-gnu", 64),
        ("x86_64-unknown-linux-gnux32", 32),
        ("arm64_32-apple-watchos", 32),
        ("aarch64-apple-darwin", 64),
        ("armv7em-none-eabi", 32),
        ("wasm32-unknown-unknown", 32),
        ("riscv64-unknown-linux-gnu", 64),
    ],
)
def test_size_t_is_as_wide_as_pointers(triple: str, bits: int) -> None:
    assert word(triple) == f"i{bits}"


@pytest.mark.parametrize("suffix", [".o", ".s"])
def test_weights_for_a_big_endian_machine_are_refused(tmp_path: Path, suffix: str) -> None:
    model = fc.loads(TEXT, fc.Options(cache=False, target=named("s390x-ibm-linux-gnu")))
    with pytest.raises(UsageError) as told:
        model.write(tmp_path / f"m{suffix}")
    assert str(told.value) == (
        "error: s390x-ibm-linux-gnu has the largest byte of a number first, and weights are written with the smallest first"
    )


@pytest.mark.parametrize(
    ("triple", "cpu", "features", "half"),
    [
        ("x86_64-unknown-linux-gnu", "", "", True),
        ("x86_64-unknown-linux-gnu", "haswell", "", True),
        ("x86_64-unknown-linux-gnu", "haswell", "-f16c", False),
        ("x86_64-unknown-linux-gnu", "x86-64", "", False),
        ("x86_64-unknown-linux-gnu", "x86-64", "+f16c", True),
        ("x86_64-unknown-linux-gnu", "sapphirerapids", "", True),
        ("aarch64-apple-darwin", "", "", True),
        ("riscv64-unknown-linux-gnu", "", "", False),  # its conversions give NaN other bits
        ("wasm32-unknown-unknown", "", "", False),
    ],
)
def test_instructions_between_f16_and_f32_are_used_where_the_machine_has_them(triple: str, cpu: str, features: str, half: bool) -> None:
    assert named(triple, cpu, features).half is half
