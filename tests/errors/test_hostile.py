"""Hostile input ends in an error of flowc's, in bounded time: changed programs, changed IR, changed files of weights.

The seeds are fixed; each test stops when its share of the time is spent, having made the changes it must.
"""

import random
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import flowc as fc
from flowc.errors import CompileError, Error
from flowc.ir.parser import parse_module
from flowc.lang.elaborate import elaborate, elaborate_tests
from flowc.lang.parse import parse
from flowc.lang.weights import WeightError, open_weights
from flowc.ops.catalog import catalog
from flowc.options import Options
from flowc.source import Source
from flowc.stages import compiled
from flowc.transforms.verify import verify

ROOT = Path(__file__).parent.parent.parent
SECONDS, LEAST = 4.0, 40  # that a test takes, and the inputs it tries even where they take longer
LONGEST = 2.0  # of the processor, for one input
NUMBERS = ("0", "-1", "1e999", "9223372036854775807", "9223372036854775808", "1000000000", "0.5", "nan", "2 ** 4000", "(0 - 3)")
TOKEN = re.compile(r"\s+|[A-Za-z_][\w.]*|\d+(?:\.\d+)?|[^\sA-Za-z_\d]")


def programs() -> list[str]:
    folders = ("samples", "tests/lang", "tests/lang/samples", "tests/text/elaborate")
    files = [file for folder in folders for file in sorted((ROOT / folder).glob("*.flow"))]
    marked = "\n".join(file.read_text(encoding="utf-8") for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
    return [*(file.read_text(encoding="utf-8") for file in files), *re.findall(r"```flow\n(.*?)```", marked, re.DOTALL)]


def ir_texts() -> list[str]:
    return [file.read_text(encoding="utf-8").partition("\n// ----\n")[0] for file in sorted((ROOT / "tests/text").rglob("*.fir"))]


def changed(chance: random.Random, texts: list[str]) -> str:
    """One of the texts, a few of its words left out, repeated, exchanged or replaced."""
    words = TOKEN.findall(chance.choice(texts))
    meant = [n for n, word in enumerate(words) if re.match(r"\w", word)]
    for _ in range(chance.randint(1, 3)):
        at, other = chance.choice(meant), chance.choice(meant)
        match chance.randrange(6):
            case 0:
                words[at] = ""
            case 1:
                words[at] = words[other]
            case 2:
                words[at], words[other] = words[other], words[at]
            case 3:
                words[at] = chance.choice(NUMBERS)
            case 4:
                words[at] += " ".join(words[other : other + 6])
            case _:
                words[at] = chance.choice(TOKEN.findall(chance.choice(texts)))
    return "".join(words)


def attacked(make: Callable[[random.Random], object], seed: int) -> int:
    """How many inputs `make` took: each is accepted or refused with an error that says something, and in time."""
    chance, begin, count = random.Random(seed), time.perf_counter(), 0
    while count < LEAST or time.perf_counter() - begin < SECONDS:
        start = time.process_time()
        try:
            make(chance)
        except (Error, WeightError) as error:
            assert str(error).strip()
        assert time.process_time() - start < LONGEST
        count += 1
    return count


def test_changed_program_compiles_or_is_refused() -> None:
    texts = programs()

    def compile_changed(chance: random.Random) -> None:
        source = Source("m.flow", changed(chance, texts))
        try:
            module = elaborate(parse(source), source)
        except CompileError as error:
            assert all(d.span is not None for d in error.diagnostics), error
            raise
        compiled(module, stop="plan")

    assert attacked(compile_changed, 1) >= LEAST


# What a word of scans and derivatives is replaced by, so that most of what comes out still reads as a program.
WORDS = (
    "x", "h0", "a", "h", "i", "loss", "h.z", "n", "s", "sum(x)", "x * x", "0..N", "1..3", "N..0", "[x]", "[]", "[x, h0]", "2.0",
    "@remat", "grad(loss, wrt=[x])", "emit a", "yield h", "yield h emit a", "along 1", "limit 3",
    "x[i]", "zeros([i])", "x[x > 0.0]", "jvp(h, [x], [x])",
)  # fmt: skip
PROGRAM = """state k: f32 = 0
fn scaled(x: f32[N], s: f32) -> f32[N] {
  z = x * s
  return z
} derivative (dy: f32[N]) -> (f32[N], f32) {
  return dy * s, sum(dy * x)
}
graph f(x: f32[N], h0: f32, n: i64, s: f32) -> (a: f32[N], b: f32) {
  @remat
  h, ys = scan (v in x, i in 0..N; h = h0) { yield tanh(h * v + s) emit h }
  c, m = loop (c = h, m: i64 = 0) while m < n limit 5 { yield c * c, m + 1 }
  d = if c > 0.0 { yield scaled(ys, c) } else { yield x }
  loss = sum(d) + h
  a = grad(loss, wrt=[x])
  b = jvp(loss, wrt=[h0, s], tangent=[s, h0])
  k := b
}
test "t" { check_grad(scaled, [1.0, 2.0], 0.5) }
"""


def test_changed_scans_and_derivatives_compile_or_are_refused() -> None:
    places = [m.span() for m in re.finditer(r"@?\b\w+(\([^()]*\)|\[[^][]*\])?", PROGRAM)]

    def compile_changed(chance: random.Random) -> None:
        text = PROGRAM
        for begin, end in sorted(chance.sample(places, chance.randint(1, 2)), reverse=True):
            text = text[:begin] + chance.choice(WORDS) + text[end:]
        source = Source("m.flow", text)
        program = parse(source)
        compiled(elaborate(program, source), stop="plan")
        elaborate_tests(program, source)

    assert attacked(compile_changed, 4) >= LEAST


def test_changed_ir_is_read_or_refused() -> None:
    catalog()
    texts = ir_texts()
    assert attacked(lambda chance: verify(parse_module(changed(chance, texts), "m.fir")), 2) >= LEAST


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_changed_weight_file_is_read_or_refused(tmp_path: Path, suffix: str) -> None:
    whole = weight_file(tmp_path / f"whole{suffix}")

    def open_changed(chance: random.Random) -> None:
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randint(1, 40)]
                case 2:
                    data[at:at] = chance.randbytes(chance.randint(1, 40))
                case _:
                    data[at : at + 8] = struct.pack("<q", chance.choice((-1, 0, 2**31, 2**62, 2**63 - 1)))
            if not data:
                return
        file = tmp_path / f"changed{suffix}"
        file.write_bytes(data)
        for stored in open_weights(file).arrays.values():
            assert stored.load().shape == stored.shape

    assert attacked(open_changed, 3) >= LEAST


