"""Nested lists, tuples and dicts of fetches or results, and the flat lists they are run as."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any


def leaves(structure: Any) -> Iterator[Any]:
    """What stands in the nested structure, in order."""
    match structure:
        case Mapping():
            for value in structure.values():  # pyright: ignore[reportUnknownVariableType]
                yield from leaves(value)
        case list() | tuple():
            for value in structure:  # pyright: ignore[reportUnknownVariableType]
                yield from leaves(value)
        case _:
            yield structure


def mapped(structure: Any, value: Callable[[Any], Any]) -> Any:
    """The structure with each leaf replaced; named tuples stay what they are."""
    match structure:
        case Mapping():
            return {key: mapped(x, value) for key, x in structure.items()}  # pyright: ignore[reportUnknownVariableType]
        case tuple() if hasattr(structure, "_fields"):  # pyright: ignore[reportUnknownArgumentType]
            return type(structure)(*(mapped(x, value) for x in structure))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list():
            return [mapped(x, value) for x in structure]  # pyright: ignore[reportUnknownVariableType]
        case tuple():
            return tuple(mapped(x, value) for x in structure)  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value(structure)


def paths(structure: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves, each with the way to it: `name.key.0`."""
    match structure:
        case Mapping():
            for key, value in structure.items():  # pyright: ignore[reportUnknownVariableType]
                yield from paths(value, f"{name}.{key}")
        case list() | tuple():
            for key, value in zip(getattr(structure, "_fields", count()), structure, strict=False):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
                yield from paths(value, f"{name}.{key}")
        case _:
            yield name, structure


def layout(structure: Any) -> Any:
    """What structures of one form have in common; it can be hashed where the keys can."""
    match structure:
        case Mapping():
            return dict, tuple((key, layout(x)) for key, x in structure.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple():
            return type(structure), tuple(map(layout, structure))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return None
