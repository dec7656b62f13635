"""A program whose tests hold natively and on the interpreter."""

import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parent / "native.flow"


def test_scans_derivatives_and_borders_are_the_same_natively_and_on_the_interpreter() -> None:
    for command in ("test", "fmt", "check"):
        options = ["--check"] if command == "fmt" else []
        arguments = [sys.executable, "-m", "flowc.cli", command, *options, str(FILE)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
