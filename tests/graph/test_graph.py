"""Names, scopes and lookups of graphs."""

from collections.abc import Callable

import numpy as np
import pytest

import flowc as fc
from flowc.ir.core import Module
from flowc.ir.printer import print_module
from flowc.model import compile


def test_names_are_unique_in_their_graph() -> None:
    a = [fc.add(1, 2) for _ in range(3)]
    assert [x.op.name for x in a] == ["Add", "Add_1", "Add_2"]
    with fc.Graph().as_default():
        assert fc.add(1, 2).name == "Add:0"


def test_numbers_given_to_an_operation_are_constants_named_after_its_formals() -> None:
    fc.add(3, 5, name="total")
    assert [(op.name, op.type) for op in fc.get_default_graph().get_operations()] == [
        ("total/x", "Const"), ("total/y", "Const"), ("total", "Add"),
    ]  # fmt: skip


def test_name_scopes_nest_and_are_told_apart() -> None:
    with fc.name_scope("a") as a:
        x = fc.add(1, 2)
        with fc.name_scope("b"):
            y = fc.add(1, 2)
    with fc.name_scope("a"):
        z = fc.add(1, 2)
    with fc.name_scope(a):
        again = fc.add(1, 2)
    assert [t.op.name for t in (x, y, z, again)] == ["a/Add", "a/b/Add", "a_1/Add", "a/Add_1"]


def test_tensors_and_operations_are_found_by_name() -> None:
    x = fc.add(1, 2, name="x")
    parts = fc.split([1, 2, 3, 4], 2, name="parts")
    graph = fc.get_default_graph()
    assert graph.get_tensor_by_name("x:0") is x
    assert graph.get_tensor_by_name("parts:1") is parts[1]
    assert graph.get_operation_by_name("x") is x.op


def test_reset_gives_a_new_default_graph() -> None:
    before = fc.get_default_graph()
    fc.add(1, 2)
    fc.reset_default_graph()
    assert fc.get_default_graph() is not before and fc.get_default_graph().get_operations() == []


def test_tensors_stay_in_the_graph_of_their_operands() -> None:
    x = fc.constant(1)
    with fc.Graph().as_default():
        assert (x + 1).graph is x.graph


def test_device_is_recorded_on_operations_and_ops() -> None:
    with fc.device("g0"):
        x = fc.placeholder(fc.f32, [2]) * 2.0
    y = x + 1.0
    assert (x.op.device, y.op.device) == ("g0", "")
    assert x.value.op is not None and x.value.op.device == "g0"


def test_devices_have_one_spelling() -> None:
    for spelling in ("cpu", "cpu:0", "/cpu:0", "/device:CPU:0"):
        with fc.device(spelling):
            x = fc.constant([1.0, 2.0]) * 2.0
        assert x.op.device == "cpu:0"
        assert fc.Session().run(x).tolist() == [2, 4]


def test_a_whole_graph_is_compiled_from_its_placeholders_to_what_nothing_reads() -> None:
    x = fc.placeholder(fc.f32, ["N"], name="x")
    w = fc.Variable(3.0, name="w")
    fc.multiply(x, w, name="scaled")
    fc.assign_add(w, 1.0)
    model = compile(fc.get_default_graph())
    scaled, _ = model(np.ones(2, np.float32))
    assert scaled.tolist() == [3, 3]
    assert model(x=np.ones(1, np.float32))[0].tolist() == [4]


def test_ir_values_are_named_after_python_variables_names_and_scopes() -> None:
    x = fc.placeholder(fc.f32, ["N"])
    h = fc.relu(x * 2.0 + 1.0)
    with fc.name_scope("head"):
        out = h - 1.0
        scaled = fc.multiply(out, 3.0, name="scaled")
    assert text(scaled, x) == (
        "// flowc ir 1\n"
        "module @run\n"
        "\n"
        "func @run[N in 1..](%x: f32[N]) -> (f32[N]) {\n"
        "  %h.constant = constant value=2.0 : f32\n"
        "  %h.multiply = multiply %x, %h.constant : f32[N]\n"
        "  %h.constant.2 = constant value=1.0 : f32\n"
        "  %h.add = add %h.multiply, %h.constant.2 : f32[N]\n"
        "  %h = relu %h.add : f32[N]\n"
        "  %head.out.constant = constant value=1.0 : f32\n"
        "  %head.out = subtract %h, %head.out.constant : f32[N]\n"
        "  %head.scaled.constant = constant value=3.0 : f32\n"
        "  %head.scaled = multiply %head.out, %head.scaled.constant : f32[N]\n"
        "  return %head.scaled\n"
        "}\n"
    )


