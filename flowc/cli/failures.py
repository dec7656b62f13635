"""How a command ends: the exit status of what went wrong, and what is left for a report of an internal error."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from flowc.cli.terminal import coloured, tell

if TYPE_CHECKING:
    from flowc.ir.core import Module

DONE, AT_FAULT, USAGE, DIFFERENT, INTERNAL, INTERRUPTED, NO_READER = 0, 1, 2, 3, 70, 130, 141


class Failed(Exception):
    """A test or a comparison failed, and everything about it is told."""


@dataclass
class Journal:
    """How far a command has come: the stage that was finished last, and what it gave."""

    stage: str = ""
    what: Module | str = ""

    def observe(self, stage: str, what: Module | str) -> None:
        self.stage, self.what = stage, what


def not_yet(what: str) -> NoReturn:
    """Ends the command for something that flowc does not have."""
    from flowc.errors import UsageError

    raise UsageError(f"{what} is not there yet")


def journal() -> Journal:
    """The journal of the command that is running."""
    return click.get_current_context().find_root().ensure_object(Journal)


def status(run: Callable[[], Any], arguments: Sequence[str], kept: Journal) -> int:
    """The exit status of `run`, whose errors are told on stderr."""
    try:
        found = _status(run)
        sys.stdout.flush()
        return found
    except BrokenPipeError:
        _nobody_reads()
        return NO_READER
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except OSError as error:
        return _refused(error)
    except Exception as error:
        return _internal(error, arguments, kept)


def _status(run: Callable[[], Any]) -> int:
    """The exit status of `run`, where what went wrong is the user's to mend."""
    try:
        return run() or DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Failed:
        return DIFFERENT
    except ValueError as error:
        from flowc.errors import Error

        if not isinstance(error, Error):
            raise
        tell(coloured(str(error)))
        return AT_FAULT


def _refused(error: OSError) -> int:
    """Tells what the system did not let happen."""
    tell(coloured(f"error: {': '.join(filter(None, (error.filename and str(error.filename), error.strerror or str(error))))}"))
    try:
        sys.stdout.flush()
    except OSError:
        _nobody_reads()
    return AT_FAULT


def _nobody_reads() -> None:
    """Keeps the interpreter from telling at its end that nothing takes what stdout still holds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _internal(error: Exception, arguments: Sequence[str], kept: Journal) -> int:
    """Tells of an error of flowc's own in one line, and leaves what reproduces it."""
    trace = "".join(traceback.format_exception(error))
    if os.environ.get("FLOWC_TRACEBACK") == "1":
        tell(trace.rstrip())
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
    try:
        left = f"a reproducer is in {_reproducer(arguments, kept, trace)}"
    except OSError:
        left = "FLOWC_TRACEBACK=1 shows where"
    tell(f"flowc: internal error{f' after stage {kept.stage}' if kept.stage not in ('', 'source') else ''}: {what}; {left}")
    return INTERNAL


def _reproducer(arguments: Sequence[str], kept: Journal, trace: str) -> Path:
    """A folder with the command, the traceback, the versions, and the IR before the stage that failed."""
    from flowc.cli.stages import file_name, text_of
    from flowc.cli.versions import versions

    folder = Path(tempfile.mkdtemp(prefix="flowc-"))
    (folder / "command.txt").write_text(f"flowc {shlex.join(arguments)}\n", encoding="utf-8")
    (folder / "traceback.txt").write_text(trace, encoding="utf-8")
    (folder / "versions.txt").write_text("".join(f"{name} {number}\n" for name, number in versions().items()), encoding="utf-8")
    if kept.stage:
        (folder / file_name(kept.stage)).write_text(text_of(kept.what), encoding="utf-8")
    return folder
