from lark.lexer import Token
from lark.parsers.lalr_interactive_parser import InteractiveParser

class LarkError(Exception): ...
class GrammarError(LarkError): ...
class ParseError(LarkError): ...
class LexError(LarkError): ...

class UnexpectedInput(LarkError):
    line: int
    column: int
    pos_in_stream: int | None
    def get_context(self, text: str, span: int = ...) -> str: ...

class UnexpectedToken(ParseError, UnexpectedInput):
    token: Token
    expected: set[str]
    considered_rules: set[str] | None
    interactive_parser: InteractiveParser
    token_history: list[Token] | None
    @property
    def accepts(self) -> set[str]: ...

class UnexpectedEOF(ParseError, UnexpectedInput):
    expected: list[str]

class UnexpectedCharacters(LexError, UnexpectedInput):
    char: str
    allowed: set[str] | None
    considered_tokens: set[str]
    token_history: list[Token] | None

class VisitError(LarkError):
    rule: str
    orig_exc: Exception
