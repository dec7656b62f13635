"""Prints docs/stages.md: one program after every stage, as the compiler prints it; `python docs/make_stages.py > docs/stages.md`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import flowc
from flowc.target import AVX2

PROGRAM = """\
flow 1.0
dim N in 1..4096

graph classify(x: f32[N, 64], w: f32[64, 10], b: f32[10]) -> (probs: f32[N, 10]) {
  probs = softmax(x @ w + b, axis=-1)
}
"""

DOCUMENT = """\
# The stages

One program from its text to its assembly, as the compiler prints it. `docs/make_stages.py` writes this page; a test compares it.

```flow
{program}```

`flowc compile classify.flow --dump-after STAGE` prints the text after a stage, `--dump-after all --dump-dir D` writes one file for each.
In Python it is `model.ir("fuse")`. Whatever is printed can be read back: `flowc opt` takes IR text from any stage through the stages
after it.

Every stage is a function from a module to a new module; nothing is changed in place. A value keeps the name it has in the program through
all stages. What a line computes that has no name is `<target>.<op>`: `probs.matmul`.

## read

The text is parsed and printed in its canonical layout, as `flowc fmt` does. Here it is the program above.

## elaborate

Functions are expanded, sizes unified, types inferred, names resolved. The result is a graph: static single assignment, every value with
its type, one op a line. All mistakes of the program are told here, together.

```text
{elaborate}```

## simplify

Ops that other ops can say are expanded (`softmax` here), laws are applied, constants folded, equal values computed once, what nothing
needs is gone. A law holds for every bit: `x * 1` becomes `x`, `x + 0` stays, because it turns -0 into +0.

```text
{simplify}```

## place, layout

Each op gets a device. There is one, the CPU, so nothing changes. `layout` changes nothing yet.

## fuse

Ops become kernels: definitions by index of what is worth memory. The addition of `b` has vanished into its readers. The maximum, the
exponentials, the sum and the quotient of a row share one kernel over rows, in which `build` is a buffer of one row.

```text
{fuse}```

## schedule

Kernels become loops over memory (`&f32`) for a target, here x86-64 with AVX2. The product goes in tiles of 6 by 16 elements; what is left
of a row or column at the edge is masked. `parallel` loops are split among threads, `vector` loops go in vectors. `exp` has become
arithmetic: a polynomial and a power of two, the same on every processor. The fold `dot` is one chain of fused multiply-adds for each
element, whatever the tile, so the tile changes no bit.

```text
{schedule}```

## plan

The graph becomes launches over planned memory. Checks come before anything is stored. The buffer of `probs.matmul` is a view of the
workspace, whose size is a formula in N. The loops are those above.

```text
{plan}```

## emit

Loops become LLVM text. This is the inner loop of the product: for each of the 64 values of `k` one load for every row, two for `w`,
twelve fused multiply-adds.

```text
{emit}```

LLVM makes this assembly of it:

```text
{assembly}```
"""


def functions(text: str) -> list[str]:
    """The functions of an IR text, without its head."""
    return [f"func {part.rstrip()}\n" for part in text.split("\nfunc ")[1:]]


def inner_loop(text: str) -> str:
    """The first basic block of an LLVM text that has fused multiply-adds, shortened."""
    blocks = re.split(r"\n(?=[\w.]+:\n)", text)
    lines = next(b for b in blocks if "@llvm.fma" in b).splitlines()
    first = next(n for n, line in enumerate(lines) if "@llvm.fma" in line)
    return "\n".join([*lines[:9], "  ...", *lines[first - 2 : first + 4], "  ...", *lines[-4:]]) + "\n"


def hot_lines(assembly: str) -> str:
    """The basic block with the first fused multiply-add."""
    blocks = re.split(r"\n(?=\.\w+:)", assembly)
    block = next(b for b in blocks if "vfmadd" in b)
    lines = [line.split("#")[0].rstrip().expandtabs(8) for line in block.splitlines() if ".p2align" not in line]
    return "\n".join(lines) + "\n"


def document() -> str:
    model = flowc.loads(PROGRAM, flowc.Options(target=AVX2, cache=False), name="classify.flow")
    assert model.ir("read").strip() == PROGRAM.strip()
    assert model.ir("place") == model.ir("layout") == model.ir("simplify")
    scheduled, planned, llvm = functions(model.ir("schedule")), functions(model.ir("plan")), model.ir("emit")
    assert planned[:-1] == scheduled[:-1]
    with tempfile.TemporaryDirectory() as folder:
        model.write(Path(folder) / "classify.s")
        assembly = (Path(folder) / "classify.s").read_text()
    return DOCUMENT.format(
        program=PROGRAM,
        elaborate=model.ir("elaborate"),
        simplify=functions(model.ir("simplify"))[0],
        fuse=functions(model.ir("fuse"))[0],
        schedule="\n".join(scheduled),
        plan=planned[-1],
        emit=inner_loop(llvm),
        assembly=hot_lines(assembly),
    )


if __name__ == "__main__":
    print(document(), end="")