def weight_file(file: Path) -> bytes:
    arrays = {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b.c": np.arange(3, dtype=np.int64)}
    if file.suffix == ".npz":
        np.savez_compressed(file, **arrays)
    else:
        from flowc.checkpoint import save

        save(arrays, file)
    return file.read_bytes()


@pytest.mark.parametrize("text", [b"", b"\x00" * 100, b"\xff\xfe", b"PK\x03\x04" + b"\x00" * 30, b"\xff" * 8 + b"{}", bytes(range(256))])
@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_bytes_that_are_no_weights_are_refused(tmp_path: Path, suffix: str, text: bytes) -> None:
    file = tmp_path / f"w{suffix}"
    file.write_bytes(text)
    with pytest.raises(WeightError):
        open_weights(file)


HOSTILE = {
    "nesting": f"graph g(x: f32) -> (y: f32) {{ y = {'(' * 5000}x{')' * 5000} }}\n",
    "calls": f"graph g(x: f32) -> (y: f32) {{ y = {'relu(' * 5000}x{')' * 5000} }}\n",
    "constants": "graph g() -> (y: f32[1000000000, 1000000000, 1000000000]) { y = zeros([1000000000, 1000000000, 1000000000]) }\n",
    "names": "".join(f"dim N{n}\n" for n in range(20_000)) + "graph g(x: f32[M]) -> (y: f32) { y = x[M0] }\n",
    "terms": "graph g(x: f32[(A + B + C + D) ** 9]) -> (y: f32) { y = x[0] }\n",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_program_made_to_grow_is_refused(case: str) -> None:
    source = Source("m.flow", HOSTILE[case])
    begin = time.process_time()
    with pytest.raises(CompileError):
        elaborate(parse(source), source)
    assert time.process_time() - begin < LONGEST


def test_workspace_that_no_memory_holds_is_all_ones_and_its_run_an_error() -> None:
    text = "dim M in 0..4\ngraph f(x: f32[N, M]) -> (y: f32) {\n  a = cumulative(iota([N, N]) as f32)\n  y = sum(a @ a) + sum(x)\n}\n"
    text = "fn cumulative(x: f32[N, K]) -> f32[N, K] { return softmax(x) }\n" + text
    model = fc.loads(text, Options(cache=False, threads=1))
    bytes_of = model.linked.model.memory["f"]
    assert bytes_of(N=3, M=0) >= 3 * 3 * 4
    assert bytes_of(N=2**31, M=0) == bytes_of(N=2**40, M=0) == 2**64 - 1  # 4 * N * N is 2^64, and then 2^82
    with pytest.raises(Error, match="no memory for a run with N = 2147483648"):
        model.f(np.empty((2**31, 0), np.float32))
