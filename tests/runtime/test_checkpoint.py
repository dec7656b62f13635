"""A library keeps its params and states in safetensors files without the compiler, and says what is no such file."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import flowc
import flowc_runtime
from flowc_runtime.checkpoint import restore, save, stored

PROGRAM = """param w: f32[3] = zeros()
state n: i32 = 0

graph step(x: f32[3]) -> (loss: f32) {
  d = w - x
  loss = sum(d * d)
  w := w - 0.25 * d
  n := n + 1
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="a library is linked by the system's linker")
def test_a_library_goes_on_from_a_checkpoint_of_the_compiler_and_back(tmp_path: Path) -> None:
    model = flowc.loads(PROGRAM, flowc.Options(cache=False))
    model.write(tmp_path / "m.so")
    library = flowc_runtime.load(tmp_path / "m.so")
    x = np.array([1, 2, 4], np.float32)
    model.step(x)
    model.save(tmp_path / "a.safetensors")
    library.restore(tmp_path / "a.safetensors")
    assert library.step(x) == model.step(x)
    library.save(tmp_path / "b.safetensors")
    model.restore(tmp_path / "b.safetensors")
    assert library.step(x) == model.step(x)
    assert library.state["n"] == 3


def test_files_are_those_of_the_format(tmp_path: Path) -> None:
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "on": np.array(True), "n": np.array([], np.int64)}
    save(arrays, tmp_path / "a.safetensors")
    for name, array in load_file(tmp_path / "a.safetensors").items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype
    save_file(arrays, tmp_path / "b.safetensors", metadata={"made": "elsewhere"})
    into = {name: np.zeros_like(array) for name, array in arrays.items()}
    restore((into,), tmp_path / "b.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(into[name], array)


def test_all_that_does_not_fit_is_told(tmp_path: Path) -> None:
    save({"w": np.zeros(2), "m": np.zeros(1)}, tmp_path / "c.safetensors")
    into = {"w": np.ones(2, np.float32), "n": np.ones(1)}
    with pytest.raises(flowc_runtime.Error) as told:
        restore((into,), tmp_path / "c.safetensors")
    assert str(told.value) == (
        "c.safetensors does not fit the model: n is not in the file; m is in the file and not in the model; "
        "w is f64[2] in the file and f32[2] in the model"
    )
    assert into["w"].all()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x01", b"\xff" * 16, b"\x02\0\0\0\0\0\0\0[]", b"\x10\0\0\0\0\0\0\0" + b'{"w": {"dtype":1', b'\x09\0\0\0\0\0\0\0{"w": {}} '],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.safetensors").write_bytes(content)
    with pytest.raises(flowc_runtime.Error, match=r"c\.safetensors is no safetensors file"):
        stored(tmp_path / "c.safetensors")


def test_arrays_that_reach_beyond_the_file_are_refused(tmp_path: Path) -> None:
    save({"w": np.zeros(4)}, tmp_path / "c.safetensors")
    whole = (tmp_path / "c.safetensors").read_bytes()
    (tmp_path / "c.safetensors").write_bytes(whole[:-8])
    with pytest.raises(flowc_runtime.Error, match="its header does not describe arrays"):
        stored(tmp_path / "c.safetensors")
