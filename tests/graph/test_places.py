"""Values are named after what the statement that makes them assigns to."""
# ruff: noqa: F821 (in an annotation "N" is a size, not a forward reference)

import flowc as fc
from flowc.graph.tensor import Tensor


def hints(*tensors: Tensor) -> list[str]:
    return [t.value.hint for t in tensors]


def test_a_value_has_the_name_of_its_variable_and_a_part_that_of_its_op() -> None:
    x = fc.constant([1.0])
    y = fc.relu(x + x)
    assert hints(x, y, y.op.inputs[0]) == ["x", "y", "y.add"]


def test_tuple_assignments_name_each_value() -> None:
    x, y, z = fc.constant([1.0, 2.0]), fc.constant([3.0]), fc.constant([4.0])
    a, b = fc.split(x, 2)
    c, d = -a, (b + y) * z
    assert hints(x, y, z, a, b, c, d, d.op.inputs[0]) == ["x", "y", "z", "a", "b", "c", "d", "d.add"]


def test_chained_annotated_and_augmented_assignments_name_the_value() -> None:
    x: Tensor = fc.constant([1.0])
    y = z = x + x
    z += y
    assert hints(x, z) == ["x", "z"] and hints(y)[0] in ("y", "z")


def test_values_that_are_assigned_to_no_variable_have_no_name() -> None:
    kept = {"a": fc.constant([1.0])}
    kept["b"] = kept["a"] * kept["a"]
    rows = [kept["a"] + kept["b"] for _ in range(2)]
    assert hints(kept["b"], *rows) == ["", "", ""]


def test_names_of_ops_are_counted_within_their_statement() -> None:
    x = fc.constant([1.0])
    for _ in range(2):
        y = fc.relu(x + x) * (x + x)
        assert [i.value.hint for i in y.op.inputs] == ["y.relu", "y.add.2"]


def test_inside_a_function_names_begin_with_what_its_caller_assigns() -> None:
    def dense(x: Tensor, w: Tensor) -> Tensor:
        y = x @ w
        return fc.relu(y) + 1.0

    @fc.function
    def model(x: fc.f32["N", 3], w: fc.f32[3, 3]):
        h = dense(x, w)
        return dense(h, w) * 2.0

    assert [op.hint for op in model.func.body.ops] == [
        "h.y", "h.relu", "h.constant", "h", "result.y", "result.relu", "result.constant", "result.add", "result.constant.2", "result",
    ]  # fmt: skip
