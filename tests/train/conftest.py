"""Each test has a default graph of its own."""

from collections.abc import Iterator

import pytest

import flowc as fc


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with fc.Graph().as_default():
        yield
