"""Sizes as text."""

import pytest
from hypothesis import given, strategies as st

from flowc_runtime.sizes import expression

SIZES = {"N": 7, "M.h": 3}
LEAVES = st.sampled_from(["N", "2", "0"])
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        inner.map(lambda t: f"({t} // 3)"),
        inner.map(lambda t: f"-{t}"),
    ),
    max_leaves=12,
)


@given(TEXTS)
def test_a_size_has_the_value_python_gives_it(text: str) -> None:
    assert expression(text).value({"N": 7}) == eval(text, {"N": 7, "min": min, "max": max})


@pytest.mark.parametrize(
    ("text", "value"),
    [("N - 2 - 1", 4), ("2*N + 3*M.h", 23), ("((N + 1) // 2)", 4), ("N // 2 * 2", 6), ("min(N, 4, M.h)", 3), ("-N // 2", -4), ("784", 784)],
)
def test_operators_bind_as_in_the_language(text: str, value: int) -> None:
    assert expression(text).value(SIZES) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no size: a number or a name is missing"),
        ("N +", "'N +' is no size: a number or a name is missing"),
        ("N M", "'N M' is no size: 'M' is left over"),
        ("(N", "'(N' is no size: ')' is missing"),
        ("N ** 2", "'N ** 2' is no size: a number or a name is missing"),
        ("N['x']", "\"N['x']\" is no size: unexpected '['"),
        ("N.__class__(2)", "'N.__class__(2)' is no size: '(' is left over"),
        ("open(N)", "'open(N)' is no size: '(' is left over"),
        ("(" * 200 + "N", f"{'(' * 40!r}... is nested more than 100 deep"),
    ],
)
def test_other_text_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        expression(text)
    assert str(caught.value) == said
