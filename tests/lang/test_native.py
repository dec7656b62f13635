"""Programs of scans and derivatives, natively as on the interpreter."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import flowc as fc
from flowc.ops.interpret import initial_state, run
from tests.lang.programs import module

FILE = Path(__file__).parent / "native.flow"


def test_scans_derivatives_and_borders_are_the_same_natively_and_on_the_interpreter() -> None:
    for command in ("test", "fmt", "check"):
        options = ["--check"] if command == "fmt" else []
        arguments = [sys.executable, "-m", "flowc.cli", command, *options, str(FILE)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


STEP = """state k: f32 = 0
graph f(x: f32[N], h0: f32) -> (a: f32[N]) {
  @remat
  h, ys = scan (v in x; h = h0) { yield tanh(h * v) emit h }
  d = if h > 0.0 { yield ys * h } else { yield x }
  a = grad(sum(d), wrt=[x])
  k := h
}
"""


def test_last_carry_of_a_scan_is_kept_and_its_stack_differentiated() -> None:
    """What computes a state's next value runs late, and all that reads its other results after it."""
    model = fc.loads(STEP, fc.Options(cache=False, threads=1))
    x, h0 = np.linspace(0.5, 1.5, 37).astype("f"), np.float32(0.75)
    made = module(STEP)
    state = initial_state(made)
    (expected,) = run(made.func("f"), (x, h0), state)
    np.testing.assert_allclose(model.f(x, h0), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.state["k"], state["k"], rtol=1e-6)
