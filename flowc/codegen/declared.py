"""What a module exports beside its graphs: places of failures, the description, the size of the state, the table of weights."""

from __future__ import annotations

import re

from flowc.codegen import walk
from flowc.codegen.interface import Interface, description
from flowc.target import Target


def declared(found: Interface, target: Target) -> str:
    """The LLVM text of everything in the interface but the graphs."""
    export, prefix = exported(target.triple), found.prefix
    parts = [_sites(found, export), f"@{prefix}_signature = {export}constant {text_constant(description(found))}"]
    if found.states:
        word = walk.word(target.triple)
        parts.append(f"define {export}{word} @{prefix}_state_bytes() #0 {{\n  ret {word} {found.state_bytes}\n}}")
    if found.place == "table" and found.weights.blobs:
        parts.append(f"@{prefix}_weights = {export}global [{len(found.weights.blobs)} x ptr] zeroinitializer, align 8")
    if target.triple.endswith("msvc"):  # what says that a program uses floating point; each object has it, linkers keep one
        parts.append("$_fltused = comdat any\n@_fltused = weak_odr constant i32 1, comdat, align 4")
    return "\n".join(parts) + "\n"


def _sites(found: Interface, export: str) -> str:
    """`const char *prefix_site(int32_t)`: the text of a site, "" for any other number."""
    prefix, texts = found.prefix, ["", *found.sites.texts]
    made = [f"@{prefix}.site.{n} = internal constant {text_constant(text)}" for n, text in enumerate(texts)]
    rows = ", ".join(f"ptr @{prefix}.site.{n}" for n in range(len(texts)))
    return "\n".join(
        [
            *made,
            f"@{prefix}.sites = internal constant [{len(texts)} x ptr] [{rows}], align 8",
            f"define {export}ptr @{prefix}_site(i32 %site) #0 {{",
            "  %number = add i32 %site, 1",
            f"  %known = icmp ult i32 %number, {len(texts)}",
            "  %place = select i1 %known, i32 %number, i32 0",
            "  %wide = zext i32 %place to i64",
            f"  %at = getelementptr ptr, ptr @{prefix}.sites, i64 %wide",
            "  %text = load ptr, ptr %at, align 4",
            "  ret ptr %text",
            "}",
        ]
    )


def exported(triple: str) -> str:
    """How a symbol is marked that others may use."""
    return "dllexport " if "windows" in triple else ""


def text_constant(text: str) -> str:
    """A string for C."""
    data = text.encode() + b"\0"
    spelled = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else _hex(b) for b in data)
    return f'[{len(data)} x i8] c"{spelled}"'


def quoted(name: str) -> str:
    """A symbol as LLVM spells it."""
    return name if re.fullmatch(r"[\w.$-]+", name, re.ASCII) else f'"{"".join(_escaped(c) for c in name)}"'


def _escaped(c: str) -> str:
    return c if c.isprintable() and c.isascii() and c not in '"\\' else "".join(_hex(b) for b in c.encode())


def _hex(byte: int) -> str:
    return f"\\{byte:02X}"
