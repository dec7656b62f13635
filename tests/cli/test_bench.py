"""`flowc bench`: what is counted, and what is told of it."""

from __future__ import annotations

import json
import re

import pytest

from flowc.cli import bench
from flowc.cli.bench import Speed
from flowc.cli.speed import Work, work
from flowc.ir.core import Module
from flowc.ir.parser import parse_module
from flowc.ops.catalog import catalog
from flowc.options import Options
from flowc.source import Source
from flowc.stages import compiled, elaborated
from flowc.transforms.fuse import fuse

from .conftest import Flowc


def kernels(text: str) -> Module:
    """A program as kernels."""
    return compiled(elaborated(Source("m.flow", text)), Options(), stop="fuse").module


def test_product_of_matrices_takes_two_operations_a_term() -> None:
    module = kernels("graph f(x: f32[N, K], w: f32[K, 5]) -> (y: f32[N, 5]) { y = x @ w }\n")
    assert work(module.func("f"), {"N": 3, "K": 7}) == Work(2 * 3 * 7 * 5, 4 * (3 * 7 + 7 * 5 + 3 * 5))


def test_values_that_are_fused_away_move_no_bytes() -> None:
    module = kernels("graph f(x: f64[N]) -> (y: f64[N]) {\n  a = x * 2.0\n  y = a + x\n}\n")
    assert work(module.func("f"), {"N": 10}) == Work(2 * 10, 8 * 2 * 10)


def test_sum_takes_an_operation_a_term_and_integers_take_none() -> None:
    module = kernels("graph f(x: f32[N], i: i32[N]) -> (s: f32, t: i32) {\n  s = sum(x)\n  t = sum(i)\n}\n")
    assert work(module.func("f"), {"N": 100}) == Work(100, 4 * (100 + 1 + 100 + 1))


def test_loop_leaves_the_work_unknown() -> None:
    module = kernels("graph f(x: f32) -> (y: f32) { y = loop (v = x) while v < 9.0 limit 10 { yield v + 1.0 } }\n")
    assert not work(module.func("f"), {}).known


def test_speed_is_told_for_each_number_of_threads(flowc: Flowc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SAMPLE", 0.0005)
    said = flowc("bench", "scale.flow", "scale", "--dim", "N=1000", "--threads", "1,2")
    assert (said.exit_code, said.stderr) == (0, "")
    one, two = said.stdout.splitlines()
    number, time = r"[\d.,e-]+", r"[\d.]+ [mun]?s"
    assert re.fullmatch(
        rf"1 thread: {time} a call \({time} to {time}\), {number} GFLOP/s \(\d+% of {number} measured\), "
        rf"{number} GB/s \(\d+% of {number} copied\)",
        one,
    )
    assert two.startswith("2 threads: ")


def test_measurement_is_data_too(flowc: Flowc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SAMPLE", 0.0005)
    monkeypatch.setattr(bench, "SAMPLES", 3)
    (told,) = json.loads(flowc("bench", "scale.flow", "scale", "--dim", "N=1000", "--threads", "1", "--json").stdout)
    assert (told["threads"], len(told["samples"])) == (1, 3)
    assert sorted(told["samples"])[1] == told["seconds"]
    assert told["flops"] == 3 * 1000


def test_rates_are_shares_of_what_was_measured() -> None:
    speed = Speed(1, (2e-3, 1e-3, 4e-3), 10, 1e12, 4e10)
    assert bench._line(speed, Work(10**9, 10**7)) == (  # pyright: ignore[reportPrivateUsage]
        "1 thread: 2.00 ms a call (1.00 ms to 4.00 ms), 500 GFLOP/s (50% of 1,000 measured), 5 GB/s (12% of 40 copied)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("pick", "Say the sizes of pick: --dim N=... --dim M=...."),
        ("pick --dim N=3 --dim M=4 --dim K=5", "pick has no size K: its sizes are N, M"),
        ("pik", 'checked.flow has no graph pik: did you mean "pick"?'),
        ("pick --threads 1,x", "Invalid value for '--threads': 1,x is no list of numbers of threads, as 1,2"),
    ],
)
def test_wrong_usage_of_bench_is_told(flowc: Flowc, arguments: str, message: str) -> None:
    said = flowc("bench", "checked.flow", *arguments.split())
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr.splitlines()[-1] == f"Error: {message}"


def test_profile_is_not_there_yet(flowc: Flowc) -> None:
    said = flowc("bench", "scale.flow", "scale", "--profile")
    assert (said.exit_code, said.stderr) == (1, "error: flowc bench --profile is not there yet\n")


def test_inputs_may_be_fed(flowc: Flowc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SAMPLES", 1)
    monkeypatch.setattr(bench, "SAMPLE", 0.0005)
    arguments = ["bench", "checked.flow", "pick", "--dim", "N=3", "--dim", "M=2", "--threads", "1"]
    assert flowc(*arguments, "--feed", "i=[2, 1]").exit_code == 0
    said = flowc(*arguments, "--feed", "i=[2, 3]")
    assert (said.exit_code, said.stderr.splitlines()[0]) == (1, "checked.flow:5:7: error: index 3 is out of range for size 3: i indexes t")


def test_work_of_a_scan_is_that_of_its_steps_and_slices() -> None:
    catalog()
    module = parse_module("""// flowc ir 1
module @m

func @f[T in 0..](%x: f32[T, 2, 3], %h0: f32[2, 3], %w: f32[3, 3]) -> (%h: f32[2, 3]) {
  %h = scan [%x], [%h0], [T] : f32[2, 3] (%t: index[T], %s: f32[2, 3], %c: f32[2, 3]) {
    %m = matmul %c, %w : f32[2, 3]
    %n = add %m, %s : f32[2, 3]
    yield %n
  }
  return %h
}
""")
    assert work(fuse(module).func("f"), {"T": 10}) == Work(10 * (2 * 2 * 3 * 3 + 2 * 3), 10 * 4 * (2 * 3 + 3 * 3 + 2 * 3 + 2 * 3))


def test_work_of_a_recurrence_is_that_of_its_elements_at_each_step() -> None:
    catalog()
    module = parse_module("""// flowc ir 1
module @m

func @f[T in 0..](%x: f32[T, 5], %h0: f32[5]) -> (%ys: f32[T, 5]) {
  %h, %ys = scan [%x], [%h0], [T] : f32[5], f32[T, 5] (%t: index[T], %s: f32[5], %c: f32[5]) {
    %n = add %c, %s : f32[5]
    yield %n, %n
  }
  return %ys
}
""")
    assert work(fuse(module).func("f"), {"T": 10}) == Work(10 * 5, 4 * (10 * 5 + 5 + 10 * 5))
