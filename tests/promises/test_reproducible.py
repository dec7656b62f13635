"""Two compilations in two processes, from two folders, after others or before them, give the same bytes after every stage."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.promises.samples import SAMPLES

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib, json, sys
from dataclasses import replace
from pathlib import Path
from flowc.codegen.artifact import write
from flowc.codegen.driver import emit
from flowc.ir.printer import print_module
from flowc.options import Options
from flowc.source import Source
from flowc.stages import compiled, elaborated
from flowc.target import host
from tests.promises.every_op import DType, module

made = {}

def keep(name, what):
    made[name] = hashlib.sha256(what if isinstance(what, bytes) else what.encode()).hexdigest()

def observed(name):
    return lambda stage, what: keep(f"{name} {stage}", what if isinstance(what, str) else print_module(what, locations=True))

for path in map(Path, sys.argv[1:]):
    source = Source(path.name, path.read_text(), path)
    found = compiled(elaborated(source, None, observed(path.name)), Options(), observed(path.name))
    keep(f"{path.name} code", found.code)
    planned = compiled(elaborated(source), Options(), stop="plan").module
    for file in write(replace(planned, name=path.stem), path.with_suffix(".o"), host()):
        keep(f"{path.name} {file.suffix}", file.read_bytes())
planned = compiled(module(DType.f32), Options(), observed("ops"), "plan").module
keep("ops emit", emit(planned, host()))
print(json.dumps(made))
"""


def hashes(folder: Path, seed: str, order: int) -> dict[str, str]:
    """What a process with that hash seed makes of the samples in `folder`, one after the other."""
    folder.mkdir()
    for file in (ROOT / "samples").iterdir():
        if file.suffix in (".flow", ".safetensors"):
            shutil.copy(file, folder)
    paths = [str(folder / path.name) for path in SAMPLES[::order]]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, *paths], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_bytes_depend_on_the_program_alone(tmp_path: Path) -> None:
    one, other = hashes(tmp_path / "one", "1", 1), hashes(tmp_path / "a folder of another name", "4242", -1)
    assert [name for name in one if one[name] != other.get(name)] == []
    made = {name.rpartition(" ")[2] for name in one}
    stages = {"read", "elaborate", "simplify", "place", "layout", "fuse", "schedule", "plan", "emit"}
    assert made >= stages | {".o", ".h", "code"}
