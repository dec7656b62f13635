"""The grammars of the language and of the IR text, installed as `flowc.grammar`."""
