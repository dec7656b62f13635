"""Static libraries: one object and an index of its symbols, in the format its linkers read; the same bytes each time."""

from __future__ import annotations

import struct
from collections.abc import Sequence

MAGIC = b"!<arch>\n"


def archive(name: str, code: bytes, symbols: Sequence[str]) -> bytes:
    """The library that holds the object file `code`, which defines `symbols`."""
    if code[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"):
        return _bsd(f"{name}.o", code, [f"_{s}" for s in symbols])
    return _system_v(f"{name[:12]}.o/", code, symbols)


def _system_v(name: str, code: bytes, symbols: Sequence[str]) -> bytes:
    """For ELF and COFF: the index is a member named `/`, its numbers big-endian."""
    texts = b"".join(s.encode() + b"\0" for s in symbols)
    length = 4 + 4 * len(symbols) + len(texts)
    at = len(MAGIC) + 60 + length + length % 2
    index = struct.pack(">I", len(symbols)) + struct.pack(">I", at) * len(symbols) + texts
    return MAGIC + _member("/", index) + _member(name, code)


def _bsd(name: str, code: bytes, symbols: Sequence[str]) -> bytes:
    """For Mach-O: the index is a member named `__.SYMDEF`; names stand before the contents, which begin at multiples of 8."""
    texts = b"".join(s.encode() + b"\0" for s in symbols)
    texts += b"\0" * (-len(texts) % 8)
    starts = [sum(len(s) + 1 for s in symbols[:n]) for n in range(len(symbols))]
    length = 8 + 8 * len(symbols) + len(texts)
    at = len(MAGIC) + len(_named("__.SYMDEF", b"\0" * length))
    pairs = b"".join(struct.pack("<II", start, at) for start in starts)
    index = struct.pack("<I", len(pairs)) + pairs + struct.pack("<I", len(texts)) + texts
    return MAGIC + _named("__.SYMDEF", index) + _named(name, code + b"\0" * (-len(code) % 8))


def _named(name: str, content: bytes) -> bytes:
    text = name.encode()
    text += b"\0" * (-(60 + len(text)) % 8)
    return _member(f"#1/{len(text)}", text + content)


def _member(name: str, content: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'644':<8}{len(content):<10}`\n"
    return head.encode() + content + b"\n" * (len(content) % 2)
