"""Weight files are read as they are, and refused where they are not what they say."""

import json
import mmap
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from flowc.ir.types import DType
from flowc.lang.weights import WeightError, open_weights, sha256

ARRAYS = {
    "layers.0.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "bias": np.array([1.5, -0.0, np.nan]),
    "ids": np.array([[1], [-2]], np.int64),
    "mask": np.array([True, False]),
    "scalar": np.array(7, np.int32),
    "empty": np.zeros((0, 3), np.uint8),
}


def write(path: Path) -> Path:
    match path.name:
        case "packed.npz":
            np.savez_compressed(path, **ARRAYS)  # type: ignore[arg-type]
        case "plain.npz":
            np.savez(path, **ARRAYS)  # type: ignore[arg-type]
        case _:
            save_file(ARRAYS, path)
    return path


@pytest.mark.parametrize("name", ["w.safetensors", "plain.npz", "packed.npz"])
def test_arrays_come_back_with_their_names_types_and_bits(name: str, tmp_path: Path) -> None:
    file = open_weights(write(tmp_path / name))
    assert {n: (s.dtype, s.shape) for n, s in file.arrays.items()} == {n: (DType(_named(a)), a.shape) for n, a in ARRAYS.items()}
    for n, array in ARRAYS.items():
        read = file.arrays[n].load()
        assert read.dtype == array.dtype and read.shape == array.shape and read.tobytes() == array.tobytes()


def test_arrays_in_column_order_and_of_big_endian_elements_are_made_row_major_and_native(tmp_path: Path) -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    np.savez(tmp_path / "w.npz", a=np.asfortranarray(array))
    read = open_weights(tmp_path / "w.npz").arrays["a"].load()
    assert read.dtype == np.float32 and read.flags.c_contiguous
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("name", ["w.safetensors", "plain.npz"])
def test_stored_arrays_are_mapped_not_copied(name: str, tmp_path: Path) -> None:
    read = open_weights(write(tmp_path / name)).arrays["layers.0.weight"].load()
    base: object = read
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap) or isinstance(base, mmap.mmap)


def test_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert sha256(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _safetensors(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


REFUSED = {
    "short": (b"abc", "w.safetensors is no safetensors file: its header would have 6513249 bytes, the file has 3"),
    "list": (_safetensors([]), "w.safetensors is no safetensors file: its header is not a JSON object"),
    "type": (
        _safetensors({"a": {"dtype": "F4", "shape": [], "data_offsets": [0, 0]}}),
        "w.safetensors: a has elements of type F4, which flowc does not have",
    ),
    "offsets": (
        _safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(4)),
        "w.safetensors: a needs 8 bytes, the header gives it 0..8 of 4",
    ),
    "negative": (
        _safetensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
        "w.safetensors: the header's entry for a lacks dtype, shape or data_offsets",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_broken_safetensors_file_is_refused(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(WeightError) as error:
        open_weights(tmp_path / "w.safetensors")
    assert str(error.value) == message


def test_objects_in_an_npz_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.array([{}], object))
    with pytest.raises(WeightError, match=r"w\.npz: a has elements of type object, which flowc does not have"):
        open_weights(tmp_path / "w.npz")


def test_more_members_than_are_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowc.lang.weights.MEMBERS", 1)
    np.savez(tmp_path / "w.npz", a=ARRAYS["bias"], b=ARRAYS["ids"])
    with pytest.raises(WeightError) as error:
        open_weights(tmp_path / "w.npz")
    assert str(error.value) == "w.npz has 2 members; at most 1 are read"


def test_other_files_and_missing_ones_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "w.npz").write_text("no zip")
    for name, message in {
        "w.pt": "weights come from .safetensors or .npz files, not .pt",
        "gone.npz": "gone.npz is no npz file",
        "gone.safetensors": "gone.safetensors cannot be read: No such file or directory",
        "w.npz": "w.npz is no npz file",
    }.items():
        with pytest.raises(WeightError) as error:
            open_weights(tmp_path / name)
        assert str(error.value) == message


def _named(array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> str:
    kind = {"f": "f", "i": "i", "u": "u", "b": "bool"}[array.dtype.kind]
    return kind if kind == "bool" else f"{kind}{array.dtype.itemsize * 8}"
