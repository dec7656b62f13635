"""What programs become: each file of `tests/text/elaborate` is a program, a rule, and the text of its module.

`pytest --bless` writes the outcome.
"""

from pathlib import Path

import pytest

from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.lang.elaborate import elaborate
from flowc.lang.parse import parse
from flowc.source import Source
from flowc.transforms.verify import verify

FOLDER = Path(__file__).parent.parent / "text" / "elaborate"
FILES = sorted(FOLDER.glob("*.flow"))
RULE = "\n# ----\n"


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_program_becomes_the_text(file: Path, bless: bool) -> None:
    given, _, expected = file.read_text().partition(RULE)
    source = Source(file.name, given, file)
    printed = print_module(verify(elaborate(parse(source), source)))
    assert print_module(parse_module(printed)) == printed
    if bless:
        file.write_text(given + RULE + printed)
        return
    assert printed == expected


def test_there_are_programs() -> None:
    assert len(FILES) >= 25
