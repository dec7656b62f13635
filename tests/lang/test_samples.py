"""The sample programs of the language mean what they say; those with weights get some."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from flowc.ir.core import Module
from flowc.lang.elaborate import elaborate
from flowc.lang.parse import parse
from flowc.ops.interpret import initial_state, run
from flowc.source import Source
from flowc.transforms.verify import verify

SAMPLES = Path(__file__).parent / "samples"


def elaborated(folder: Path, name: str, *changes: tuple[str, str]) -> Module:
    file = Path(shutil.copy(SAMPLES / name, folder))
    text = file.read_text(encoding="utf-8")
    for change in changes:
        text = text.replace(*change)
    source = Source(name, text, file)
    return verify(elaborate(parse(source), source))


def test_training_step_descends_along_the_gradient_and_sees_the_values_from_before(tmp_path: Path) -> None:
    made = elaborated(tmp_path, "train.flow", ("784", "6"), ("H = 128", "H = 5"))
    state = initial_state(made)
    draw = np.random.default_rng(3)
    x, y = draw.normal(size=(9, 6)).astype("f"), draw.integers(0, 10, 9)
    before = dict(state)
    first, _ = run(made.func("train_step"), (x, y), state)
    np.testing.assert_allclose(state["w1"], before["w1"] - np.float32(1e-2) * state["m1"], rtol=1e-5, atol=1e-7)
    assert state["step"] == 1
    hidden = np.maximum(x @ before["w1"] + before["b1"], 0)
    z = hidden @ before["w2"] + before["b2"]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(first, -np.log(p[np.arange(9), y]).mean(), rtol=1e-5)
    dz = (p - np.eye(10)[y]) / 9
    np.testing.assert_allclose(state["m1"], x.T @ ((dz @ before["w2"].T) * (hidden > 0)), rtol=1e-3, atol=1e-6)
    losses = [first, *(run(made.func("train_step"), (x, y), state)[0] for _ in range(20))]
    assert losses[-1] < losses[0]


def test_recurrent_network_is_a_loop_over_its_cell(tmp_path: Path) -> None:
    made = elaborated(tmp_path, "loops.flow")
    draw = np.random.default_rng(4)
    x, h, wx, wh = (draw.normal(size=s).astype("f") for s in ((5, 2, 3), (2, 4), (3, 4), (4, 4)))
    last, ys = run(made.func("rnn"), (x, h, wx, wh, False), {})
    for t in range(5):
        h = np.tanh(x[t] @ wx + h @ wh)
        np.testing.assert_allclose(ys[t], h, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(last, ys[-1])
    a = np.diag(np.arange(1, 4)).astype("f")
    lam, iters = run(made.func("power_iteration"), (a, np.ones(3, "f"), np.float32(1e-6)), {})
    np.testing.assert_allclose(lam, 3, rtol=1e-5)
    assert 1 < iters < 1000


def test_convolutions_and_an_operator_by_index_make_a_network(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    shapes = {"c1": (4, 3, 3, 3), "s1": (4,), "t1": (4,), "c2": (2, 4, 3, 3), "s2": (2,), "t2": (2,), "dw": (2, 3, 3), "fc": (2, 10)}
    np.savez(tmp_path / "net.npz", **{n: draw.normal(size=s).astype("f") for n, s in shapes.items()})
    made = elaborated(tmp_path, "conv.flow")
    image = draw.integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    (scores,) = run(made.func("net"), (image,), {})
    assert scores.shape == (2, 10)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["index.flow", "loops.flow", "train.flow"])
def test_sample_without_files_of_weights_elaborates_as_it_stands(tmp_path: Path, name: str) -> None:
    assert elaborated(tmp_path, name).funcs
