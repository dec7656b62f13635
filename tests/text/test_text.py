"""Text tests: each `.fir` file names the stages to run, gives a module, and what comes out.

    // run: simplify, fuse
    <module>
    // ----
    <module after the stages>

A line that ends in `// error: ...` must be refused there, with that message.  `pytest --bless` writes the outcome.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.errors import CompileError
from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.ops.catalog import catalog
from flowc.stages import STAGES
from flowc.target import AVX512
from flowc.transforms.verify import verify

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.rglob("*.fir"))
RULE = "\n// ----\n"


@pytest.mark.parametrize("file", FILES, ids=[str(f.relative_to(FOLDER)) for f in FILES])
def test_stages_give_the_text(file: Path, bless: bool) -> None:
    catalog()
    text = file.read_text()
    given, _, expected = text.partition(RULE)
    stages = [s.strip() for s in given.splitlines()[0].removeprefix("// run:").split(",") if s.strip()]
    wanted = [(n, line.partition("// error: ")[2]) for n, line in enumerate(given.splitlines(), 1) if "// error: " in line]
    if wanted:
        with pytest.raises(CompileError) as refused:
            verify(parse_module(given, file.name))
        assert [(d.span.line if d.span else 0, d.message) for d in refused.value.diagnostics] == wanted
        return
    module = verify(parse_module(given, file.name))
    known = {s.name: s for s in STAGES}
    for stage in stages:
        module = verify(known[stage].run(module, AVX512))
    printed = print_module(module)
    assert print_module(parse_module(printed)) == printed
    if bless:
        file.write_text(given + RULE + printed)
        return
    assert printed == expected
