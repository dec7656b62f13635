"""A model finds its own code, whatever folder and threads it is used from."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import flowc as fc
from flowc.model import Model
from flowc.source import Source

MAIN = 'flow 1.0\nimport "lib.flow" as lib\ngraph g(x: f32[3]) -> f32[3] {\n  return lib.f(x)\n}\n'
COUNTER = "flow 1.0\nstate n: i64 = 0\ngraph step() -> i64 {\n  n := n + 1\n  return n + 1\n}\n"


def saved(folder: Path, factor: int) -> Path:
    """A program in `folder` whose import multiplies by `factor`."""
    folder.mkdir()
    (folder / "lib.flow").write_text(f"flow 1.0\nfn f(x: f32[3]) -> f32[3] {{\n  return x * {factor}.0\n}}\n")
    (folder / "main.flow").write_text(MAIN)
    return folder / "main.flow"


def test_the_same_text_in_another_folder_imports_the_files_of_that_folder(tmp_path: Path) -> None:
    options, x = fc.Options(cache=tmp_path / "cache"), np.ones(3, np.float32)
    for factor in (2, 5):
        np.testing.assert_array_equal(fc.load(saved(tmp_path / str(factor), factor), options).g(x), factor * x)


def test_a_program_that_was_moved_with_its_imports_finds_its_code(tmp_path: Path) -> None:
    options, stages = fc.Options(cache=tmp_path / "cache"), list[str]()
    assert fc.load(saved(tmp_path / "here", 2), options).linked
    (tmp_path / "here").rename(tmp_path / "there")
    there = tmp_path / "there" / "main.flow"
    model = Model(Source(there.name, MAIN, there), options, lambda stage, _: stages.append(stage))
    np.testing.assert_array_equal(model.g(np.ones(3, np.float32)), np.full(3, 2, np.float32))
    assert stages == []


def test_threads_that_make_the_first_call_together_share_one_state() -> None:
    model = fc.loads(COUNTER, fc.Options(cache=False))
    together = threading.Barrier(4)

    def step() -> None:
        together.wait()
        model.step()

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.state["n"] == 4


def test_a_graph_named_like_something_of_a_model_is_found_by_its_name() -> None:
    model = fc.loads("graph save(x: f32[N]) -> f32[N] { return x + 1.0 }", options=fc.Options(cache=False))
    np.testing.assert_array_equal(model["save"](np.zeros(2, np.float32)), [1, 1])
    with pytest.raises(KeyError, match='<text> has no graph sav, did you mean "save"'):
        model["sav"]


def test_a_graph_that_is_not_there_is_told_when_it_is_asked_for() -> None:
    text = "graph first(x: f32[N]) -> f32[N] { return x }\ngraph second(x: f32[N]) -> f32[N] { return x }"
    options = fc.Options(cache=False)
    with pytest.raises(fc.UsageError, match=r"^error: the program has the graphs first, second: say which with graph=$"):
        fc.compile(text, options=options)
    with pytest.raises(fc.UsageError, match=r'^error: the program has no graph secnd, did you mean "second"\?$'):
        fc.compile(text, "secnd", options)


def test_params_and_states_show_their_types() -> None:
    text = "param w: f32[2, 3] = zeros()\nstate n: i64 = 0\ngraph g() -> f32[2, 3] { return w }"
    model = fc.loads(text, options=fc.Options(cache=False))
    assert (repr(model.params), repr(model.state)) == ("{w: f32[2, 3]}", "{n: i64}")


def test_a_param_without_an_initialiser_is_given_before_the_first_run(tmp_path: Path) -> None:
    text = "state a: f32\nparam w: f32[2]\nparam z: f32[2] = ones()\ngraph f(x: f32) -> f32 {\n  a := x\n  return a + sum(w * z)\n}\n"
    model, other = (fc.loads(text, fc.Options(cache=False)) for _ in range(2))
    said = "error: w, a have no value yet: without an initialiser, assign one or restore a checkpoint first"
    for use in (lambda: model.f(1.0), lambda: model.save(tmp_path / "no.safetensors")):
        with pytest.raises(fc.Error) as told:
            use()
        assert str(told.value) == said
    model.state["a"] = 2
    with pytest.raises(fc.Error, match=r"^error: w has no value yet: "):
        model.f(1.0)
    model.params["w"] = [1, 2]
    assert (model.f(1.0), model.f(0.0)) == (5.0, 4.0)
    model.save(tmp_path / "yes.safetensors")
    other.restore(tmp_path / "yes.safetensors")
    assert other.f(0.0) == 3.0
