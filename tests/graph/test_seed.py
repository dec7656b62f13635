"""The examples of the slides that the graph interface comes from, as they stand there, in the spelling of Python 3."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PRINT_OF_A_TENSOR = """
import flowc as tf
a = tf.add(3, 5)
print(a)
"""

RUN_IN_A_SESSION = """
import flowc as tf
a = tf.add(3, 5)
sess = tf.Session()
print(sess.run(a))
sess.close()
"""

MORE_GRAPH = """
import flowc as tf
x = 2
y = 3
op1 = tf.add(x, y)
op2 = tf.mul(x, y)
op3 = tf.pow(op2, op1)
with tf.Session() as sess:
    op3 = sess.run(op3)
print(op3)
"""

A_GRAPH_OF_ONES_OWN = """
import flowc as tf
g = tf.Graph()
with g.as_default():
    x = tf.add(3, 5)
sess = tf.Session(graph=g)
with tf.Session() as sess:
    print(sess.run(x))
"""

TWO_GRAPHS = """
import flowc as tf
g1 = tf.get_default_graph()
g2 = tf.Graph()
# add ops to the default graph
with g1.as_default():
    a = tf.Constant(3)
# add ops to the user created graph
with g2.as_default():
    b = tf.Constant(5)
print(a.graph is g1, b.graph is g2)
"""


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (PRINT_OF_A_TENSOR, 'Tensor("Add:0", shape=(), dtype=int32)\n'),
        (RUN_IN_A_SESSION, "8\n"),
        (MORE_GRAPH, "7776\n"),
        (A_GRAPH_OF_ONES_OWN, "8\n"),
        (TWO_GRAPHS, "True True\n"),
    ],
    ids=["print of a tensor", "run in a session", "more graph", "a graph of one's own", "two graphs"],
)
def test_example_prints_what_its_slide_says(program: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(program, "slide.py", "exec"), {})
    assert capsys.readouterr().out == says


def test_example_runs_in_a_process_of_its_own_without_parser_or_llvm_for_building() -> None:
    program = PRINT_OF_A_TENSOR + "import sys\nprint(sorted({'lark', 'llvmlite', 'click'} & set(sys.modules)))"
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=paths)
    assert ran.stdout == 'Tensor("Add:0", shape=(), dtype=int32)\n[]\n'