def text(result: fc.Tensor, *feeds: fc.Tensor) -> str:
    from flowc.graph.lower import lowered

    module: Module = lowered(result.graph, [result], (), feeds)
    return print_module(module)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (
            "x = fc.add(1, 2, name='x y')",
            'model.py:3:5: error: a name is made of letters, digits and _ . / -, which "x y" is not\n'
            "    x = fc.add(1, 2, name='x y')\n"
            "        ^~~~~~~~~~~~~~~~~~~~~~~~",
        ),
        (
            "total = fc.add(1, 2, name='total')\nfc.get_default_graph().get_tensor_by_name('totl:0')",
            "model.py:4:1: error: the graph has no operation totl\n"
            "    fc.get_default_graph().get_tensor_by_name('totl:0')\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            'help: did you mean "total"?',
        ),
        (
            "fc.get_default_graph().get_tensor_by_name('total')",
            'model.py:3:1: error: "total" names no tensor\n'
            "    fc.get_default_graph().get_tensor_by_name('total')\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            'help: a tensor is an operation and one of its results: "total:0"',
        ),
        (
            "g = fc.get_default_graph()\ng.finalize()\nfc.add(1, 2)",
            "model.py:5:1: error: the graph is final, so Add cannot be added\n    fc.add(1, 2)\n    ^~~~~~~~~~~~",
        ),
        (
            "x = fc.constant(1)\nwith fc.Graph().as_default():\n    y = fc.constant(2)\n    z = x + y",
            "model.py:6:13: error: y belongs to another graph\n"
            "    z = x + y\n"
            "            ^\n"
            "model.py:3:5: note: x is i32\n"
            "    x = fc.constant(1)\n"
            "        ^~~~~~~~~~~~~~\n"
            "model.py:5:9: note: y is i32\n"
            "    y = fc.constant(2)\n"
            "        ^~~~~~~~~~~~~~\n"
            "help: build both sides in one graph, or feed the one to the other",
        ),
        (
            "x = fc.placeholder(fc.f32, [fc.dim('N', 1, 8)])\ny = fc.placeholder(fc.f32, [fc.dim('N', 2, 9)])",
            "model.py:4:5: error: the size N is 2..9 here, and another elsewhere\n"
            "    y = fc.placeholder(fc.f32, [fc.dim('N', 2, 9)])\n"
            "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "model.py:3:5: note: here N is 1..8\n"
            "    x = fc.placeholder(fc.f32, [fc.dim('N', 1, 8)])\n"
            "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
        ),
    ],
)
def test_mistake_in_a_graph_is_told(program: str, says: str, refusal: Callable[[str], str]) -> None:
    assert refusal(program) == says


def test_shapes_and_graphs_print_short() -> None:
    x = fc.placeholder(fc.f32, ["N", 4])
    assert repr(fc.concat([x, x]).shape) == "(2*N, 4)"
    assert repr(fc.get_default_graph()) == "<Graph of 2 operations and 0 variables>"
    assert fc.get_default_graph()._repr_html_() == (
        "<table><tr><th>operation</th><th>type</th><th>results</th></tr>"
        "<tr><td>Placeholder</td><td>Placeholder</td><td>f32[N, 4]</td></tr>"
        "<tr><td>Concat</td><td>Concat</td><td>f32[2*N, 4]</td></tr></table>"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("relux", 'flowc has no relux: did you mean "relu"?'),
        ("summary", "flowc.summary is not there yet"),
        ("qqqq", "flowc has no qqqq"),
    ],
)
def test_a_name_that_stands_for_nothing_is_told(name: str, says: str) -> None:
    with pytest.raises(AttributeError) as unknown:
        getattr(fc, name)
    assert str(unknown.value) == says


def test_every_public_name_stands_for_something() -> None:
    from flowc.graph import find, names

    assert all(find(name) is not None for name in names())
