"""What every test may ask for."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the expected texts with what came out")


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether expected texts are rewritten rather than compared."""
    return bool(request.config.getoption("--bless"))
