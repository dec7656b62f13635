"""Checkpoints are written whole, and read whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from flowc.checkpoint import restore, save
from flowc.errors import UsageError

W, N = np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64)


def test_what_was_saved_is_restored(tmp_path: Path) -> None:
    save({"w": W, "n": N}, tmp_path / "c.safetensors")
    params, state = {"w": np.zeros_like(W)}, {"n": np.zeros_like(N)}
    restore((params, state), tmp_path / "c.safetensors")
    np.testing.assert_array_equal(params["w"], W)
    assert state["n"] == 7


def test_a_checkpoint_of_another_model_changes_nothing_and_tells_all_that_is_wrong(tmp_path: Path) -> None:
    save({"w": W, "m": N}, tmp_path / "c.safetensors")
    params = {"w": np.zeros(3, np.float32), "n": np.zeros_like(N)}
    with pytest.raises(UsageError) as told:
        restore((params,), tmp_path / "c.safetensors")
    assert str(told.value) == (
        "error: c.safetensors does not fit the model: n is not in the file; m is in the file and not in the model; "
        "w is f32[2, 3] in the file and f32[3] in the model"
    )
    assert params["n"] == 0 and not params["w"].any()


def test_bf16_is_saved_and_restored_as_bf16(tmp_path: Path) -> None:
    w = W.astype(pytest.importorskip("ml_dtypes").bfloat16)
    save({"w": w}, tmp_path / "c.safetensors")
    params = {"w": np.zeros_like(w)}
    restore((params,), tmp_path / "c.safetensors")
    assert params["w"].dtype == w.dtype and (params["w"] == w).all()


@pytest.mark.skipif(os.name == "nt", reason="files have no mode there")
def test_a_checkpoint_is_as_readable_as_any_new_file(tmp_path: Path) -> None:
    save({"n": N}, tmp_path / "c.safetensors")
    (tmp_path / "other").touch()
    assert (tmp_path / "c.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.safetensors", "other"]
