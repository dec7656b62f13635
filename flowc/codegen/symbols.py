"""Which symbols an object file leaves to others: ELF, COFF, Mach-O and WebAssembly."""

from __future__ import annotations

import struct
from collections.abc import Iterator

LINKERS = ("_GLOBAL_OFFSET_TABLE_", ".TOC.")  # what every linker gives


def undefined_symbols(code: bytes) -> tuple[str, ...]:
    """The names the object uses and does not define, in order; raises `ValueError` for a format it does not know."""
    match code[:4]:
        case b"\x7fELF":
            found = _elf(code)
        case b"\xcf\xfa\xed\xfe" | b"\xce\xfa\xed\xfe":
            found = _mach_o(code)
        case b"\x00asm":
            found = _wasm(code)
        case _ if struct.unpack_from("<H", code)[0] in (0x8664, 0x14C, 0xAA64, 0x1C4):
            found = _coff(code)
        case start:
            raise ValueError(f"not an object file: it begins with {start.hex()}")
    return tuple(sorted({name for name in found if name and name not in LINKERS}))


def _text(code: bytes, at: int) -> str:
    return code[at : code.index(b"\0", at)].decode()


def _elf(code: bytes) -> Iterator[str]:
    wide, order = code[4] == 2, "<" if code[5] == 1 else ">"
    (table,) = struct.unpack_from(f"{order}Q" if wide else f"{order}I", code, 0x28 if wide else 0x20)
    size, count = struct.unpack_from(f"{order}HH", code, 0x3A if wide else 0x2E)
    head = struct.Struct(f"{order}4xI16xQQI" if wide else f"{order}4xI8xIII")  # kind, start, length, section of names
    heads: list[tuple[int, int, int, int]] = [head.unpack_from(code, table + n * size) for n in range(count)]
    for kind, start, length, link in heads:
        if kind != 2:
            continue
        _, names, _, _ = heads[link]
        step = 24 if wide else 16
        for at in range(start + step, start + length, step):
            name, section = struct.unpack_from(f"{order}IxxH" if wide else f"{order}I10xH", code, at)
            if section == 0:
                yield _text(code, names + name)


def _coff(code: bytes) -> Iterator[str]:
    symbols, count = struct.unpack_from("<II", code, 8)
    strings, at = symbols + count * 18, 0
    while at < count:
        name, value, section, _, storage, more = struct.unpack_from("<8sIhHBB", code, symbols + at * 18)
        if section == 0 and value == 0 and storage == 2:
            far = name[:4] == b"\0\0\0\0"
            yield _text(code, strings + struct.unpack("<I", name[4:])[0]) if far else name.rstrip(b"\0").decode()
        at += 1 + more


def _mach_o(code: bytes) -> Iterator[str]:
    wide = code[0] == 0xCF
    at, commands = 32 if wide else 28, struct.unpack_from("<I", code, 16)[0]
    for _ in range(commands):
        command, size = struct.unpack_from("<II", code, at)
        if command == 2:
            symbols, count, strings, _ = struct.unpack_from("<IIII", code, at + 8)
            for n in range(count):
                name, kind = struct.unpack_from("<IB", code, symbols + n * (16 if wide else 12))
                if kind & 0x0E == 0 and kind & 0xE0 == 0:
                    yield _text(code, strings + name)
        at += size


def _wasm(code: bytes) -> Iterator[str]:
    """Imported functions; memory, tables and globals come from the linker."""
    at = 8
    while at < len(code):
        section = code[at]
        size, at = _leb(code, at + 1)
        if section == 2:
            yield from _wasm_imports(code, at)
        at += size


def _wasm_imports(code: bytes, at: int) -> Iterator[str]:
    count, at = _leb(code, at)
    for _ in range(count):
        length, at = _leb(code, at)
        length, at = _leb(code, at + length)
        name, at = code[at : at + length].decode(), at + length
        kind, at = code[at], at + 1
        if kind == 0:
            _, at = _leb(code, at)
            yield name
        elif kind == 3:
            at += 2
        else:
            at += kind == 1
            limits, at = _leb(code, at)
            for _ in range(1 + (limits & 1)):
                _, at = _leb(code, at)


def _leb(code: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = code[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value, at
        shift += 7
