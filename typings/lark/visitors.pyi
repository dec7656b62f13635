from collections.abc import Callable
from typing import Any, Generic, TypeVar

from lark.tree import Tree

Leaf = TypeVar("Leaf")
Result = TypeVar("Result")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

Discard: Any

class Transformer(Generic[Leaf, Result]):
    def __init__(self, visit_tokens: bool = ...) -> None: ...
    def transform(self, tree: Tree[Leaf]) -> Result: ...

class Visitor(Generic[Leaf]):
    def visit(self, tree: Tree[Leaf]) -> Tree[Leaf]: ...
    def visit_topdown(self, tree: Tree[Leaf]) -> Tree[Leaf]: ...

class Interpreter(Generic[Leaf, Result]):
    def visit(self, tree: Tree[Leaf]) -> Result: ...
    def visit_children(self, tree: Tree[Leaf]) -> list[Result]: ...

def v_args(inline: bool = ..., meta: bool = ..., tree: bool = ...) -> Callable[[Decorated], Decorated]: ...
