"""Mistakes in building and running name the user's line, both sides, and what would help."""

from collections.abc import Callable

import pytest

CASES = {
    "inner sizes": (
        "x = fc.placeholder(fc.f32, ['N', 784])\nw = fc.placeholder(fc.f32, [748, 128])\nh = fc.relu(x @ w)",
        "model.py:5:13: error: inner sizes differ: f32[N, 784] times f32[748, 128]\n"
        "    h = fc.relu(x @ w)\n"
        "                ^~~~~\n"
        "model.py:3:5: note: x is f32[N, 784]\n"
        "    x = fc.placeholder(fc.f32, ['N', 784])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:4:5: note: w is f32[748, 128]\n"
        "    w = fc.placeholder(fc.f32, [748, 128])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "dtypes do not mix": (
        "x = fc.placeholder(fc.f32, [3])\ny = x + np.ones(3)",
        "model.py:4:9: error: + of f32[3] and f64[3]: elements do not mix\n"
        "    y = x + np.ones(3)\n"
        "            ^~~~~~~~~~\n"
        "model.py:3:5: note: x is f32[3]\n"
        "    x = fc.placeholder(fc.f32, [3])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: convert one side: `x.astype(f32)`",
    ),
    "a fraction beside integers": (
        "n = fc.placeholder(fc.i32, [3])\nm = n * 2.5",
        "model.py:4:9: error: * of i32[3]: 2.5 is not an integer\n"
        "    m = n * 2.5\n"
        "            ^~~\n"
        "model.py:3:5: note: n is i32[3]\n"
        "    n = fc.placeholder(fc.i32, [3])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: convert the other side: `x.astype(f32)`",
    ),
    "an unknown argument": (
        "x = fc.placeholder(fc.f32, [3])\ny = fc.sum(x, axes=0)",
        "model.py:4:20: error: sum has no argument axes\n"
        "    y = fc.sum(x, axes=0)\n"
        "                       ^\n"
        "model.py:3:5: note: x is f32[3]\n"
        "    x = fc.placeholder(fc.f32, [3])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        'help: did you mean "axis"?',
    ),
    "what no op takes": (
        "x = fc.placeholder(fc.f32, [3])\ny = fc.add(x, {1: 2})",
        "model.py:4:15: error: {1: 2} of type dict is no tensor, array, number or list of these\n"
        "    y = fc.add(x, {1: 2})\n"
        "                  ^~~~~~\n"
        "model.py:3:5: note: x is f32[3]\n"
        "    x = fc.placeholder(fc.f32, [3])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "an index out of range": (
        "x = fc.placeholder(fc.f32, [3, 4])\ny = x[0, 4]",
        "model.py:4:5: error: index 4 is out of range: axis 1 of f32[3, 4] has 4\n"
        "    y = x[0, 4]\n"
        "        ^~~~~~~\n"
        "model.py:3:5: note: x is f32[3, 4]\n"
        "    x = fc.placeholder(fc.f32, [3, 4])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "a truth value": (
        "x = fc.placeholder(fc.f32)\nif x > 0: pass",
        'model.py:4:4: error: Tensor("Greater:0", shape=(), dtype=bool) has no truth value while the graph is built\n'
        "    if x > 0: pass\n"
        "       ^~~~~\n"
        "help: write where or cond to choose by its value",
    ),
    "elements while building": (
        "x = fc.placeholder(fc.f32, [2])\nnp.asarray(x)",
        'model.py:4:1: error: Tensor("Placeholder:0", shape=(2,), dtype=float32) has no elements while the graph is built\n'
        "    np.asarray(x)\n"
        "    ^~~~~~~~~~~~~\n"
        "help: run it in a session, or use flowc's functions on it",
    ),
    "rows of unknown number": (
        "x = fc.placeholder(fc.f32, ['N'])\nlist(x)",
        'model.py:4:1: error: Tensor("Placeholder:0", shape=(N,), dtype=float32) has no number of rows known while the graph is built\n'
        "    list(x)\n"
        "    ^~~~~~~\n"
        "help: index it, or loop with while_loop",
    ),
    "a placeholder that is not fed": (
        "x = fc.placeholder(fc.f32, [None])\nwith fc.Session() as s:\n    s.run(x + 1.0)",
        "model.py:5:5: error: x must be fed: what is run needs a value for it\n"
        "    s.run(x + 1.0)\n"
        "    ^~~~~~~~~~~~~~\n"
        "model.py:3:5: note: x is f32[x_0]\n"
        "    x = fc.placeholder(fc.f32, [None])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: pass feed_dict={tensor: array}",
    ),
    "an array of another dtype": (
        "x = fc.placeholder(fc.f32, ['N'])\nwith fc.Session() as s:\n    s.run(x, {x: np.ones(3)})",
        "model.py:5:5: error: x is f32[N], given f64[3]: convert it with .astype(numpy.float32)\n"
        "    s.run(x, {x: np.ones(3)})\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:3:5: note: x is declared f32[N]\n"
        "    x = fc.placeholder(fc.f32, ['N'])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "arrays that disagree on a size": (
        "x = fc.placeholder(fc.f32, ['N'])\n"
        "y = fc.placeholder(fc.f32, ['N', 2])\n"
        "with fc.Session() as s:\n"
        "    s.run([x, y], {x: [1.0, 2.0], y: [[1.0, 2.0]]})",
        "model.py:6:5: error: y is f32[N, 2], its axis 0 has 1, and N is 2: axis 0 of x\n"
        "    s.run([x, y], {x: [1.0, 2.0], y: [[1.0, 2.0]]})\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:4:5: note: y is declared f32[N, 2]\n"
        "    y = fc.placeholder(fc.f32, ['N', 2])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:3:5: note: x is declared f32[N]\n"
        "    x = fc.placeholder(fc.f32, ['N'])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "a size out of its range": (
        "x = fc.placeholder(fc.f32, [fc.dim('N', 1, 4)])\nwith fc.Session() as s:\n    s.run(x, {x: np.ones(5, np.float32)})",
        "model.py:5:5: error: x is f32[N], its axis 0 has 5, and N is in 1..4\n"
        "    s.run(x, {x: np.ones(5, np.float32)})\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:3:5: note: x is declared f32[N]\n"
        "    x = fc.placeholder(fc.f32, [fc.dim('N', 1, 4)])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "an empty array where a size begins at 1": (
        "x = fc.placeholder(fc.f32, ['N'])\nwith fc.Session() as s:\n    s.run(x, {x: np.ones(0, np.float32)})",
        "model.py:5:5: error: x is f32[N], its axis 0 has 0, and N is in 1..\n"
        "    s.run(x, {x: np.ones(0, np.float32)})\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:3:5: note: x is declared f32[N]\n"
        "    x = fc.placeholder(fc.f32, ['N'])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        'help: declare it with fc.dim("N", 0), so that it may be empty',
    ),
    "sizes found different during the run": (
        "x = fc.placeholder(fc.f32, [None])\n"
        "y = fc.placeholder(fc.f32, [None])\n"
        "z = x + y\n"
        "with fc.Session() as s:\n"
        "    s.run(z, {x: [1.0, 2.0], y: [1.0, 2.0, 3.0]})",
        "model.py:5:5: error: x_0 and y_0 differ: 2 and 3\n    z = x + y\n        ^~~~~",
    ),
    "an identity that is fed": (
        "x = fc.placeholder(fc.f32)\ny = fc.identity(x)\nfc.Session().run(y + 1.0, {y: 2.0})",
        "model.py:5:1: error: Identity:0 cannot be fed: it is another tensor under a name of its own\n"
        "    fc.Session().run(y + 1.0, {y: 2.0})\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:4:5: note: x is f32\n"
        "    y = fc.identity(x)\n"
        "        ^~~~~~~~~~~~~~\n"
        "help: feed that other tensor",
    ),
    "a variable inside a function": (
        "@fc.function\ndef f(x: fc.f32):\n    return x + fc.Variable(1.0)\nf(2.0)",
        "model.py:6:1: error: f makes variables, and functions with state are not there yet\n"
        "    f(2.0)\n"
        "    ^~~~~~\n"
        "model.py:4:1: note: f is defined here\n"
        "    def f(x: fc.f32):\n"
        "    ^~~~~~~~~~~~~~~~~\n"
        "help: pass the values and return them",
    ),
    "a variable of unknown size": (
        "x = fc.placeholder(fc.f32, ['N'])\nw = fc.Variable(x)",
        "model.py:4:5: error: a variable has sizes that are numbers, and its first value is f32[N]\n"
        "    w = fc.Variable(x)\n"
        "        ^~~~~~~~~~~~~~",
    ),
    "a variable without a value": (
        "w = fc.Variable(np.ones(3, np.float32))\nwith fc.Session() as s:\n    s.run(w * 2.0)",
        "model.py:5:5: error: w has no value yet\n"
        "    s.run(w * 2.0)\n"
        "    ^~~~~~~~~~~~~~\n"
        "model.py:3:5: note: w is f32[3]\n"
        "    w = fc.Variable(np.ones(3, np.float32))\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: run global_variables_initializer() in this session first",
    ),
    "two variables without a value": (
        "v = fc.Variable(1)\nw = fc.Variable(2)\nwith fc.Session() as s:\n    s.run(v + w)",
        "model.py:6:5: error: v and w have no value yet\n"
        "    s.run(v + w)\n"
        "    ^~~~~~~~~~~~\n"
        "model.py:3:5: note: v is i32\n"
        "    v = fc.Variable(1)\n"
        "        ^~~~~~~~~~~~~~\n"
        "model.py:4:5: note: w is i32\n"
        "    w = fc.Variable(2)\n"
        "        ^~~~~~~~~~~~~~\n"
        "help: run global_variables_initializer() in this session first",
    ),
    "an annotation with a negative size": (
        "@fc.function\ndef f(x: fc.f32[-1, 4]):\n    return x",
        "model.py:4:10: error: a size is a number from 0, a name, or None, not -1\n"
        "    def f(x: fc.f32[-1, 4]):\n"
        "             ^~~~~~~~~~~~~",
    ),
    "an assignment of another type": (
        "w = fc.Variable(np.ones(3, np.float32))\nw.assign(np.ones(3))",
        "model.py:4:1: error: w is f32[3], and f64[3] is assigned to it\n"
        "    w.assign(np.ones(3))\n"
        "    ^~~~~~~~~~~~~~~~~~~~\n"
        "help: convert it: `.astype(f32)`",
    ),
    "two writes in one run": (
        "n = fc.Variable(1)\na = n.assign(2)\nb = n.assign_add(3)\nwith fc.Session() as s:\n    s.run([a, b])",
        "model.py:7:5: error: one run would write n twice\n"
        "    s.run([a, b])\n"
        "    ^~~~~~~~~~~~~\n"
        "model.py:4:5: note: one write\n"
        "    a = n.assign(2)\n"
        "        ^~~~~~~~~~~\n"
        "model.py:5:5: note: the other\n"
        "    b = n.assign_add(3)\n"
        "        ^~~~~~~~~~~~~~~",
    ),
    "a closed session": (
        "s = fc.Session()\ns.close()\ns.run(fc.constant(1))",
        "model.py:5:1: error: the session is closed\n"
        "    s.run(fc.constant(1))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~\n"
        "help: make another with Session()",
    ),
    "what cannot be fetched": (
        "fc.Session().run(3)",
        "model.py:3:1: error: 3 of type int cannot be fetched\n"
        "    fc.Session().run(3)\n"
        "    ^~~~~~~~~~~~~~~~~~~\n"
        "help: fetch tensors, operations, or their names",
    ),
    "no session to evaluate in": (
        "fc.constant(3).eval()",
        "model.py:3:1: error: there is no session to run in\n"
        "    fc.constant(3).eval()\n"
        "    ^~~~~~~~~~~~~~~~~~~~~\n"
        "help: write `with Session():` around it, or pass session=",
    ),
    "a tensor of a branch": (
        "x = fc.placeholder(fc.f32)\nkept = []\ny = fc.cond(x > 0.0, lambda: kept.append(x * 2.0) or x, lambda: x)\nz = kept[0] + 1.0",
        "model.py:6:5: error: Mul was made inside a branch of cond, and means nothing outside it\n"
        "    z = kept[0] + 1.0\n"
        "        ^~~~~~~\n"
        "model.py:5:42: note: Mul is f32\n"
        "    y = fc.cond(x > 0.0, lambda: kept.append(x * 2.0) or x, lambda: x)\n"
        "                                             ^~~~~~~\n"
        "help: return it from there",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_told_whole(case: str, refusal: Callable[[str], str]) -> None:
    program, says = CASES[case]
    assert refusal(program) == says
