from collections.abc import Collection, Iterator

class Token(str):
    type: str
    value: str
    start_pos: int | None
    line: int | None
    column: int | None
    end_line: int | None
    end_column: int | None
    end_pos: int | None
    def __new__(
        cls,
        type: str,
        value: str,
        start_pos: int | None = ...,
        line: int | None = ...,
        column: int | None = ...,
        end_line: int | None = ...,
        end_column: int | None = ...,
        end_pos: int | None = ...,
    ) -> Token: ...
    @classmethod
    def new_borrow_pos(cls, type_: str, value: str, borrow_t: Token) -> Token: ...
    def update(self, type: str | None = ..., value: str | None = ...) -> Token: ...

class Pattern:
    value: str

class TerminalDef:
    name: str
    pattern: Pattern
    priority: int
    def user_repr(self) -> str: ...

class Lexer: ...
class LexerState: ...
class LexerThread: ...

class PostLex:
    always_accept: Collection[str]
    def process(self, stream: Iterator[Token]) -> Iterator[Token]: ...
