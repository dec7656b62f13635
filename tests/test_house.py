"""What holds for the repository as a whole: who imports whom, what files hold, what the samples weigh."""

import ast
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"

# A part of flowc imports itself, parts of the layers before its own, and what EDGES allows.
LAYERS = (
    ("source", "errors", "target", "options"),
    ("ir",),
    ("ops",),
    ("derivatives",),
    ("lang", "graph", "transforms"),
    ("codegen",),
    ("cache", "checkpoint", "stages", "executable", "model"),
    ("session", "cli", "train"),
)
EDGES = {
    ("errors", "source"),
    ("options", "target"),
    ("graph", "stages"),
    ("graph", "executable"),
    ("graph", "checkpoint"),
    ("stages", "cache"),
    ("executable", "stages"),
    ("model", "stages"),
    ("model", "checkpoint"),
    ("model", "executable"),
    ("model", "cache"),
}
LAYER = {part: depth for depth, parts in enumerate(LAYERS) for part in parts}

MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(work|tmp|root|home|Users)\b")
PACKAGE_HOST = re.compile(r"\b(pypi|pythonhosted|npmjs|anaconda|conda|debian|ubuntu)\.(org|com|net)\b")


def test_imports_go_from_later_layers_to_earlier_ones() -> None:
    wrong: list[str] = []
    for file in sorted((ROOT / "flowc").rglob("*.py")):
        part = file.relative_to(ROOT / "flowc").parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        assert part in LAYER, f"{file.relative_to(ROOT)} belongs to no layer: give flowc/{part} one in LAYERS"
        wrong += [
            f"{file.relative_to(ROOT)}:{line}: {part} imports {imported}"
            for line, imported in imports(file)
            if imported.split(".")[0] == "flowc" and not may_import(part, [*imported.split("."), ""][1])
        ]
    assert not wrong, "\n".join(wrong)


def test_runtime_imports_only_numpy_and_the_standard_library() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "flowc_runtime"}
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {imported}"
        for file in sorted((ROOT / "runtime").rglob("*.py"))
        for line, imported in imports(file)
        if imported.split(".")[0] not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_import_of_flowc_leaves_parser_llvm_and_command_line_alone() -> None:
    program = "import sys, flowc; print(*sorted({'lark', 'llvmlite', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "\n"


def test_every_folder_with_code_is_a_package() -> None:
    folders = {file.parent for top in ("flowc", "runtime/flowc_runtime") for file in (ROOT / top).rglob("*.py")}
    assert sorted(folder.relative_to(ROOT) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_no_file_of_code_is_over_500_lines() -> None:
    code = [file for file in tracked() if file.suffix in (".py", ".pyi", ".lark")]
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in code}
    assert {name: lines for name, lines in lengths.items() if lines > 500} == {}


@pytest.mark.parametrize("pattern", [MACHINE_PATH, PACKAGE_HOST], ids=["machine paths", "package hosts"])
def test_no_tracked_file_names(pattern: re.Pattern[str]) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in tracked()
        if b"\0" not in (content := file.read_bytes())
        for number, line in enumerate(content.decode().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_committed_weights_classify_images_not_trained_on() -> None:
    assert held_out_accuracy(SAMPLES) >= 0.97


def test_training_in_numpy_gives_weights_as_good_as_the_committed_ones(tmp_path: Path) -> None:
    for name in ("train_digits.py", "digits.npz"):
        shutil.copy(SAMPLES / name, tmp_path)
    said = subprocess.run([sys.executable, tmp_path / "train_digits.py"], capture_output=True, text=True, check=True).stdout
    accuracy = held_out_accuracy(tmp_path)
    digest = hashlib.sha256((tmp_path / "digits.safetensors").read_bytes()).hexdigest()
    assert said == f"held-out accuracy {accuracy:.4f} on 599 images\nsha256 {digest}\n"
    assert accuracy >= 0.97


def test_held_out_images_are_every_third_image() -> None:
    with np.load(SAMPLES / "digits.npz") as whole, np.load(SAMPLES / "digits_heldout.npz") as part:
        assert whole["images"].shape == (1797, 8, 8) and whole["images"].dtype == np.uint8 and whole["images"].max() == 16
        np.testing.assert_array_equal(part["images"], whole["images"][2::3])
        np.testing.assert_array_equal(part["labels"], whole["labels"][2::3])
        assert part["labels"].dtype == np.int64


def test_hash_in_digits_flow_is_that_of_the_weights() -> None:
    pinned = re.findall(r'sha256 "(\w+)"', (SAMPLES / "digits.flow").read_text())
    assert pinned == [hashlib.sha256((SAMPLES / "digits.safetensors").read_bytes()).hexdigest()]


def held_out_accuracy(folder: Path) -> float:
    """The part of the held-out images that the weights in `folder` classify rightly, computed in f64."""
    weights = {name: array.astype(np.float64) for name, array in load_file(folder / "digits.safetensors").items()}
    with np.load(folder / "digits_heldout.npz") as digits:
        images, labels = digits["images"], digits["labels"]
    hidden = np.maximum(images.reshape(-1, 64) / 16 @ weights["fc1.weight"] + weights["fc1.bias"], 0)
    logits = hidden @ weights["fc2.weight"] + weights["fc2.bias"]
    return float(np.mean(logits.argmax(axis=1) == labels))


def may_import(part: str, other: str) -> bool:
    """Whether flowc/`part` may import flowc/`other`; a name that is no part is flowc itself, which stands above all."""
    return part == other or (part, other) in EDGES or LAYER.get(other, len(LAYERS)) < LAYER[part]


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each import in `file`, at any depth."""
    package = [folder for folder in file.relative_to(ROOT).parent.parts if folder != "runtime"]
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import():
                yield from ((node.lineno, name.name) for name in node.names)
            case ast.ImportFrom():
                above = package[: len(package) - node.level + 1] if node.level else ()
                module = ".".join([*above, *([node.module] if node.module else [])])
                yield from ((node.lineno, f"{module}.{name.name}") for name in node.names)
            case _:
                pass


def tracked() -> list[Path]:
    """The files of the repository that git knows and that are there."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]
