"""A command line in a folder of its own, and programs to give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flowc.cli import cli

Flowc = Callable[..., Result]

SCALE = """graph scale(x: f32[N]) -> (y: f32[N], s: f32) {
  h = x + 1.0
  y = h * 2.0
  s = sum(h)
}
"""
STEP = """param w: f32[3] = zeros()
state n: i32 = 0

graph step(x: f32[3]) -> (loss: f32, count: i32) {
  d = w - x
  loss = sum(d * d)
  w := w - 0.25 * d
  n := n + 1
  count = n
}
"""
CHECKED = """graph add(a: f32[N], b: f32[M]) -> (c: f32[N]) {
  c = a + b
}
graph pick(t: f32[N], i: i64[M]) -> (r: f32[M]) {
  r = take(t, i)
}
"""
WRONG = "graph f(x: f32[N]) -> (y: f32[N]) {\n  y = rel(x)\n}\n"


@pytest.fixture
def flowc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flowc:
    """Runs a command where `scale.flow`, `step.flow`, `checked.flow` and `wrong.flow` lie, without a cache."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"scale": SCALE, "step": STEP, "checked": CHECKED, "wrong": WRONG}.items():
        (tmp_path / f"{name}.flow").write_text(text)

    def run(*arguments: str, given: str | bytes = "", env: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(cli, arguments, input=given, env={"FLOWC_CACHE": "", **(env or {})})

    return run
