"""Each test has a default graph of its own; `refusal` runs a program that is wrong and gives what its user reads."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowc as fc
from flowc.errors import Error


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with fc.Graph().as_default():
        yield


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[str], str]:
    """The text of the error that a program in the file `model.py` ends with."""

    def run(program: str) -> str:
        file = tmp_path / "model.py"
        file.write_text(f"import numpy as np\nimport flowc as fc\n{program}")
        with pytest.raises(Error) as refused:
            exec(compile(file.read_text(), str(file), "exec"), {"__name__": "model"})
        return str(refused.value).replace(f"{tmp_path}/", "")

    return run
