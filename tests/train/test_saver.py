"""Checkpoints of sessions hold all variables or say what does not fit."""

from pathlib import Path

import numpy as np
import pytest

import flowc as fc


def test_a_session_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    w = fc.Variable([1.0, 2.0], name="w")
    step = fc.train.Adam(0.1).minimize(fc.sum(w * w))
    saver = fc.train.Saver()
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        session.run(step)
        path = saver.save(session, tmp_path / "model.safetensors", global_step=1)
        session.run(step)
        wanted = session.run(w)
    assert Path(path).name == "model-1.safetensors"
    with fc.Session() as session:
        saver.restore(session, path)
        session.run(step)
        np.testing.assert_array_equal(session.run(w), wanted)


def test_a_checkpoint_that_does_not_fit_is_told_whole_and_changes_nothing(tmp_path: Path) -> None:
    w = fc.Variable([1.0, 2.0], name="w")
    path = tmp_path / "c.safetensors"
    with fc.Session() as session:
        session.run(w.initializer)
        session.save(path)
    with fc.Graph().as_default():
        v, w = fc.Variable(1.0, name="v"), fc.Variable([1.0], name="w")
        with fc.Session() as session:
            session.run(fc.global_variables_initializer())
            with pytest.raises(fc.Error) as wrong:
                session.restore(path)
            assert str(wrong.value) == (
                "error: c.safetensors does not fit the model: v is not in the file; w is f32[2] in the file and f32[1] in the model"
            )
            assert session.run([v, w]) == [1, 1]


def test_variables_without_a_value_are_not_saved(tmp_path: Path) -> None:
    w = fc.Variable(1.0, name="w")
    with fc.Session() as session, pytest.raises(fc.Error, match="w has no value yet"):
        fc.train.Saver([w]).save(session, tmp_path / "c.safetensors")
