"""Runs compiled graphs without the compiler; needs numpy only."""

from flowc_runtime.errors import Error
from flowc_runtime.model import Model, load
from flowc_runtime.processors import available_threads

__all__ = ["Error", "Model", "available_threads", "load"]
