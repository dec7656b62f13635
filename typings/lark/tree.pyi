from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

Leaf = TypeVar("Leaf")

class Meta:
    empty: bool
    line: int
    column: int
    start_pos: int
    end_line: int
    end_column: int
    end_pos: int

class Tree(Generic[Leaf]):
    data: str
    children: list[Tree[Leaf] | Leaf]
    @property
    def meta(self) -> Meta: ...
    def __init__(self, data: str, children: list[Tree[Leaf] | Leaf], meta: Meta | None = ...) -> None: ...
    def pretty(self, indent_str: str = ...) -> str: ...
    def iter_subtrees(self) -> Iterator[Tree[Leaf]]: ...
    def iter_subtrees_topdown(self) -> Iterator[Tree[Leaf]]: ...
    def find_data(self, data: str) -> Iterator[Tree[Leaf]]: ...
    def find_pred(self, pred: Callable[[Tree[Leaf]], bool]) -> Iterator[Tree[Leaf]]: ...

# Leaves are tokens, and None too where the grammar is read with maybe_placeholders: the reader says which it expects.
ParseTree = Tree[Any]
