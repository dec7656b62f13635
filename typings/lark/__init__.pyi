# What flowc calls of lark: its own annotations leave str-or-bytes texts and files unknown to a strict check.
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal

from lark.exceptions import (
    GrammarError as GrammarError,
    LarkError as LarkError,
    UnexpectedCharacters as UnexpectedCharacters,
    UnexpectedEOF as UnexpectedEOF,
    UnexpectedInput as UnexpectedInput,
    UnexpectedToken as UnexpectedToken,
)
from lark.lexer import Lexer, PostLex, TerminalDef, Token as Token
from lark.parsers.lalr_interactive_parser import InteractiveParser
from lark.tree import ParseTree, Tree as Tree
from lark.visitors import (
    Discard as Discard,
    Interpreter as Interpreter,
    Transformer as Transformer,
    Visitor as Visitor,
    v_args as v_args,
)

__version__: str

class Lark:
    terminals: list[TerminalDef]
    source_grammar: str
    def __init__(
        self,
        grammar: str,
        *,
        start: str | list[str] = ...,
        parser: Literal["lalr", "earley"] = ...,
        lexer: Literal["auto", "basic", "contextual"] | type[Lexer] = ...,
        postlex: PostLex | None = ...,
        transformer: Transformer[Token, Any] | None = ...,
        lexer_callbacks: dict[str, Callable[[Token], Token]] = ...,
        propagate_positions: bool | Callable[[ParseTree], bool] = ...,
        maybe_placeholders: bool = ...,
        keep_all_tokens: bool = ...,
        cache: bool | str = ...,
        g_regex_flags: int = ...,
    ) -> None: ...
    def parse(self, text: str, start: str | None = ..., on_error: Callable[[UnexpectedInput], bool] | None = ...) -> ParseTree: ...
    def parse_interactive(self, text: str | None = ..., start: str | None = ...) -> InteractiveParser: ...
    def lex(self, text: str, dont_ignore: bool = ...) -> Iterator[Token]: ...
    def get_terminal(self, name: str) -> TerminalDef: ...
    def save(self, f: BinaryIO) -> None: ...
    @classmethod
    def load(cls, f: BinaryIO) -> Lark: ...
