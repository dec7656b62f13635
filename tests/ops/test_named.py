"""The built-in functions are called as the language calls them, and those that are not there are told."""

from __future__ import annotations

import pytest

from flowc.ops.call import built_ins, missing, signature_text
from flowc.ops.named import NAMED


@pytest.mark.parametrize("name", [name for name in NAMED if name in built_ins()])
def test_a_function_takes_what_the_language_says_in_its_order(name: str) -> None:
    wanted = formals(NAMED[name])
    taken = formals(signature_text(built_ins()[name]))
    assert [formal for formal in taken if formal in wanted] == list(wanted)
    defaults = {formal: default for formal, default in wanted.items() if default}
    assert {formal: taken[formal] for formal in defaults} == defaults


def formals(signature: str) -> dict[str, str]:
    """The defaults by formal, empty where there is none said."""
    inside = signature.partition("(")[2].removesuffix(")")
    each = [formal.partition("=") for formal in inside.split(", ")]
    return {name: default for name, _, default in each}


def test_what_is_missing_is_what_the_language_names_and_no_function_is_called() -> None:
    assert list(missing()) == sorted(NAMED.keys() - built_ins().keys())
    assert all(text.startswith(f"{name}(") for name, text in missing().items())


def test_the_language_names_each_function_once() -> None:
    assert len(NAMED) == len({text for text in NAMED.values()}) and all(text.endswith(")") for text in NAMED.values())
