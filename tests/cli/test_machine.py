"""`flowc ops`, `flowc devices`, and how things are told."""

from __future__ import annotations

import json
import sys
import time

import pytest

from flowc.cli.terminal import Progress, bytes_text, coloured, seconds_text, table
from flowc.ops.call import built_ins, missing, signature_text
from flowc.ops.reference import reference
from flowc.target import host
from flowc_runtime import available_threads

from .conftest import Flowc


def test_every_function_is_listed_with_its_signature_in_order_of_name(flowc: Flowc) -> None:
    lines = flowc("ops").stdout.splitlines()
    classes = sorted(dict.fromkeys(built_ins().values()), key=lambda cls: cls.name)
    assert [line.partition(")  ")[0] for line in lines] == [signature_text(cls)[:-1] for cls in classes]


def test_reference_of_a_function_is_that_of_its_class(flowc: Flowc) -> None:
    assert flowc("ops", "softmax").stdout == reference(built_ins()["softmax"]).rstrip() + "\n"
    alias, cls = next((alias, cls) for cls in built_ins().values() for alias in cls.aliases)
    assert flowc("ops", alias).stdout == flowc("ops", cls.name).stdout


def test_reference_as_json_has_the_parameters(flowc: Flowc) -> None:
    told = json.loads(flowc("ops", "sum", "--json").stdout)
    assert told["parameters"] == [
        {"name": "x", "takes": "a tensor", "required": True, "by_name": False},
        {"name": "axis", "takes": told["parameters"][1]["takes"], "required": False, "by_name": told["parameters"][1]["by_name"]},
        {"name": "keepdims", "takes": "true or false", "required": False, "by_name": told["parameters"][2]["by_name"]},
    ]
    assert len(json.loads(flowc("ops", "--json").stdout)) == len(set(built_ins().values()))


def test_functions_that_the_language_names_and_that_are_not_there_are_listed(flowc: Flowc) -> None:
    lacking = missing()
    assert flowc("ops", "--missing").stdout.splitlines() == list(lacking.values())
    assert json.loads(flowc("ops", "--missing", "--json").stdout) == [{"name": n, "signature": text} for n, text in lacking.items()]
    said = flowc("ops", "sum", "--missing")
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (2, "Error: --missing lists all that are not there, and takes no name.")


def test_unknown_function_is_wrong_usage_with_the_nearest_one(flowc: Flowc) -> None:
    said = flowc("ops", "sofmax")
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (2, 'Error: There is no function sofmax: did you mean "softmax"?')


def test_devices_are_those_of_this_machine(flowc: Flowc) -> None:
    own, threads = host(), available_threads()
    (cpu,) = json.loads(flowc("devices", "--json").stdout)
    assert (cpu["name"], cpu["cpu"], cpu["triple"], cpu["threads"]) == ("cpu(0)", own.cpu, own.triple, threads)
    assert flowc("devices").stdout.startswith(f"cpu(0): {own.cpu}, {own.triple}, {threads} thread")


def test_cache_that_is_switched_off_is_wrong_usage(flowc: Flowc) -> None:
    said = flowc("cache")
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (2, "Error: FLOWC_CACHE is empty, so that nothing is kept.")


def test_diagnostics_have_colours_that_can_be_taken_away() -> None:
    plain = "m.flow:1:2: error: wrong\n    x = y\n        ^\nnote: so\nhelp: write z"
    shown = coloured(plain)
    assert "\033[31m\033[1merror:\033[0m wrong" in shown and "\033[32m        ^\033[0m" in shown
    import click

    assert click.unstyle(shown) == plain


@pytest.mark.parametrize(("seconds", "text"), [(2.5, "2.50 s"), (0.0123, "12.3 ms"), (123e-6, "123 us"), (5e-9, "5 ns")])
def test_times_have_three_digits(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_bytes_and_tables_are_written_for_people() -> None:
    assert (bytes_text(1), bytes_text(12345)) == ("1 byte", "12,345 bytes")
    assert table([("a", "long", ""), ("bcd", "x", "y")]) == ["a    long", "bcd  x     y"]


class Screen:
    """A terminal that keeps what is written to it."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_progress_is_shown_on_a_terminal_with_a_bound_when_work_takes_over_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    monkeypatch.setattr("flowc.cli.terminal.PATIENCE", 0.05)
    with Progress(4, "stages") as progress:
        assert screen.text == ""
        progress.at(3, "emit")
        time.sleep(0.3)
    assert screen.text.startswith("\r\033[K[##################......] 3/4 stages emit 0 s")
    assert screen.text.endswith("\r\033[K")


def test_progress_of_short_work_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    with Progress(4, "stages") as progress:
        progress.at(4)
    assert screen.text == ""
