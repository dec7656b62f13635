"""Checkpoints: the variables of a session in a safetensors file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flowc.graph.session import Session
from flowc.graph.variables import Variable


class Saver:
    """Writes and reads the variables of `var_list`, all where left out, in safetensors files."""

    def __init__(self, var_list: Sequence[Variable] | None = None) -> None:
        self.var_list = var_list

    def save(self, sess: Session, save_path: str | os.PathLike[str], global_step: int | None = None) -> str:
        """The path of the file, with `-<global_step>` where that is given; it is written whole or not at all."""
        path = Path(save_path)
        if global_step is not None:
            path = path.with_name(f"{path.stem}-{int(global_step)}{path.suffix}")
        sess.save(path, self.var_list)
        return str(path)

    def restore(self, sess: Session, save_path: str | os.PathLike[str]) -> None:
        """Raises `UsageError` telling every name, shape and dtype that does not fit; then nothing is changed."""
        sess.restore(save_path, self.var_list)
