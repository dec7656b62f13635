"""Programs of TensorFlow's first edition run with the import changed, and learn what they are to learn."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

SAMPLES = Path(__file__).parent.parent.parent / "samples" / "python"


def lines(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    runpy.run_path(str(SAMPLES / name), run_name="__main__")
    return capsys.readouterr().out.splitlines()


def test_every_sample_is_tested() -> None:
    assert sorted(p.name for p in SAMPLES.glob("*.py")) == ["linear_regression.py", "mlp_adam.py", "rnn_echo.py", "word2vec.py"]


def test_a_line_is_the_one_numpy_finds(capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    xs = random.uniform(-1, 1, size=100).astype(np.float32)
    ys = (3 * xs + 2 + random.normal(scale=0.1, size=100)).astype(np.float32)
    w = b = np.float32(0)
    told: list[str] = []
    for epoch in range(10):
        total = 0.0
        for x, y in zip(xs, ys, strict=True):
            d = y - (w * x + b)
            w, b, total = w + np.float32(0.02) * d * x, b + np.float32(0.02) * d, total + d * d
        told.append(f"Epoch {epoch}: {total / 100:.4f}")
    assert lines("linear_regression.py", capsys) == [*told, f"w = {w:.2f}, b = {b:.2f}"]


def test_a_network_of_layers_tells_spirals_apart(capsys: pytest.CaptureFixture[str]) -> None:
    *_, last = lines("mlp_adam.py", capsys)
    found = re.fullmatch(r"accuracy ([\d.]+)", last)
    assert found and float(found[1]) > 0.98


def test_a_recurrent_network_remembers(capsys: pytest.CaptureFixture[str]) -> None:
    losses = [float(line.rpartition(" ")[2]) for line in lines("rnn_echo.py", capsys)]
    assert losses[0] > 0.6 and losses[-1] < 0.05


def test_word_vectors_are_near_those_of_their_topic(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines("word2vec.py", capsys)[-2:] == ["nearest to king: crown, queen, throne", "nearest to wave: sand, shell, tide"]
